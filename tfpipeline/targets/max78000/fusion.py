"""A graph's layers as the layers that the accelerator is asked for.

The order within a hardware layer is pool, element-wise operation, convolution,
activation. A convolution therefore takes in what stands in front of it: zero padding, a
pool, and a sum of two tensors (which may also come before the pool). A pool in front of
a dense layer, at the end of the network or in front of several readers is a layer of
its own, and so is a sum.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tfpipeline import errors
from tfpipeline.ir import graph
from tfpipeline.targets.max78000 import constant_scalings, draft, graph_view, planes
from tfpipeline.targets.max78000 import spec as specs

Bits = int | Mapping[str, int] | None

DEFAULT_WEIGHT_BITS = 8

_CONVOLUTIONS = (
    graph.Conv1D,
    graph.Conv2D,
    graph.DepthwiseConv2D,
    graph.TransposeConv2D,
)
_POOLS = (graph.MaxPool, graph.AveragePool, graph.Mean)
_ELTWISE = {graph.Add: "add", graph.Sub: "sub", graph.Mul: "mul"}

# Tensors that an in-flight sum may have more channels of than there are processors.
_WIDE_OPERANDS = 2


@dataclasses.dataclass(frozen=True)
class _Front:
    """What a convolution takes in of the layers in front of it, first to last."""

    operands: tuple[str, ...]
    add: graph.Elementwise | None = None
    pool: graph.Layer | None = None
    pad: graph.Pad | None = None

    @property
    def layers(self) -> tuple[graph.Layer, ...]:
        return tuple(x for x in (self.add, self.pool, self.pad) if x is not None)


def draft_network(
    g: graph.Graph,
    spec: specs.Spec,
    *,
    weight_bits: Bits = None,
    wide_output: bool = True,
) -> draft.Network:
    """What a well-formed graph asks of the accelerator.

    Args:
        g: float, or quantized for any target.
        spec: the device; decides which sums a convolution takes in.
        weight_bits: width of the weights, for all layers or by layer name; `None`, or a
            layer that is not named, takes the graph's own where it is at most 8, and 8
            of a float graph.
        wide_output: whether a last layer of one pixel without activation writes its
            32-bit accumulator.
    """
    view = graph_view.view(g)
    fronts = {
        layer.name: _front(view, layer, spec)
        for layer in view.layers
        if isinstance(layer, _CONVOLUTIONS) or planes.is_pointwise(g, layer)
    }
    taken = {layer.name for front in fronts.values() for layer in front.layers}
    scalings = constant_scalings.find(g)
    taken |= {name for each in scalings.values() for name in each.layers[1:]}
    layers: list[draft.Layer] = []
    concatenations: list[draft.Concatenation] = []
    for layer in view.layers:
        if layer.name in taken:
            continue
        if isinstance(layer, graph.Concat):
            concatenations.append(_concatenation(view, layer, concatenations))
            continue
        if layer.name in fronts:
            made = _convolution(view, layer, fronts[layer.name], weight_bits)
        elif isinstance(layer, graph.Dense):
            made = _linear(view, layer, weight_bits)
        elif layer.name in scalings:
            made = _scaling(view, layer, scalings[layer.name])
        else:
            made = _passthrough(view, layer)
        layers.append(_with_width(view, made, wide_output))
    rows, columns, channels = planes.volume(g, view.inputs[0])
    return draft.Network(
        name=g.name,
        layers=tuple(layers),
        concatenations=tuple(concatenations),
        inputs=view.inputs,
        outputs=view.outputs,
        in_channels=channels,
        in_dim=(columns, 1) if rows == 1 else (rows, columns),
        notes=view.notes,
    )


def check_names(g: graph.Graph, weight_bits: Bits) -> None:
    """Refuses widths for layers that the graph does not have.

    Raises:
        UsageError: listing the layers that have weights.
    """
    if not isinstance(weight_bits, Mapping):
        return
    names = [layer.name for layer in g.layers if isinstance(layer, graph.Weighted)]
    unknown = [name for name in weight_bits if name not in names]
    if unknown:
        raise errors.UsageError(
            f"weight bits for '{unknown[0]}', which is no layer with weights of "
            f"'{g.name}'; it has {', '.join(names)}"
        )


def _front(view: graph_view.View, layer: graph.Layer, spec: specs.Spec) -> _Front:
    """What the device can do in the same go, from the convolution backwards."""
    source = layer.inputs[0]
    is_line = planes.is_line(view.g, layer)
    pad = view.sole(source)
    if isinstance(pad, graph.Pad) and _pads_pixels_only(pad):
        source = pad.inputs[0]
    else:
        pad = None
    pool = view.sole(source)
    if (
        isinstance(pool, _POOLS)
        and planes.window(view.g, pool) is not None
        and view.activation(pool) is None
        and (1 in planes.volume(view.g, pool.inputs[0])[:2] or not is_line)
    ):
        source = pool.inputs[0]
    else:
        pool = None
    add = view.sole(source)
    if (
        isinstance(add, graph.Elementwise)
        and not is_line
        and isinstance(layer, graph.Conv2D)
        and (pool is None or isinstance(pool, graph.MaxPool))
        and _adds_in_flight(view, add, layer, spec)
    ):
        return _Front(add.inputs, add, pool, pad)
    return _Front((source,), None, pool, pad)


def _adds_in_flight(
    view: graph_view.View,
    add: graph.Elementwise,
    layer: graph.Conv2D,
    spec: specs.Spec,
) -> bool:
    """Whether a convolution can take in a sum: ELT-04 and ELT-06 of the constraints."""
    if view.activation(add) is not None or planes.broadcasts(view.g, add):
        return False
    if type(add) not in (graph.Add, graph.Sub):
        return False
    channels = planes.volume(view.g, add.output)[2]
    has_room = channels <= _WIDE_OPERANDS * spec.processors
    return has_room and (spec.adds_with_bias or _bias(view.g, layer) is None)


def _convolution(
    view: graph_view.View, layer: graph.Layer, front: _Front, bits: Bits
) -> draft.Layer:
    g = view.g
    assert isinstance(layer, graph.Weighted)
    kernel = g.tensors[layer.weights].shape
    rows, columns, channels = planes.volume(g, front.operands[0])
    sizes, rates = (
        planes.pair(kernel[1:-1]),
        planes.pair(getattr(layer, "dilation", ())),
    )
    out_rows, out_columns, out_channels = planes.volume(g, layer.output)
    is_depthwise = isinstance(layer, graph.DepthwiseConv2D)
    is_transposed = isinstance(layer, graph.TransposeConv2D)
    is_line = planes.is_line(g, layer)
    operator = "conv1d" if is_line else "conv2d"
    asked = draft.Layer(
        kind=layer.kind,
        name=layer.name,
        operator="convtranspose2d" if is_transposed else operator,
        operands=front.operands,
        output=layer.output,
        graph_layers=view.names(*front.layers, layer),
        in_channels=channels,
        in_dim=(rows, columns),
        out_channels=out_channels,
        out_dim=(out_rows, out_columns),
        kernel=sizes,
        padding=_padding(layer, front.pad),
        stride=planes.pair(getattr(layer, "strides", ())),
        # A single tap has nothing to dilate, and the tool refuses it.
        dilation=(rates[0] if sizes[0] > 1 else 1, rates[1] if sizes[1] > 1 else 1),
        groups=channels if is_depthwise else channels // kernel[-1],
        eltwise=None if front.add is None else _ELTWISE[type(front.add)],
        pool_first=front.add is None or front.pool is None,
        activation=view.activation(layer),
        weights=layer.weights,
        bias=_bias(g, layer),
        weight_bits=_bits(g, layer, bits),
        **_pooling(g, front.pool),
    )
    asked = _decimated(asked)
    if is_line:
        return _line(asked) if rows == 1 else asked
    return _with_square_stride(asked)


def _with_square_stride(layer: draft.Layer) -> draft.Layer:
    """Pools of two-dimensional layers have one stride; over one pixel, any will do."""
    rows, columns = layer.pool_stride
    sides = zip(layer.in_dim, layer.pool, strict=True)
    free_rows, free_columns = (side == (1, 1) for side in sides)
    if free_columns:
        return dataclasses.replace(layer, pool_stride=(rows, rows))
    if free_rows:
        return dataclasses.replace(layer, pool_stride=(columns, columns))
    return layer


def _decimated(layer: draft.Layer) -> draft.Layer:
    """A strided 1x1 convolution as one of stride 1 on every so many pixels.

    That is what a pool of one pixel with the stride leaves, and of a pool in front the
    same pixels remain if its own stride grows.
    """
    is_point = layer.kernel == (1, 1) and layer.padding == draft.NO_PADDING
    if not is_point or layer.operator == "convtranspose2d":
        return layer
    rows, columns = layer.pool_stride
    stride = (rows * layer.stride[0], columns * layer.stride[1])
    return dataclasses.replace(layer, stride=(1, 1), pool_stride=stride)


def _linear(view: graph_view.View, layer: graph.Dense, bits: Bits) -> draft.Layer:
    g = view.g
    rows, columns, channels = planes.volume(g, layer.inputs[0])
    outputs, inputs = g.tensors[layer.weights].shape
    asked = draft.Layer(
        kind=layer.kind,
        name=layer.name,
        operator="linear" if inputs == rows * columns * channels else layer.kind,
        operands=layer.inputs,
        output=layer.output,
        graph_layers=view.names(layer),
        in_channels=channels,
        in_dim=(rows, columns),
        out_channels=outputs,
        out_dim=(1, 1),
        flatten=rows * columns > 1,
        activation=view.activation(layer),
        weights=layer.weights,
        bias=_bias(g, layer),
        weight_bits=_bits(g, layer, bits),
    )
    return dataclasses.replace(asked, in_dim=(columns, 1)) if rows == 1 else asked


def _scaling(
    view: graph_view.View, layer: graph.Layer, scaling: constant_scalings.Scaling
) -> draft.Layer:
    """A layer that the device lacks, by the user's name for it."""
    rows, columns, channels = planes.volume(view.g, layer.inputs[0])
    return draft.Layer(
        kind=scaling.kind,
        name=scaling.name,
        operator="passthrough",
        operands=layer.inputs[:1],
        output=scaling.output,
        graph_layers=scaling.layers,
        in_channels=channels,
        in_dim=(rows, columns),
        out_channels=channels,
        out_dim=(rows, columns),
        scales="input" if layer.inputs[0] in view.inputs else "activation",
    )


