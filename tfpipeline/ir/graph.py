"""The graph: frozen layers and tensors, arrays beside them, nothing that behaves.

Every tensor has a static shape with the batch (of one) first and channels last.
Kernels are OHWI (`[out_channels, height, width, in_channels]`), depthwise kernels
`[1, height, width, out_channels]`, dense ones `[out_channels, in_channels]`, those of
`Conv1D` `[out_channels, width, in_channels]`. Padding is explicit. What a kind costs or
computes stands elsewhere, in dictionaries keyed by kind.
"""

import dataclasses
import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
# One pair (before, after) for each axis that is padded.
Padding = tuple[tuple[int, int], ...]

# How a value is stored. Widths below 8 bits are int8 with a smaller `num_bits`.
DTYPES = ("float32", "int8", "uint8", "int16", "int32", "int64")

ACTIVATION_FUNCTIONS = (
    "abs",
    "hard_swish",
    "relu",
    "relu6",
    "relu_0_to_1",
    "relu_n1_to_1",
    "sigmoid",
    "tanh",
)


@dataclasses.dataclass(frozen=True, slots=True)
class QuantParams:
    """What the integers mean: `real = scale * (integer - zero_point)`.

    Attributes:
        scale: float32 values exactly as trained; one, or one a slice of `axis`.
        zero_point: as many as `scale`.
        num_bits: logical width; the tensor's `dtype` is the storage.
        axis: the axis of per-channel parameters, `None` for one scale a tensor.
    """

    scale: tuple[float, ...]
    zero_point: tuple[int, ...]
    num_bits: int
    axis: int | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Tensor:
    """An activation or a constant; `quant` is `None` where values are real numbers."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    quant: QuantParams | None = None

    @property
    def num_elements(self) -> int:
        """Product of the shape."""
        return math.prod(self.shape)

    @property
    def num_bits(self) -> int:
        """Logical width of an element: of `quant`, else of the storage."""
        if self.quant is not None:
            return self.quant.num_bits
        return 8 * np.dtype(self.dtype).itemsize


@dataclasses.dataclass(frozen=True, slots=True)
class Clamp:
    """A fused activation: real bounds of a layer's result, before it is rounded.

    Real, not integer, for the reason that scales are stored and not multipliers: each
    target rounds the bounds to its own integers.
    """

    minimum: float = -math.inf
    maximum: float = math.inf


NO_CLAMP = Clamp()
RELU = Clamp(0.0, math.inf)
RELU6 = Clamp(0.0, 6.0)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One step: reads the tensors `inputs`, writes the tensor `output`."""

    name: str
    inputs: tuple[str, ...]
    output: str

    @property
    def kind(self) -> str:
        """The class's name: `Conv2D`."""
        return type(self).__name__


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Weighted(Layer):
    """A layer with a constant kernel; `weights` and `bias` name constants."""

    weights: str
    bias: str | None = None
    clamp: Clamp = NO_CLAMP


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Several(Layer):
    """A layer of several results: `output` is the first, `further` are the others."""

    further: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Unknown(Several):
    """An operator of a file that has no kind: what it reads and writes, no more.

    Only in graphs that are priced; nothing runs or writes one. Constants that it reads
    are left out.
    """

    operator: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Conv1D(Weighted):
    """Convolution along the width of `[1, width, channels]`; tuples of length one."""

    strides: tuple[int, ...]
    padding: Padding
    dilation: tuple[int, ...] = (1,)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Conv2D(Weighted):
    """Convolution; groups where the kernel has fewer input channels than the input."""

    strides: tuple[int, ...]
    padding: Padding
    dilation: tuple[int, ...] = (1, 1)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class DepthwiseConv2D(Weighted):
    """Output channel `c * multiplier + m` reads input channel `c` only."""

    strides: tuple[int, ...]
    padding: Padding
    dilation: tuple[int, ...] = (1, 1)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TransposeConv2D(Weighted):
    """Each input pixel adds its kernel to the output; `padding` is cut off again.

    Negative padding at the end adds pixels that no kernel reaches.
    """

    strides: tuple[int, ...]
    padding: Padding


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Dense(Weighted):
    """Matrix product over the last axis, or over all of a flattened input."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Pool(Layer):
    """A window of `kernel_size`; what `padding` adds takes no part in the result."""

    kernel_size: tuple[int, ...]
    strides: tuple[int, ...]
    padding: Padding
    clamp: Clamp = NO_CLAMP


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class MaxPool(Pool):
    """Largest value of each window."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class AveragePool(Pool):
    """Mean over the part of each window that lies inside the input."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Mean(Layer):
    """Mean over `axes`, which the output keeps as ones or drops, as its shape says."""

    axes: tuple[int, ...]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Elementwise(Layer):
    """Two operands, broadcast; one of them may be a constant."""

    clamp: Clamp = NO_CLAMP


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Add(Elementwise):
    """First plus second."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Sub(Elementwise):
    """First minus second."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Mul(Elementwise):
    """First times second."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Extremum(Layer):
    """Two operands on one scale, broadcast; one of them may be a constant."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Minimum(Extremum):
    """The smaller one."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Maximum(Extremum):
    """The larger one."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Reduction(Layer):
    """One value over `axes`, which the output keeps as ones or drops, by its shape."""

    axes: tuple[int, ...]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ReduceMax(Reduction):
    """The largest value."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ReduceMin(Reduction):
    """The smallest value."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Position(Layer):
    """Where along `axis` a value stands, the first of equal ones; that axis is dropped.

    The output is of int32 (int64 in files that TFLite alone runs), without a scale; in
    a float graph it is float32, as all tensors are.
    """

    axis: int


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ArgMax(Position):
    """Position of the largest value."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ArgMin(Position):
    """Position of the smallest value."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Concat(Layer):
    """Inputs one after another along `axis`, counted from the front."""

    axis: int


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Split(Several):
    """The input in parts along `axis`, counted from the front, as their shapes say."""

    axis: int


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Pack(Layer):
    """Inputs of one shape one after another along a new axis of the output."""

    axis: int


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Unpack(Several):
    """The slices of the input along `axis`, which they lack."""

    axis: int


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Pad(Layer):
    """Zeros (the zero point) around the input: a pair for every axis."""

    padding: Padding


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class PadV2(Layer):
    """As `Pad`, of the value of the second input, a constant of one element."""

    padding: Padding


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Gather(Layer):
    """Copies of values: the index along each axis depends on one output axis alone.

    `simulate.gathering` has the indices of each kind.
    """


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class MirrorPad(Gather):
    """The input's own values around it, mirrored: a pair for every axis.

    `mode` is "reflect", at the outermost value, or "symmetric", behind it.
    """

    padding: Padding
    mode: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Transpose(Gather):
    """Output axis `i` is input axis `permutation[i]`."""

    permutation: tuple[int, ...]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Slice(Gather):
    """`size` values of each axis from `begin` on."""

    begin: tuple[int, ...]
    size: tuple[int, ...]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class StridedSlice(Gather):
    """`size` values of each axis from `begin` on, `steps` apart, which may be negative.

    The step of a single value is 1. The output may drop axes of size 1.
    """

    begin: tuple[int, ...]
    size: tuple[int, ...]
    steps: tuple[int, ...]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ResizeNearestNeighbor(Gather):
    """Rows and columns of the output's size, each the nearest one of the input's."""

    align_corners: bool
    half_pixel_centers: bool


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ResizeBilinear(Layer):
    """Rows and columns of the output's size, between the two nearest of the input's."""

    align_corners: bool
    half_pixel_centers: bool


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Reshape(Layer):
    """The same values in the shape of the output."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SpaceToDepth(Layer):
    """Blocks of `block_size` squared pixels moved into channels."""

    block_size: int


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Requantize(Layer):
    """The same real values on the output's scale."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Softmax(Layer):
    """`exp(beta * x)`, normalized along the last axis."""

    beta: float = 1.0


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Activation(Layer):
    """One of `ACTIVATION_FUNCTIONS` on every value, where it is not fused."""

    function: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class LeakyRelu(Layer):
    """`x` where it is positive, else `alpha * x`."""

    alpha: float


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class PRelu(Layer):
    """As `LeakyRelu`, by slopes, the second input, broadcast."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Stateful(Layer):
    """A layer that keeps values from run to run.

    They are the tensors `states`, which nothing else reads or writes, and are zeros
    (their zero points) at first.
    """

    states: tuple[str, ...]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Lstm(Stateful):
    """One row of `[batch, time, channels]` after the other, as each changes the state.

    Kernels `[units, channels]` and `[units, units]` and biases are those of the input,
    forget, cell and output gate, in this order; the states are the hidden one, which is
    the result, and the cell's.

    Attributes:
        input_weights: names of four constants.
        recurrent_weights: names of four constants.
        biases: names of four constants.
        cell_clip: bound of the cell's magnitude, 0 for none.
        time_major: whether the data are `[time, batch, channels]`.
    """

    input_weights: tuple[str, ...]
    recurrent_weights: tuple[str, ...]
    biases: tuple[str, ...]
    cell_clip: float = 0.0
    time_major: bool = False


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Svdf(Stateful):
    """A filter over the channels of one moment, then one over the last moments.

    Attributes:
        weights: `[units * rank, channels]`.
        time_weights: `[units * rank, moments]`.
        bias: `[units]`.
        rank: filters whose results are added up in one unit.
    """

    weights: str
    time_weights: str
    bias: str
    rank: int
    clamp: Clamp = NO_CLAMP


