"""What GAP8 runs: steps of one kernel each, their shapes, and where tensors lie.

A step is a convolution with its activation and its pool, a linear layer, a pool, a sum,
or a movement of data: one generator call of the AutoTiler, one kernel of the demo.
Shapes are (channels, height, width), the order in which the chip keeps its data; a
vector is `(n, 1, 1)`. `fusion` makes them from a graph, `program_steps` from a program
of integers, and both are the same for the same network.
"""

import dataclasses
import math
from collections.abc import Mapping

from tfpipeline.ir import graph

CONV = "conv"
DEPTHWISE = "depthwise"
LINEAR = "linear"
MAX_POOL = "max_pool"
AVERAGE_POOL = "average_pool"
ADD = "add"
# Two operands, not a sum of tensors of one shape.
ELEMENT_WISE = "element_wise"
ACTIVATION = "activation"
SOFTMAX = "softmax"
# Data that is only moved: what could not be concatenated or padded in place.
COPY = "copy"
# Without any kernel in the SDK of 2019.
OTHER = "other"
OPERATIONS = (
    CONV,
    DEPTHWISE,
    LINEAR,
    MAX_POOL,
    AVERAGE_POOL,
    ADD,
    ELEMENT_WISE,
    ACTIVATION,
    SOFTMAX,
    COPY,
    OTHER,
)
WITH_WEIGHTS = (CONV, DEPTHWISE, LINEAR)

Shape = tuple[int, int, int]
Pair = tuple[int, int]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Window:
    """Rows and columns of a kernel or a pool, its steps, and zeros around the input."""

    size: Pair
    strides: Pair = (1, 1)
    padding: tuple[Pair, Pair] = ((0, 0), (0, 0))
    dilation: Pair = (1, 1)

    @property
    def taps(self) -> int:
        """Values under the window in one channel."""
        return math.prod(self.size)

    @property
    def is_padded(self) -> bool:
        """Whether any side is padded."""
        return any(map(any, self.padding))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pool:
    """A pool behind a convolution, in the same kernel; `kind` is of `OPERATIONS`."""

    kind: str
    window: Window


@dataclasses.dataclass(frozen=True, kw_only=True)
class Step:
    """One kernel.

    Attributes:
        name: of the graph's layer that it is about.
        operation: one of `OPERATIONS`.
        layers: the graph's layers in it, in order.
        inputs: names of the tensors that it reads, in order; constants left out, and
            for a tensor that is another one reshaped, that other one.
        output: name of the tensor that it writes.
        source: shape of the first input.
        body: shape in front of `pool`; without one the same as `result`.
        result: shape of the output.
        window: of a convolution or a pool.
        groups: channels of a convolution are in so many groups.
        pool: the pool in the same kernel.
        activations: names of the activation functions, in order: `relu`, `relu6`, a
            name of `graph.ACTIVATION_FUNCTIONS`, or `clamp`.
        weight_elements: values of the kernel, or of a constant operand.
        bias_elements: values of the bias: one an output channel, since the kernels want
            one (of zeros) where the graph has none.
        macs: multiply-accumulates; 0 where the step is of a program.
    """

    name: str
    operation: str
    layers: tuple[graph.Layer, ...]
    inputs: tuple[str, ...]
    output: str
    source: Shape
    body: Shape
    result: Shape
    window: Window | None = None
    groups: int = 1
    pool: Pool | None = None
    activations: tuple[str, ...] = ()
    weight_elements: int = 0
    bias_elements: int = 0
    macs: int = 0

    @property
    def layer(self) -> graph.Layer | None:
        """The graph's layer that the step is about; `None` where it has none."""
        named = [layer for layer in self.layers if layer.name == self.name]
        return next(iter((*named, *self.layers)), None)

    @property
    def measured(self) -> str:
        """The tensor whose magnitude sets the format: in front of what is fused."""
        return self.output if self.layer is None else self.layer.output

    @property
    def subject(self) -> str:
        """How messages name the step."""
        layer = self.layer
        return f"{'layer' if layer is None else layer.kind} '{self.name}'"

    @property
    def windows(self) -> tuple[tuple[Window, Pair], ...]:
        """Each window and the plane that it moves over, the convolution's first."""
        found = [] if self.window is None else [(self.window, self.source[1:])]
        if self.pool is not None:
            found.append((self.pool.window, self.body[1:]))
        return tuple(found)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Join:
    """A concatenation along the channels, which is no step.

    Attributes:
        name: of the layer.
        parts: tensors that become one, in order.
        output: that tensor.
        time: how many steps, copies left out, must have run before.
        copied: numbers of the parts that are copied to their place; the others are
            written there.
    """

    name: str
    parts: tuple[str, ...]
    output: str
    time: int
    copied: tuple[int, ...] = ()


@dataclasses.dataclass(frozen=True)
class Place:
    """A tensor is all or part of a buffer, from `offset` elements on."""

    buffer: str
    offset: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Network:
    """A graph as the chip runs it.

    Attributes:
        name: the graph's.
        steps: in an order that they can be run in.
        inputs: names of the tensors that are given.
        outputs: names of the tensors that are the result.
        places: the buffer of every tensor; parts of a concatenation share one.
        shapes: of every tensor that has a place.
        buffer_elements: elements of every buffer.
        joins: concatenations in place, in order.
        notes: what a reader should know, such as layers that are left to the host.
    """

    name: str
    steps: tuple[Step, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    places: Mapping[str, Place]
    shapes: Mapping[str, Shape]
    buffer_elements: Mapping[str, int]
    joins: tuple[Join, ...] = ()
    notes: tuple[str, ...] = ()


def elements(shape: Shape) -> int:
    """Values of a tensor of this shape."""
    return math.prod(shape)


def chip_shape(shape: tuple[int, ...]) -> Shape:
    """The chip's (channels, height, width) of a graph's shape, batch and channels last.

    Data of more than two spatial axes has all but the last in the height.
    """
    sizes = shape[1:] or (1,)
    channels, width = sizes[-1], sizes[-2] if len(sizes) > 1 else 1
    return channels, math.prod(sizes[:-2]), width
