"""The step that a single layer would be, before anything is fused."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tfpipeline.cost import macs
from tfpipeline.ir import graph
from tfpipeline.targets.gap8 import steps

# The functions that the chip's kernels can have behind them (generator calls
# `...ReLU`, `...ReLUN`): bounds of the result.
BOUNDS = ("relu", "relu6", "relu_0_to_1", "relu_n1_to_1")

# A pool that leaves everything as it is.
_PIXEL = steps.Window(size=(1, 1))


@dataclasses.dataclass(frozen=True)
class _Read:
    """What a layer reads: constants among it, and the shape of the rest's first."""

    constants: tuple[str, ...]
    shape: steps.Shape


Rule = Callable[[graph.Graph, Any, _Read], dict[str, Any]]


def make(
    g: graph.Graph,
    layer: graph.Layer,
    inputs: Sequence[str],
    shapes: Mapping[str, steps.Shape],
) -> steps.Step:
    """The step of one layer.

    Args:
        g: a well-formed graph.
        layer: of it; neither a Reshape nor a Concat in place.
        inputs: names of what it reads, in the layer's order, behind Reshapes and Pads
            that are no steps; constants are left out of the step.
        shapes: the chip's, of all tensors.
    """
    computed = tuple(name for name in inputs if name not in g.constants)
    constants = tuple(name for name in inputs if name in g.constants)
    source = shapes[(computed or inputs)[0]]
    result = shapes[layer.output]
    fields: dict[str, Any] = {
        "name": layer.name,
        "operation": steps.OTHER,
        "layers": (layer,),
        "inputs": computed,
        "output": layer.output,
        "source": source,
        "body": result,
        "result": result,
        "activations": bounds(layer),
    }
    if isinstance(layer, graph.Weighted):
        count = macs.layer_count(g, layer)
        fields |= {
            "weight_elements": count.weights,
            "bias_elements": result[0],
            "macs": count.macs,
        }
    # Others, such as an LSTM, are no kernel of the chip, which a constraint says.
    rule = _RULES.get(type(layer), _kind(steps.OTHER))
    return steps.Step(**fields | rule(g, layer, _Read(constants, source)))


def bounds(layer: graph.Layer) -> tuple[str, ...]:
    """The activation that a layer's own clamp is, if any."""
    clamp = getattr(layer, "clamp", graph.NO_CLAMP)
    if clamp == graph.NO_CLAMP:
        return ()
    names = {graph.RELU: "relu", graph.RELU6: "relu6"}
    return (names.get(clamp, "clamp"),)


def pool(layer: graph.Pool) -> steps.Pool:
    """A pool layer as the pool of a step."""
    is_max = isinstance(layer, graph.MaxPool)
    return steps.Pool(
        kind=steps.MAX_POOL if is_max else steps.AVERAGE_POOL,
        window=_window(layer.kernel_size, layer),
    )


def _window(size: Sequence[int], layer: Any) -> steps.Window:
    """The window of a layer; data of one spatial axis is one row.

    Over one row any step from row to row is the same; that of the columns has kernels
    of its own in the library.
    """
    count = len(size)
    dilation = tuple(getattr(layer, "dilation", (1,) * count))
    rows, columns = (1, *size)[-2:]
    row_step, column_step = (layer.strides[0], *layer.strides)[-2:]
    above, beside = ((0, 0), *layer.padding)[-2:]
    row_rate, column_rate = (1, *dilation)[-2:]
    return steps.Window(
        size=(rows, columns),
        strides=(row_step, column_step),
        padding=(above, beside),
        dilation=(row_rate, column_rate),
    )


def _convolution(g: graph.Graph, layer: Any, read: _Read) -> dict[str, Any]:
    kernel = g.tensors[layer.weights].shape
    is_depthwise = isinstance(layer, graph.DepthwiseConv2D)
    channels = read.shape[0]
    groups = channels if is_depthwise else channels // kernel[-1]
    return {
        "operation": steps.DEPTHWISE if 1 < groups == channels else steps.CONV,
        "window": _window(kernel[1:-1], layer),
        "groups": groups,
    }


def _transposed(g: graph.Graph, layer: Any, read: _Read) -> dict[str, Any]:
    return {"window": _window(g.tensors[layer.weights].shape[1:-1], layer)}


