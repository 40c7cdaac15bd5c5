"""A graph as the calls of CMSIS-NN that run it: layers of the cost model."""

import dataclasses
import math
from collections.abc import Callable

from tfpipeline.cost import macs, weights
from tfpipeline.ir import graph
from tfpipeline.targets.stm32 import cost

Rule = Callable[[graph.Graph, graph.Layer], cost.Layer]

# Kinds without a measured kernel of their own, and what stands in for them.
STAND_INS: dict[type[graph.Layer], str] = {
    graph.Mul: "counted as an addition",
    graph.Sub: "counted as an addition",
    graph.Minimum: "counted as an addition",
    graph.Maximum: "counted as an addition",
    graph.LeakyRelu: "counted as an addition",
    graph.PRelu: "counted as an addition",
    graph.ResizeBilinear: "counted as an addition",
    graph.ReduceMax: "counted as a pool over as many values",
    graph.ReduceMin: "counted as a pool over as many values",
    graph.ArgMax: "counted as a pool over as many values",
    graph.ArgMin: "counted as a pool over as many values",
    graph.TransposeConv2D: "counted as a convolution of as many MACs",
    graph.Lstm: "counted as a dense layer of as many MACs",
    graph.Svdf: "counted as a dense layer of as many MACs",
}


def lower(g: graph.Graph) -> tuple[cost.Layer, ...]:
    """One layer of the cost model for each layer of a well-formed graph."""
    return tuple(_own(g, layer, _RULES[type(layer)](g, layer)) for layer in g.layers)


def stand_ins(g: graph.Graph) -> tuple[str, ...]:
    """One line for each layer whose figures are another kernel's."""
    return tuple(
        f"{layer.kind} '{layer.name}' is {STAND_INS[type(layer)]}: its kernel was not "
        "measured"
        for layer in g.layers
        if type(layer) in STAND_INS
    )


def _own(g: graph.Graph, layer: graph.Layer, lowered: cost.Layer) -> cost.Layer:
    """`lowered` without what an earlier layer has stored."""
    if not isinstance(layer, graph.Weighted):
        return lowered
    is_stored = layer.bias is not None and weights.bias_bytes(g, layer) == 0
    return dataclasses.replace(
        lowered,
        has_own_weights=weights.weight_bytes(g, layer) > 0,
        has_own_biases=not is_stored,
    )


def _output_shape(g: graph.Graph, layer: graph.Layer) -> tuple[int, int, int]:
    """Height, width, channels; vectors are one pixel, 1-D data one row."""
    shape = g.tensors[layer.output].shape[1:] or (1,)
    height, width, channels = (1, 1, 1, *shape)[-3:]
    return (math.prod(shape[:-3]) * height, width, channels)


def _kernel(g: graph.Graph, layer: graph.Layer) -> tuple[int, int]:
    assert isinstance(layer, graph.Weighted)
    taps = (1, *g.tensors[layer.weights].shape[1:-1])[-2:]
    return taps[0], taps[1]


def _convolution(g: graph.Graph, layer: graph.Layer) -> cost.Layer:
    assert isinstance(layer, graph.Weighted)
    channels = g.tensors[layer.weights].shape[-1]
    shape, kernel = _output_shape(g, layer), _kernel(g, layer)
    return cost.Layer(layer.name, cost.CONV, shape, channels, kernel)


def _depthwise(g: graph.Graph, layer: graph.Layer) -> cost.Layer:
    channels = g.tensors[layer.inputs[0]].shape[-1]
    shape, kernel = _output_shape(g, layer), _kernel(g, layer)
    return cost.Layer(layer.name, cost.DEPTHWISE, shape, channels, kernel)


def _transposed(g: graph.Graph, layer: graph.Layer) -> cost.Layer:
    assert isinstance(layer, graph.Weighted)
    _, height, width, channels = g.tensors[layer.inputs[0]].shape
    shape = (height, width, g.tensors[layer.output].shape[-1])
    return cost.Layer(layer.name, cost.CONV, shape, channels, _kernel(g, layer))


def _dense(g: graph.Graph, layer: graph.Layer) -> cost.Layer:
    assert isinstance(layer, graph.Weighted)
    rows, columns = g.tensors[layer.weights].shape
    pixels = g.tensors[layer.output].num_elements // rows
    # Several rows of data are as many calls of the vector kernel.
    return cost.Layer(layer.name, cost.DENSE, (1, pixels, rows), columns)


def _recurrent(g: graph.Graph, layer: graph.Layer) -> cost.Layer:
    """A dense layer of as many MACs."""
    rows = g.tensors[layer.output].num_elements
    columns = max(1, macs.layer_count(g, layer).macs // rows)
    return cost.Layer(layer.name, cost.DENSE, (1, 1, rows), columns)


def _pool(g: graph.Graph, layer: graph.Layer) -> cost.Layer:
    assert isinstance(layer, graph.Pool)
    kernel = (1, *layer.kernel_size)[-2:]
    channels = g.tensors[layer.inputs[0]].shape[-1]
    shape = _output_shape(g, layer)
    return cost.Layer(layer.name, cost.POOL, shape, channels, (kernel[0], kernel[1]))


def _reduced(g: graph.Graph, layer: graph.Layer) -> cost.Layer:
    """A pool whose window is all that goes into a value."""
    source, result = g.tensors[layer.inputs[0]], g.tensors[layer.output]
    window = source.num_elements // result.num_elements
    shape = (1, 1, result.num_elements)
    return cost.Layer(layer.name, cost.POOL, shape, source.shape[-1], (1, window))


def _sum(g: graph.Graph, layer: graph.Layer) -> cost.Layer:
    return cost.Layer(layer.name, cost.ADD, _output_shape(g, layer))


def _free(g: graph.Graph, layer: graph.Layer) -> cost.Layer:
    return cost.Layer(layer.name, cost.FREE, _output_shape(g, layer))


_RULES: dict[type[graph.Layer], Rule] = {
    graph.Conv1D: _convolution,
    graph.Conv2D: _convolution,
    graph.DepthwiseConv2D: _depthwise,
    graph.TransposeConv2D: _transposed,
    graph.Dense: _dense,
    graph.MaxPool: _pool,
    graph.AveragePool: _pool,
    graph.Mean: _reduced,
    graph.Add: _sum,
    graph.Sub: _sum,
    graph.Mul: _sum,
    graph.Minimum: _sum,
    graph.Maximum: _sum,
    graph.ReduceMax: _reduced,
    graph.ReduceMin: _reduced,
    graph.ArgMax: _reduced,
    graph.ArgMin: _reduced,
    graph.Concat: _free,
    graph.Split: _free,
    graph.Pack: _free,
    graph.Unpack: _free,
    graph.Pad: _free,
    graph.PadV2: _free,
    graph.MirrorPad: _free,
    graph.Transpose: _free,
    graph.Slice: _free,
    graph.StridedSlice: _free,
    graph.ResizeNearestNeighbor: _free,
    graph.ResizeBilinear: _sum,
    graph.Reshape: _free,
    graph.SpaceToDepth: _free,
    graph.Requantize: _free,
    graph.Softmax: _free,
    graph.Activation: _free,
    graph.Lstm: _recurrent,
    graph.Svdf: _recurrent,
    graph.Unknown: _free,
    graph.LeakyRelu: _sum,
    graph.PRelu: _sum,
}
