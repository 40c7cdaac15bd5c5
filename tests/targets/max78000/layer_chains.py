"""Chains of accelerator layers from short descriptions, with processors assigned.

A `Step` says what a layer does; `chain` adds what follows from its place: channels and
size of its input, and the processors that hold its data, packed from processor 0. This
is all a cost estimate needs: where in the data memory each tensor lies does not change
the figures.
"""

import dataclasses
from collections.abc import Sequence

from tfpipeline import errors
from tfpipeline.targets.max78000 import accelerator_layer, folding, geometry
from tfpipeline.targets.max78000 import spec as specs

Pair = accelerator_layer.Pair


@dataclasses.dataclass(frozen=True, kw_only=True)
class Step:
    """What one layer does; fields as those of `AcceleratorLayer`.

    `out_channels` is None for a passthrough layer, which keeps its input's.
    """

    operator: str
    out_channels: int | None = None
    kernel: Pair = (1, 1)
    pad: Pair = (0, 0)
    stride: Pair = (1, 1)
    dilation: Pair = (1, 1)
    output_pad: Pair = (1, 1)
    groups: int = 1
    pool: Pair = (1, 1)
    pool_stride: Pair = (1, 1)
    pool_type: str = "max"
    flatten: bool = False
    activation: str | None = None
    weight_bits: int = 8
    bias: bool = False
    output_width: int = 8
    name: str | None = None


def conv2d(
    out_channels: int,
    *,
    size: int = 3,
    pool: int = 1,
    pool_stride: int | None = None,
    pool_type: str = "max",
    activation: str | None = "ReLU",
    bias: bool = False,
    weight_bits: int = 8,
    name: str | None = None,
) -> Step:
    """A square convolution of stride 1 that keeps the size, pooled in front."""
    jump = pool if pool_stride is None else pool_stride
    return Step(
        operator="conv2d",
        out_channels=out_channels,
        kernel=(size, size),
        pad=(size // 2, size // 2),
        pool=(pool, pool),
        pool_stride=(jump, jump),
        pool_type=pool_type,
        activation=activation,
        bias=bias,
        weight_bits=weight_bits,
        name=name,
    )


def conv1d(
    out_channels: int,
    *,
    size: int,
    pad: int = 0,
    dilation: int = 1,
    pool: int = 1,
    pool_type: str = "max",
    activation: str | None = "ReLU",
    bias: bool = False,
    weight_bits: int = 8,
    name: str | None = None,
) -> Step:
    """A convolution of stride 1 along the rows of one-column data, pooled in front."""
    return Step(
        operator="conv1d",
        out_channels=out_channels,
        kernel=(size, 1),
        pad=(pad, 0),
        dilation=(dilation, 1),
        pool=(pool, 1),
        pool_stride=(pool, 1),
        pool_type=pool_type,
        activation=activation,
        bias=bias,
        weight_bits=weight_bits,
        name=name,
    )


def conv_transpose2d(
    out_channels: int,
    *,
    activation: str | None = "ReLU",
    bias: bool = False,
    weight_bits: int = 8,
    name: str | None = None,
) -> Step:
    """The one transposed convolution of the device that doubles the size exactly."""
    return Step(
        operator="convtranspose2d",
        out_channels=out_channels,
        kernel=(3, 3),
        pad=(1, 1),
        stride=(2, 2),
        activation=activation,
        bias=bias,
        weight_bits=weight_bits,
        name=name,
    )


def linear(
    out_channels: int,
    *,
    flatten: bool = False,
    activation: str | None = None,
    bias: bool = True,
    output_width: int = 8,
    weight_bits: int = 8,
    name: str | None = None,
) -> Step:
    """A fully connected layer, of 1x1 data unless it flattens."""
    return Step(
        operator="linear",
        out_channels=out_channels,
        flatten=flatten,
        activation=activation,
        bias=bias,
        output_width=output_width,
        weight_bits=weight_bits,
        name=name,
    )


def pooling(
    pool: Pair,
    *,
    stride: Pair | None = None,
    pool_type: str = "max",
    name: str | None = None,
) -> Step:
    """A layer that only pools."""
    return Step(
        operator="passthrough",
        pool=pool,
        pool_stride=pool if stride is None else stride,
        pool_type=pool_type,
        name=name,
    )


def chain(
    in_channels: int,
    in_dim: Pair,
    steps: Sequence[Step],
    spec: specs.Spec = specs.MAX78000,
) -> tuple[accelerator_layer.AcceleratorLayer, ...]:
    """Layers of a network without branches, from its input's channels and size.

    Raises:
      GraphError: a layer that does not exist, or does not fit its input.
    """
    layers = []
    channels, dim = in_channels, in_dim
    for step in steps:
        if step.out_channels is None and step.operator != "passthrough":
            raise errors.GraphError(f"{step.operator} {step.name!r} needs out_channels")
        fields = {f.name: getattr(step, f.name) for f in dataclasses.fields(step)}
        out_channels = step.out_channels or channels
        layer = accelerator_layer.AcceleratorLayer(
            **fields
            | {
                "in_channels": channels,
                "in_dim": dim,
                "out_channels": out_channels,
                "processors": geometry.packed_map(channels, spec=spec),
                "output_processors": geometry.packed_map(out_channels, spec=spec),
            }
        )
        layers.append(layer)
        channels, dim = out_channels, layer.out_dim
    return tuple(layers)


def fold(
    in_channels: int, in_dim: Pair, steps: Sequence[Step], factor: int
) -> tuple[int, Pair, tuple[Step, ...]]:
    """The network on folded data, and the first poolings taken out.

    The poolings whose strides multiply to `factor` disappear, so that every layer
    behind them keeps its size; the layers in front of them work on fewer pixels. This
    is another network: its first kernel sees `factor` times the surroundings, and it
    must be trained anew.

    Raises:
      GraphError: the size is not a multiple of the factor, or no poolings make it up.
    """
    channels, dim = folding.fold_input(in_channels, in_dim, factor)
    remaining = factor
    folded = []
    for step in steps:
        stride = step.pool_stride
        if remaining > 1 and stride[0] > 1:
            if stride[0] != stride[1] or remaining % stride[0]:
                break
            remaining //= stride[0]
            step = dataclasses.replace(step, pool=(1, 1), pool_stride=(1, 1))
        folded.append(step)
    if remaining > 1:
        raise errors.GraphError(
            f"a network can be folded by {factor} only if the strides of its first "
            f"poolings multiply to {factor}"
        )
    return channels, dim, tuple(folded)