def _passthrough(view: graph_view.View, layer: graph.Layer) -> draft.Layer:
    """A layer without weights: a pool, a sum, or something that the device lacks."""
    g = view.g
    rows, columns, channels = planes.volume(g, layer.inputs[0])
    out_rows, out_columns, out_channels = planes.volume(g, layer.output)
    is_sum = isinstance(layer, graph.Elementwise)
    runs = is_sum or isinstance(layer, graph.Activation)
    runs = runs or (isinstance(layer, _POOLS) and planes.window(g, layer) is not None)
    is_view = isinstance(layer, graph.Reshape) and planes.keeps_pixels(g, layer)
    if is_view:
        # A copy that reads its pixels as other rows and columns.
        rows, columns, runs = out_rows, out_columns, True
    asked = draft.Layer(
        kind=layer.kind,
        name=layer.name,
        operator="passthrough" if runs else layer.kind,
        operands=layer.inputs,
        output=layer.output,
        graph_layers=view.names(layer),
        in_channels=channels,
        in_dim=(rows, columns),
        out_channels=out_channels,
        out_dim=(out_rows, out_columns),
        eltwise=_ELTWISE[type(layer)] if isinstance(layer, graph.Elementwise) else None,
        broadcasts=is_sum and planes.broadcasts(g, layer),
        activation=view.activation(layer),
        **_pooling(g, layer if isinstance(layer, _POOLS) else None),
    )
    if isinstance(layer, graph.Mean) and runs:
        # The graph may drop the axes; the pixels that remain are the same.
        asked = dataclasses.replace(asked, out_dim=asked.pooled_dim)
    return _line(asked) if rows == 1 < columns else asked


