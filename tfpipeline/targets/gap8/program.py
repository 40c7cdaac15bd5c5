"""A network of kernel calls with their integers: all that decides its outputs.

One layer is one call of a kernel of the chip's library: a convolution with its ReLU
and max pool, a pool, a matrix product, a concatenation, a sum. Data are int16 or int8,
`[channels, rows, columns]`, one width throughout; a vector is `[n, 1, 1]`. Kernels are
`[out_channels, in_channels / groups, rows, columns]`, those of `Linear`
`[outputs, inputs]` with the inputs in the order channel, row, column. Everything is
per tensor: a tensor has `q` fraction bits and its integers stand for integer / 2**q.

What the layers compute stands in `kernels`.
"""

import dataclasses
import math
from collections.abc import Iterator, Mapping

from tfpipeline import errors
from tfpipeline.ir import geometry, graph
from tfpipeline.targets.gap8 import fixed_point

Array = graph.Array
# Channels, rows, columns.
Shape = tuple[int, int, int]
# Of rows, of columns.
Pair = tuple[int, int]
# Rows above and below, columns left and right.
Padding = tuple[Pair, Pair]

NO_PADDING: Padding = ((0, 0), (0, 0))


@dataclasses.dataclass(frozen=True, slots=True)
class Tensor:
    """Data between layers: a shape, and how many bits of an integer are fraction."""

    name: str
    shape: Shape
    q: int

    @property
    def num_elements(self) -> int:
        """Product of the shape."""
        return math.prod(self.shape)


@dataclasses.dataclass(frozen=True, slots=True)
class Window:
    """A pooling window. What `padding` adds takes no part in the result."""

    kernel_size: Pair
    strides: Pair
    padding: Padding = NO_PADDING

    def plane(self, size: Pair) -> Pair:
        """Positions of the window on a plane of rows and columns."""
        rows, columns = (
            geometry.output_size(*axis)
            for axis in zip(
                size, self.kernel_size, self.strides, self.padding, strict=True
            )
        )
        return rows, columns

    @property
    def area(self) -> int:
        """Pixels under the window."""
        return math.prod(self.kernel_size)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Layer:
    """One call: reads the tensors `inputs`, writes the tensor `output`."""

    name: str
    inputs: tuple[str, ...]
    output: str

    @property
    def kind(self) -> str:
        """The class's name: `Conv`."""
        return type(self).__name__


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Weighted(Layer):
    """A layer with weights and bias (zeros where the network has none).

    Attributes:
        weights: int16 or int8, as wide as the data.
        bias: likewise, `[outputs]`.
        format: fraction bits of input, weights, bias and output.
        relu: whether negative results become 0.
    """

    weights: Array
    bias: Array
    format: fixed_point.Format
    relu: bool = False

    @property
    def weight_bytes(self) -> int:
        """Bytes of the weights, without the bias."""
        return self.weights.nbytes

    @property
    def bias_bytes(self) -> int:
        """Bytes of the bias."""
        return self.bias.nbytes


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Conv(Weighted):
    """Convolution, ReLU, and max pool: one call that writes only the pooled plane.

    Padding is with zeros. `groups` is 1, or the number of input channels for a
    depthwise convolution.
    """

    strides: Pair = (1, 1)
    padding: Padding = NO_PADDING
    dilation: Pair = (1, 1)
    groups: int = 1
    pool: Window | None = None

    @property
    def kernel_size(self) -> Pair:
        """Rows and columns of the kernel."""
        rows, columns = self.weights.shape[2:]
        return rows, columns

    def conv_plane(self, size: Pair) -> Pair:
        """Rows and columns before the pool, from those of the input."""
        rows, columns = (
            geometry.output_size(*axis)
            for axis in zip(
                size,
                self.kernel_size,
                self.strides,
                self.padding,
                self.dilation,
                strict=True,
            )
        )
        return rows, columns


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Linear(Weighted):
    """Matrix product with all values of the input."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MaxPool(Layer):
    """Largest value of each window, and ReLU."""

    window: Window
    relu: bool = False


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AvgPool(Layer):
    """Sum of each window times `factor`, shifted right by `shift`, saturated; ReLU.

    See `kernels.average_factor` for what the chip's library multiplies by. `rounds`
    tells whether half a step is added before the shift.
    """

    window: Window
    factor: int
    shift: int
    rounds: bool = True
    relu: bool = False

    @property
    def gain(self) -> float:
        """What the result is of the true mean: 1 but for the rounding of `factor`."""
        return float(self.factor * self.window.area / 2**self.shift)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Joined(Layer):
    """A layer of several inputs, each shifted right by its `norms`, rounded."""

    norms: tuple[int, ...]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Concat(Joined):
    """Inputs one after another along the channels; no call where no norm is set."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Add(Joined):
    """Sum of two inputs of one shape, saturated, and ReLU."""

    relu: bool = False


