"""Multiply-accumulates and parameters of layers, from shapes alone.

One MAC is one multiplication added to an accumulator. A window that reaches into the
padding counts in full, as in the tables of MLPerf Tiny and of the vendors. Layers
without a kernel have none: averages add, and their one scaling belongs to the output.
"""

import dataclasses
import math
from collections.abc import Callable

from tfpipeline.ir import graph


@dataclasses.dataclass(frozen=True, slots=True)
class Count:
    """MACs of one inference, and stored values of kernels and biases."""

    macs: int = 0
    weights: int = 0
    biases: int = 0

    @property
    def parameters(self) -> int:
        """Kernel values and biases."""
        return self.weights + self.biases


Rule = Callable[[graph.Graph, graph.Layer], int]


def _weights(g: graph.Graph, layer: graph.Layer) -> graph.Tensor:
    return g.tensors[graph.constant_names(layer)[0]]


def _convolution(g: graph.Graph, layer: graph.Layer) -> int:
    """Every output value takes one kernel of `[height, width, in_channels]`."""
    kernel = _weights(g, layer)
    return g.tensors[layer.output].num_elements * kernel.num_elements // kernel.shape[0]


def _depthwise(g: graph.Graph, layer: graph.Layer) -> int:
    """Every output value takes the `[height, width]` of its own channel."""
    kernel = _weights(g, layer)
    taps = kernel.num_elements // kernel.shape[-1]
    return g.tensors[layer.output].num_elements * taps


def _transposed(g: graph.Graph, layer: graph.Layer) -> int:
    """Every input value meets `[out_channels, height, width]` of the kernel."""
    kernel = _weights(g, layer)
    source = g.tensors[layer.inputs[0]]
    return source.num_elements * kernel.num_elements // kernel.shape[-1]


def _dense(g: graph.Graph, layer: graph.Layer) -> int:
    """Every output value takes one row of the kernel."""
    return g.tensors[layer.output].num_elements * _weights(g, layer).shape[-1]


def _lstm(g: graph.Graph, layer: graph.Layer) -> int:
    """Every row takes all kernels of all gates."""
    rows = math.prod(g.tensors[layer.inputs[0]].shape[:2])
    return rows * sum(g.tensors[n].num_elements for n in graph.kernel_names(layer))


def _svdf(g: graph.Graph, layer: graph.Layer) -> int:
    """Every row takes both kernels."""
    rows = g.tensors[layer.inputs[0]].shape[0]
    return rows * sum(g.tensors[n].num_elements for n in graph.kernel_names(layer))


def _none(g: graph.Graph, layer: graph.Layer) -> int:
    return 0


MACS: dict[type[graph.Layer], Rule] = {
    graph.Conv1D: _convolution,
    graph.Conv2D: _convolution,
    graph.DepthwiseConv2D: _depthwise,
    graph.TransposeConv2D: _transposed,
    graph.Dense: _dense,
    graph.MaxPool: _none,
    graph.AveragePool: _none,
    graph.Mean: _none,
    graph.Add: _none,
    graph.Sub: _none,
    graph.Mul: _none,
    graph.Minimum: _none,
    graph.Maximum: _none,
    graph.ReduceMax: _none,
    graph.ReduceMin: _none,
    graph.ArgMax: _none,
    graph.ArgMin: _none,
    graph.Concat: _none,
    graph.Split: _none,
    graph.Pack: _none,
    graph.Unpack: _none,
    graph.Pad: _none,
    graph.PadV2: _none,
    graph.MirrorPad: _none,
    graph.Transpose: _none,
    graph.Slice: _none,
    graph.StridedSlice: _none,
    graph.ResizeNearestNeighbor: _none,
    graph.ResizeBilinear: _none,
    graph.Reshape: _none,
    graph.SpaceToDepth: _none,
    graph.Requantize: _none,
    graph.Softmax: _none,
    graph.Activation: _none,
    graph.Lstm: _lstm,
    graph.Svdf: _svdf,
    graph.Unknown: _none,
    graph.LeakyRelu: _none,
    graph.PRelu: _none,
}


def layer_count(g: graph.Graph, layer: graph.Layer) -> Count:
    """MACs, weights and biases of one layer of a well-formed graph."""
    weights, biases = (
        sum(g.tensors[name].num_elements for name in names)
        for names in (graph.kernel_names(layer), graph.bias_names(layer))
    )
    return Count(MACS[type(layer)](g, layer), weights, biases)


def graph_count(g: graph.Graph) -> Count:
    """Sums over all layers; a kernel that two layers share is stored once."""
    stored, biases = (
        {name: g.tensors[name].num_elements for layer in g.layers for name in of(layer)}
        for of in (graph.kernel_names, graph.bias_names)
    )
    return Count(
        macs=sum(MACS[type(layer)](g, layer) for layer in g.layers),
        weights=sum(stored.values()),
        biases=sum(biases.values()),
    )