def _concatenation(
    view: graph_view.View,
    layer: graph.Concat,
    earlier: Sequence[draft.Concatenation],
) -> draft.Concatenation:
    """What is joined; concatenations of concatenations of one kind are one."""
    g, along = view.g, _along(view.g, layer)
    wholes = {each.output: each.parts for each in earlier if each.along == along}
    listed: list[tuple[str, int]] = []
    for name in layer.inputs:
        listed += wholes.get(name, ((name, g.tensors[name].shape[-1]),))
    rows, columns, _ = planes.volume(g, layer.output)
    return draft.Concatenation(
        name=layer.name,
        output=layer.output,
        parts=tuple(listed),
        along=along,
        dim=(columns, 1) if rows == 1 else (rows, columns),
    )


def _along(g: graph.Graph, layer: graph.Concat) -> str:
    """What a concatenation joins: pixels where no larger axis is in front of its own.

    Single pixels have no other shape to tell them by (`joins`).
    """
    shape = g.tensors[layer.output].shape
    if layer.axis == len(shape) - 1:
        return draft.CHANNELS
    if math.prod(shape[: layer.axis]) > 1:
        return draft.ANOTHER_AXIS
    sizes = {math.prod(g.tensors[name].shape[:-1]) for name in layer.inputs}
    return draft.SINGLE_PIXELS if sizes == {1} else draft.PIXELS