LAYER_KINDS: tuple[type[Layer], ...] = (Conv, Linear, MaxPool, AvgPool, Concat, Add)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Program:
    """Layers in the order of execution.

    Attributes:
        name: the network's.
        num_bits: 16 or 8, of data, weights and biases.
        tensors: all tensors that layers and `inputs` name, by name.
        layers: each reads what was written before it.
        inputs: the one tensor that is given.
        outputs: what is the result.
        notes: what a reader should know, such as layers that are left to the host.

    Raises:
        GraphError: listing all that does not fit together.
    """

    name: str
    num_bits: int
    tensors: Mapping[str, Tensor]
    layers: tuple[Layer, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        faults = list(_structure_faults(self))
        if not faults:
            faults = [
                f"{layer.kind} '{layer.name}': {fault}"
                for layer in self.layers
                for fault in _layer_faults(self, layer)
            ]
        if faults:
            raise errors.GraphError(
                errors.told(f"program '{self.name[:60]}': ", faults)
            )

    @property
    def input(self) -> Tensor:
        """The tensor that is given."""
        return self.tensors[self.inputs[0]]

    @property
    def bytes_per_element(self) -> int:
        """Bytes of a value, a weight or a bias."""
        return self.num_bits // 8

    def tensor_bytes(self, name: str) -> int:
        """Bytes of a tensor's data."""
        return self.tensors[name].num_elements * self.bytes_per_element

    @property
    def weight_bytes(self) -> int:
        """Bytes of all weights and biases."""
        return sum(
            layer.weight_bytes + layer.bias_bytes
            for layer in self.layers
            if isinstance(layer, Weighted)
        )


def _structure_faults(p: Program) -> Iterator[str]:
    if p.num_bits not in fixed_point.WIDTHS:
        yield f"num_bits must be 8 or 16; found {p.num_bits}"
    if len(p.inputs) != 1 or not p.layers or not p.outputs:
        yield "one input, at least one layer and one output are needed"
    names = [*p.inputs, *p.outputs]
    names += [name for layer in p.layers for name in (*layer.inputs, layer.output)]
    missing = sorted({name for name in names if name not in p.tensors})
    if missing:
        yield f"no tensors {', '.join(missing)}"
    written = set(p.inputs)
    for layer in p.layers:
        for name in layer.inputs:
            if name not in written:
                yield f"'{layer.name}' reads '{name}' before it is written"
        if layer.output in written:
            yield f"'{layer.name}' writes '{layer.output}' again"
        written.add(layer.output)
    for name in p.outputs:
        if name not in written:
            yield f"the output '{name}' is never written"


def _layer_faults(p: Program, layer: Layer) -> Iterator[str]:
    sources = [p.tensors[name] for name in layer.inputs]
    result = p.tensors[layer.output]
    many = isinstance(layer, Joined)
    if not sources or (not many and len(sources) != 1):
        yield f"{len(sources)} inputs"
        return
    shape = _result_shape(layer, sources)
    if shape != result.shape:
        yield f"writes {shape}; '{result.name}' is {result.shape}"
    if isinstance(layer, Weighted):
        yield from _weight_faults(p, layer, sources[0], result)
    elif isinstance(layer, Joined):
        yield from _joined_faults(layer, sources, result)
    elif sources[0].q != result.q:
        yield f"changes {sources[0].q} fraction bits to {result.q}"


def _result_shape(layer: Layer, sources: list[Tensor]) -> tuple[int, ...]:
    channels, *plane = sources[0].shape
    size = (plane[0], plane[1])
    if isinstance(layer, Conv):
        size = layer.conv_plane(size)
        if layer.pool is not None and min(size) > 0:
            size = layer.pool.plane(size)
        return (len(layer.weights), *size)
    if isinstance(layer, Linear):
        return (len(layer.weights), 1, 1)
    if isinstance(layer, (MaxPool, AvgPool)):
        return (channels, *layer.window.plane(size))
    if isinstance(layer, Concat) and len({s.shape[1:] for s in sources}) == 1:
        return (sum(source.shape[0] for source in sources), *size)
    if isinstance(layer, Add) and len({s.shape for s in sources}) == 1:
        return sources[0].shape
    return ()


def _weight_faults(
    p: Program, layer: Weighted, source: Tensor, result: Tensor
) -> Iterator[str]:
    width = fixed_point.WIDTHS[p.num_bits]
    for what, array in (("weights", layer.weights), ("bias", layer.bias)):
        if array.dtype != width:
            yield f"{what} are {array.dtype}, not {width}"
    shape = layer.weights.shape
    if isinstance(layer, Conv):
        inputs, rank = source.shape[0], 4
        groups = layer.groups
        if groups < 1 or inputs % groups or (shape and shape[0] % groups):
            yield f"{groups} groups of {inputs} inputs and {shape[:1]} outputs"
            return
        inputs //= groups
    else:
        inputs, rank = source.num_elements, 2
    if len(shape) != rank or shape[1] != inputs:
        yield f"weights {shape} for {inputs} inputs"
    if layer.bias.shape != shape[:1]:
        yield f"bias {layer.bias.shape} for {shape[:1]} outputs"
    form = layer.format
    if (form.in_q, form.out_q) != (source.q, result.q):
        yield f"{form} between tensors of {source.q} and {result.q} fraction bits"
    for what, places in (("norm", form.norm), ("shift of the bias", form.bias_norm)):
        if not 0 <= places <= fixed_point.MAX_NORM:
            yield f"{what} must be 0 to {fixed_point.MAX_NORM}; found {places}"


def _joined_faults(
    layer: Joined, sources: list[Tensor], result: Tensor
) -> Iterator[str]:
    if isinstance(layer, Add) and len(sources) != 2:
        yield f"{len(sources)} inputs"
    expected = tuple(source.q - result.q for source in sources)
    if layer.norms != expected or min(expected) < 0:
        yield f"norms {layer.norms}; the fraction bits need {expected}, none negative"