# The closed set; meta-tests iterate over it. `Unknown` is outside of it.
LAYER_KINDS: tuple[type[Layer], ...] = (
    Conv1D,
    Conv2D,
    DepthwiseConv2D,
    TransposeConv2D,
    Dense,
    MaxPool,
    AveragePool,
    Mean,
    Add,
    Sub,
    Mul,
    Minimum,
    Maximum,
    ReduceMax,
    ReduceMin,
    ArgMax,
    ArgMin,
    Concat,
    Split,
    Pack,
    Unpack,
    Pad,
    PadV2,
    MirrorPad,
    Transpose,
    Slice,
    StridedSlice,
    ResizeNearestNeighbor,
    ResizeBilinear,
    Reshape,
    SpaceToDepth,
    Requantize,
    Softmax,
    Activation,
    LeakyRelu,
    PRelu,
    Lstm,
    Svdf,
)


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Graph:
    """A network: layers in their order of execution.

    Attributes:
        name: the network's name, for messages.
        tensors: every tensor that a layer, `inputs` or `outputs` names.
        constants: arrays of the constant tensors; compare graphs by `equal`.
        layers: in an order that they can be executed in.
        inputs: names of the tensors that are given.
        outputs: names of the tensors that are the result.
    """

    name: str
    tensors: Mapping[str, Tensor]
    constants: Mapping[str, Array]
    layers: tuple[Layer, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def kernel_names(layer: Layer) -> tuple[str, ...]:
    """Names of the kernels of a layer."""
    match layer:
        case Weighted():
            return (layer.weights,)
        case Lstm():
            return layer.input_weights + layer.recurrent_weights
        case Svdf():
            return (layer.weights, layer.time_weights)
    return ()


def bias_names(layer: Layer) -> tuple[str, ...]:
    """Names of the biases of a layer."""
    match layer:
        case Weighted():
            return () if layer.bias is None else (layer.bias,)
        case Lstm():
            return layer.biases
        case Svdf():
            return (layer.bias,)
    return ()


def constant_names(layer: Layer) -> tuple[str, ...]:
    """Names of the kernels and the biases of a layer, where it has them."""
    return kernel_names(layer) + bias_names(layer)


def state_names(layer: Layer) -> tuple[str, ...]:
    """Names of what a layer keeps from run to run."""
    return layer.states if isinstance(layer, Stateful) else ()


def read_names(layer: Layer) -> tuple[str, ...]:
    """Names of all tensors that a layer reads: its inputs, kernel and bias."""
    return layer.inputs + constant_names(layer)


def written_names(layer: Layer) -> tuple[str, ...]:
    """Names of all tensors that a layer writes, in order."""
    further = layer.further if isinstance(layer, Several) else ()
    return (layer.output, *further)


def tensor_names(graph: Graph) -> Iterator[str]:
    """Names of all tensors in order of first use, each once."""
    seen: set[str] = set()
    uses = [graph.inputs]
    uses += [
        (*read_names(layer), *state_names(layer), *written_names(layer))
        for layer in graph.layers
    ]
    uses.append(graph.outputs)
    for name in (name for names in uses for name in names):
        if name not in seen:
            seen.add(name)
            yield name


def equal(a: Graph, b: Graph, *, names: bool = True) -> bool:
    """Whether two graphs are the same to the last bit.

    Args:
        a: one graph.
        b: the other.
        names: `False` leaves the names of graph, tensors and layers out of account, as
            between two readers of the same network.
    """
    if not names:
        a, b = _numbered(a), _numbered(b)
    return (
        (a.name, a.layers, a.inputs, a.outputs)
        == (b.name, b.layers, b.inputs, b.outputs)
        and dict(a.tensors) == dict(b.tensors)
        and a.constants.keys() == b.constants.keys()
        and all(_same(a.constants[name], b.constants[name]) for name in a.constants)
    )


def _same(a: Array, b: Array) -> bool:
    # Bytes, because a float's -0.0 and NaN are compared as they are stored.
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


def _numbered(graph: Graph) -> Graph:
    """The graph with every name replaced by its position in the order of use."""
    new = {name: f"t{i}" for i, name in enumerate(tensor_names(graph))}

    def renamed(layer: Layer, index: int) -> Layer:
        changes: dict[str, Any] = {
            "name": f"l{index}",
            "inputs": tuple(new[name] for name in layer.inputs),
            "output": new[layer.output],
        }
        if isinstance(layer, Several):
            changes["further"] = tuple(new[name] for name in layer.further)
        for field in ("weights", "time_weights", "bias"):
            if getattr(layer, field, None) is not None:
                changes[field] = new[getattr(layer, field)]
        for field in ("states", "input_weights", "recurrent_weights", "biases"):
            if hasattr(layer, field):
                changes[field] = tuple(new[name] for name in getattr(layer, field))
        return dataclasses.replace(layer, **changes)

    return Graph(
        name="",
        tensors={
            new[name]: dataclasses.replace(graph.tensors[name], name=new[name])
            for name in new
        },
        constants={
            new[name]: graph.constants[name] for name in new if name in graph.constants
        },
        layers=tuple(renamed(layer, i) for i, layer in enumerate(graph.layers)),
        inputs=tuple(new[name] for name in graph.inputs),
        outputs=tuple(new[name] for name in graph.outputs),
    )
