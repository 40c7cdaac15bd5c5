"""The step that a single layer would be, before anything is fused."""

import math
from collections.abc import Callable, Sequence
from typing import Any

from tfpipeline.cost import macs
from tfpipeline.ir import graph
from tfpipeline.targets.gap8 import steps

# The functions that the chip's kernels can have behind them (generator calls
# `...ReLU`, `...ReLUN`): bounds of the result.
BOUNDS = ("relu", "relu6", "relu_0_to_1", "relu_n1_to_1")

Rule = Callable[[graph.Graph, Any], dict[str, Any]]


def make(g: graph.Graph, layer: graph.Layer, inputs: Sequence[str]) -> steps.Step:
    """The step of one layer.

    Args:
        g: a well-formed graph.
        layer: of it; neither a Reshape nor a Concat in place.
        inputs: names of what it reads, in the layer's order, where they are not those
            of the layer; constants are left out of the step.
    """
    computed = tuple(name for name in inputs if name not in g.constants)
    fields: dict[str, Any] = {
        "name": layer.name,
        "operation": steps.OTHER,
        "layers": (layer,),
        "inputs": computed,
        "output": layer.output,
        "source": steps.chip_shape(g.tensors[(computed or inputs)[0]].shape),
        "body": steps.chip_shape(g.tensors[layer.output].shape),
        "result": steps.chip_shape(g.tensors[layer.output].shape),
        "activations": bounds(layer),
    }
    if isinstance(layer, graph.Weighted):
        count = macs.layer_count(g, layer)
        fields |= {
            "weight_elements": count.weights,
            "bias_elements": count.biases,
            "macs": count.macs,
        }
    return steps.Step(**fields | _RULES[type(layer)](g, layer))


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
    """The window of a layer; data of one spatial axis is one row."""
    count = len(size)
    dilation = tuple(getattr(layer, "dilation", (1,) * count))
    rows, columns = (1, *size)[-2:]
    row_step, column_step = (1, *layer.strides)[-2:]
    above, beside = ((0, 0), *layer.padding)[-2:]
    row_rate, column_rate = (1, *dilation)[-2:]
    return steps.Window(
        size=(rows, columns),
        strides=(row_step, column_step),
        padding=(above, beside),
        dilation=(row_rate, column_rate),
    )


def _convolution(g: graph.Graph, layer: Any) -> dict[str, Any]:
    kernel = g.tensors[layer.weights].shape
    channels = g.tensors[layer.inputs[0]].shape[-1]
    groups = channels // kernel[-1]
    is_depthwise = 1 < groups == channels
    return {
        "operation": steps.DEPTHWISE if is_depthwise else steps.CONV,
        "window": _window(kernel[1:-1], layer),
        "groups": groups,
    }


def _depthwise(g: graph.Graph, layer: Any) -> dict[str, Any]:
    return {
        "operation": steps.DEPTHWISE,
        "window": _window(g.tensors[layer.weights].shape[1:-1], layer),
        "groups": g.tensors[layer.inputs[0]].shape[-1],
    }


def _transposed(g: graph.Graph, layer: Any) -> dict[str, Any]:
    return {"window": _window(g.tensors[layer.weights].shape[1:-1], layer)}


def _dense(g: graph.Graph, layer: graph.Dense) -> dict[str, Any]:
    """A linear layer; on each of several pixels it is a 1x1 convolution."""
    source = g.tensors[layer.inputs[0]]
    if source.num_elements == g.tensors[layer.weights].shape[-1]:
        return {"operation": steps.LINEAR}
    return {"operation": steps.CONV, "window": steps.Window(size=(1, 1))}


def _pool(g: graph.Graph, layer: graph.Pool) -> dict[str, Any]:
    made = pool(layer)
    return {"operation": made.kind, "window": made.window}


def _mean(g: graph.Graph, layer: graph.Mean) -> dict[str, Any]:
    """An average over the whole plane; over other axes there is no kernel."""
    rank = len(g.tensors[layer.inputs[0]].shape)
    if set(layer.axes) != set(range(1, rank - 1)) or rank < 3:
        return {}
    channels, height, width = steps.chip_shape(g.tensors[layer.inputs[0]].shape)
    return {
        "operation": steps.AVERAGE_POOL,
        "window": steps.Window(size=(height, width)),
        "body": (channels, 1, 1),
        "result": (channels, 1, 1),
    }


def _sum(g: graph.Graph, layer: graph.Elementwise) -> dict[str, Any]:
    """A sum of two tensors; constants and broadcasting are another kernel's."""
    constants = [name for name in layer.inputs if name in g.constants]
    shapes = {g.tensors[name].shape for name in layer.inputs}
    is_sum = isinstance(layer, graph.Add) and not constants and len(shapes) == 1
    return {
        "operation": steps.ADD if is_sum else steps.ELEMENT_WISE,
        "weight_elements": sum(g.tensors[name].num_elements for name in constants),
    }


def _activation(g: graph.Graph, layer: graph.Activation) -> dict[str, Any]:
    return {"operation": steps.ACTIVATION, "activations": (layer.function,)}


def _kind(operation: str) -> Rule:
    return lambda g, layer: {"operation": operation}


_RULES: dict[type[graph.Layer], Rule] = {
    graph.Conv1D: _convolution,
    graph.Conv2D: _convolution,
    graph.DepthwiseConv2D: _depthwise,
    graph.TransposeConv2D: _transposed,
    graph.Dense: _dense,
    graph.MaxPool: _pool,
    graph.AveragePool: _pool,
    graph.Mean: _mean,
    graph.Add: _sum,
    graph.Sub: _sum,
    graph.Mul: _sum,
    graph.Concat: _kind(steps.COPY),
    graph.Pad: _kind(steps.COPY),
    graph.Reshape: _kind(steps.COPY),
    graph.SpaceToDepth: _kind(steps.COPY),
    graph.Requantize: _kind(steps.COPY),
    graph.Softmax: _kind(steps.SOFTMAX),
    graph.Activation: _activation,
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


def covers(window: steps.Window, shape: steps.Shape) -> bool:
    """Whether a window is as large as the plane of a tensor."""
    return math.prod(shape[1:]) <= window.taps
