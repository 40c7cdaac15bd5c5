"""What a network asks of the accelerator, before anyone asks whether it can.

A draft can say what no `AcceleratorLayer` can: padding on one side only, an activation
or an element-wise operation that the device lacks. `constraints` judges drafts,
`lowering` makes them and forms accelerator layers of them.
"""

import dataclasses
from collections.abc import Mapping

from tfpipeline.targets.max78000 import accelerator_layer

Pair = accelerator_layer.Pair
# (before, after) of the rows, then of the columns.
Sides = tuple[Pair, Pair]

NO_PADDING: Sides = ((0, 0), (0, 0))

# Where the network's input waits: in data memory, or in a FIFO that feeds it.
INPUT_MODES = ("memory", "fifo", "fast_fifo")
# Four channels a word of a memory instance, or one channel an instance.
INPUT_FORMATS = ("HWC", "CHW")

# What is put side by side: channels, or all pixels of a part behind those of another.
CHANNELS, PIXELS = "channels", "pixels"
# What no device joins.
SINGLE_PIXELS, ANOTHER_AXIS = "single pixels", "another axis"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Layer:
    """One layer that the accelerator is asked for; pairs are (rows, columns).

    Fields that `AcceleratorLayer` has mean the same here. 1-D data is (length, 1).

    Attributes:
        kind: the graph layer's kind, as messages name it.
        name: the graph layer's name.
        operator: an operator of the device, or the kind that it has none for.
        operands: tensors that are read; several for an element-wise operation.
        output: the tensor that is written.
        graph_layers: names of the graph's layers that this one stands for.
        out_dim: what the graph says; what the device would make may differ.
        padding: of the convolution; for a transposed one, what is cut off again.
        pool_padding: of the pooling.
        pool_layer: how messages name the pooling, where it is a layer of its own in
            the graph and not here.
        activation: `ReLU`, `Abs`, `None`, or the name of what the device lacks.
        broadcasts: an element-wise operand is a constant or of another shape.
        scales: `input` or `activation`, where the layer only multiplies that by
            constants and shifts it.
        weights: name of the kernel in the graph's constants.
        bias: name of the bias in the graph's constants, where it is not all zero.
        bias_bits: width of a bias value.
        output_shift: binary places that results move up by, in total.
        features: names of what the device is asked for beyond its layers.
    """

    kind: str
    name: str
    operator: str
    in_channels: int
    in_dim: Pair
    out_channels: int
    out_dim: Pair
    operands: tuple[str, ...] = ("",)
    output: str = ""
    graph_layers: tuple[str, ...] = ()
    kernel: Pair = (1, 1)
    padding: Sides = NO_PADDING
    stride: Pair = (1, 1)
    dilation: Pair = (1, 1)
    output_pad: Pair = (1, 1)
    groups: int = 1
    pool: Pair = (1, 1)
    pool_stride: Pair = (1, 1)
    pool_padding: Sides = NO_PADDING
    pool_layer: str | None = None
    pool_type: str = "max"
    pool_dilation: Pair = (1, 1)
    pool_first: bool = True
    eltwise: str | None = None
    broadcasts: bool = False
    scales: str | None = None
    flatten: bool = False
    activation: str | None = None
    weights: str | None = None
    bias: str | None = None
    weight_bits: int = 8
    bias_bits: int = 8
    output_shift: int = 0
    output_width: int = 8
    streaming: bool = False
    features: tuple[str, ...] = ()

    @property
    def subject(self) -> str:
        """How messages name the layer."""
        return f"{self.kind} '{self.name}'"

    @property
    def convolves(self) -> bool:
        """Whether the layer has weights."""
        return self.operator in ("conv2d", "conv1d", "convtranspose2d", "linear")

    @property
    def pools(self) -> bool:
        """Whether a value is made of several pixels before any convolution."""
        return self.pool != (1, 1) or self.pool_stride != (1, 1)

    @property
    def pooled_dim(self) -> Pair:
        """Rows and columns behind the pooling, its padding included."""
        rows, columns = (
            (size + sum(pads) - dilation * (pool - 1) - 1) // stride + 1
            for size, pads, pool, dilation, stride in zip(
                self.in_dim,
                self.pool_padding,
                self.pool,
                self.pool_dilation,
                self.pool_stride,
                strict=True,
            )
        )
        return rows, columns


@dataclasses.dataclass(frozen=True, kw_only=True)
class Concatenation:
    """Tensors that the next layer reads as one.

    Attributes:
        name: the graph layer's name.
        output: the tensor that stands for all of them.
        parts: the tensors in order, and the channels of each.
        along: what is put side by side, `CHANNELS` or `PIXELS`; or, of what the device
            cannot join, `SINGLE_PIXELS` or `ANOTHER_AXIS`.
        dim: rows and columns of all parts together, where pixels are joined.
    """

    name: str
    output: str
    parts: tuple[tuple[str, int], ...]
    along: str = CHANNELS
    dim: Pair = (1, 1)

    @property
    def subject(self) -> str:
        """How messages name it."""
        return f"Concat '{self.name}'"

    @property
    def channels(self) -> int:
        """Channels of the whole."""
        counts = [channels for _, channels in self.parts]
        return sum(counts) if self.along == CHANNELS else counts[0]

    @property
    def is_possible(self) -> bool:
        """Whether the device has a place for the whole."""
        return self.along in (CHANNELS, PIXELS)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Network:
    """All layers in order of execution, and how the input arrives.

    Attributes:
        name: for messages.
        layers: in order of execution.
        concatenations: of tensors.
        inputs: names of the tensors that are given; the device takes one.
        outputs: names of the tensors that the host takes.
        in_channels: of the first.
        in_dim: of the first.
        input_mode: one of `INPUT_MODES`.
        input_format: one of `INPUT_FORMATS`.
        maps: processors of tensors that are given; all others are assigned.
        notes: what is left to the host, one line each.
    """

    name: str
    layers: tuple[Layer, ...]
    concatenations: tuple[Concatenation, ...] = ()
    inputs: tuple[str, ...] = ("",)
    outputs: tuple[str, ...] = ()
    in_channels: int
    in_dim: Pair
    input_mode: str = "memory"
    input_format: str = "HWC"
    maps: Mapping[str, int] = dataclasses.field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def subject(self) -> str:
        """How messages name it."""
        return f"network '{self.name}'"


def natural_dim(layer: Layer) -> Pair:
    """Rows and columns that a layer's windows leave, whatever the device can do."""
    if layer.operator == "linear":
        return (1, 1)
    if not layer.convolves:
        return layer.pooled_dim
    sizes = zip(
        layer.pooled_dim,
        layer.kernel,
        layer.padding,
        layer.stride,
        layer.dilation,
        strict=True,
    )
    if layer.operator == "convtranspose2d":
        rows, columns = (
            (size - 1) * stride + kernel - sum(pads)
            for size, kernel, pads, stride, _ in sizes
        )
    else:
        rows, columns = (
            (size + sum(pads) - dilation * (kernel - 1) - 1) // stride + 1
            for size, kernel, pads, stride, dilation in sizes
        )
    return rows, columns