def _with_width(
    view: graph_view.View, layer: draft.Layer, wide_output: bool
) -> draft.Layer:
    is_last = layer.output in view.outputs and view.readers[layer.output] == 1
    is_result = layer.convolves and layer.activation is None and layer.out_dim == (1, 1)
    if wide_output and is_last and is_result:
        return dataclasses.replace(layer, output_width=32)
    return layer


def _pooling(g: graph.Graph, pool: graph.Layer | None) -> dict[str, Any]:
    window = None if pool is None else planes.window(g, pool)
    if pool is None or window is None:
        return {}
    strides = pool.strides if isinstance(pool, graph.Pool) else (1, 1)
    padding = pool.padding if isinstance(pool, graph.Pool) else draft.NO_PADDING
    return {
        "pool": window,
        "pool_stride": planes.pair(strides),
        "pool_padding": planes.sides(padding),
        "pool_layer": f"{pool.kind} '{pool.name}'",
        "pool_type": "max" if isinstance(pool, graph.MaxPool) else "avg",
    }


def _bias(g: graph.Graph, layer: graph.Weighted) -> str | None:
    """The bias, unless it is all zero, which the vendor's tool drops."""
    if layer.bias is None or not np.any(g.constants[layer.bias]):
        return None
    return layer.bias


def _bits(g: graph.Graph, layer: graph.Weighted, bits: Bits) -> int:
    chosen = bits.get(layer.name) if isinstance(bits, Mapping) else bits
    if chosen is not None:
        return chosen
    kernel = g.tensors[layer.weights]
    return DEFAULT_WEIGHT_BITS if kernel.dtype == "float32" else kernel.num_bits


def _padding(layer: graph.Layer, pad: graph.Pad | None) -> draft.Sides:
    rows, columns = planes.sides(getattr(layer, "padding", ()))
    if pad is None:
        return rows, columns
    more = planes.sides(pad.padding[1:-1])
    return _sum(rows, more[0]), _sum(columns, more[1])


def _sum(a: draft.Pair, b: draft.Pair) -> draft.Pair:
    return a[0] + b[0], a[1] + b[1]


def _pads_pixels_only(pad: graph.Pad) -> bool:
    return not any(pad.padding[0] + pad.padding[-1]) and len(pad.padding) in (3, 4)


def _line(layer: draft.Layer) -> draft.Layer:
    """A layer on one row of pixels as the device has it: on one column."""
    pairs = ("in_dim", "out_dim", "kernel", "stride", "dilation", "pool", "pool_stride")
    changes: dict[str, Any] = {
        name: planes.turned(getattr(layer, name)) for name in pairs
    }
    changes["padding"] = layer.padding[::-1]
    changes["pool_padding"] = layer.pool_padding[::-1]
    return dataclasses.replace(layer, **changes)