def _dense(g: graph.Graph, layer: graph.Dense, read: _Read) -> dict[str, Any]:
    """A linear layer over all values; where planes stay, a 1x1 convolution."""
    inputs = g.tensors[layer.weights].shape[-1]
    stays = len(g.tensors[layer.output].shape) > 2 and read.shape[0] == inputs
    if stays or steps.elements(read.shape) != inputs:
        return {"operation": steps.CONV, "window": _PIXEL}
    return {"operation": steps.LINEAR}


def _pool(g: graph.Graph, layer: graph.Pool, read: _Read) -> dict[str, Any]:
    made = pool(layer)
    return {"operation": made.kind, "window": made.window}


def _mean(g: graph.Graph, layer: graph.Mean, read: _Read) -> dict[str, Any]:
    """An average over the whole plane; over other axes there is no kernel."""
    rank = len(g.tensors[layer.inputs[0]].shape)
    if set(layer.axes) != set(range(1, rank - 1)) or rank < 3:
        return {}
    channels, height, width = read.shape
    return {
        "operation": steps.AVERAGE_POOL,
        "window": steps.Window(size=(height, width)),
        "body": (channels, 1, 1),
        "result": (channels, 1, 1),
    }


def _sum(g: graph.Graph, layer: graph.Elementwise, read: _Read) -> dict[str, Any]:
    """A sum of two tensors; constants and broadcasting are another kernel's."""
    shapes = {g.tensors[name].shape for name in layer.inputs}
    is_sum = isinstance(layer, graph.Add) and not read.constants and len(shapes) == 1
    constants = (g.tensors[name].num_elements for name in read.constants)
    return {
        "operation": steps.ADD if is_sum else steps.ELEMENT_WISE,
        "weight_elements": sum(constants),
    }


def _activation(g: graph.Graph, layer: graph.Activation, read: _Read) -> dict[str, Any]:
    """A ReLU by itself is what a maximum of single pixels has behind it."""
    if layer.function == "relu":
        fields = {"operation": steps.MAX_POOL, "window": _PIXEL}
    else:
        fields = {"operation": steps.ACTIVATION}
    return {**fields, "activations": (layer.function,)}


def _kind(operation: str) -> Rule:
    return lambda g, layer, read: {"operation": operation}


_RULES: dict[type[graph.Layer], Rule] = {
    graph.Conv1D: _convolution,
    graph.Conv2D: _convolution,
    graph.DepthwiseConv2D: _convolution,
    graph.TransposeConv2D: _transposed,
    graph.Dense: _dense,
    graph.MaxPool: _pool,
    graph.AveragePool: _pool,
    graph.Mean: _mean,
    graph.Add: _sum,
    graph.Sub: _sum,
    graph.Mul: _sum,
    graph.Minimum: _kind(steps.ELEMENT_WISE),
    graph.Maximum: _kind(steps.ELEMENT_WISE),
    graph.ReduceMax: _kind(steps.OTHER),
    graph.ReduceMin: _kind(steps.OTHER),
    graph.ArgMax: _kind(steps.OTHER),
    graph.ArgMin: _kind(steps.OTHER),
    graph.Concat: _kind(steps.COPY),
    graph.Pad: _kind(steps.COPY),
    graph.PadV2: _kind(steps.OTHER),
    graph.MirrorPad: _kind(steps.OTHER),
    graph.Transpose: _kind(steps.OTHER),
    graph.Slice: _kind(steps.OTHER),
    graph.StridedSlice: _kind(steps.OTHER),
    graph.ResizeNearestNeighbor: _kind(steps.OTHER),
    graph.ResizeBilinear: _kind(steps.OTHER),
    graph.SpaceToDepth: _kind(steps.OTHER),
    graph.Softmax: _kind(steps.SOFTMAX),
    graph.Activation: _activation,
    graph.LeakyRelu: _kind(steps.OTHER),
    graph.PRelu: _kind(steps.OTHER),
}


def padded(window: steps.Window, pad: graph.Pad) -> steps.Window:
    """The window with what a Pad layer puts around rows and columns."""
    pairs = ((0, 0), *pad.padding[1:-1])[-2:]
    (top, bottom), (left, right) = pairs
    (above, below), (before, after) = window.padding
    return steps.Window(
        size=window.size,
        strides=window.strides,
        padding=((above + top, below + bottom), (before + left, after + right)),
        dilation=window.dilation,
    )
