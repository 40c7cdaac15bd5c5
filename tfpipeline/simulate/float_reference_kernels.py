"""Readable kernels of real numbers: what a float graph means, one value at a time.

Each function is given the graph, the layer and the float64 arrays of its inputs, for a
batch of one, and returns its output before a fused activation.
"""

import itertools
import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from tfpipeline.ir import graph
from tfpipeline.simulate import (
    derived,
    float_recurrent,
    interpolation,
    reference_kernels,
)

Array = graph.Array

# What each of `graph.ACTIVATION_FUNCTIONS` does with one number.
FUNCTIONS: dict[str, Callable[[float], float]] = {
    "abs": abs,
    "hard_swish": lambda x: x * min(max(x + 3, 0), 6) / 6,
    "relu": lambda x: max(x, 0),
    "relu6": lambda x: min(max(x, 0), 6),
    "relu_0_to_1": lambda x: min(max(x, 0), 1),
    "relu_n1_to_1": lambda x: min(max(x, -1), 1),
    # By tanh, which cannot overflow.
    "sigmoid": lambda x: 0.5 + 0.5 * math.tanh(0.5 * x),
    "tanh": math.tanh,
}


def _positions(shape: Sequence[int]) -> Iterator[tuple[int, ...]]:
    return itertools.product(*(range(size) for size in shape))


def _empty(g: graph.Graph, layer: graph.Layer) -> Array:
    return np.empty(g.tensors[layer.output].shape)


def bias(g: graph.Graph, layer: graph.Weighted) -> Array:
    """The bias of each output channel, zeros where there is none."""
    if layer.bias is None:
        return np.zeros(g.tensors[layer.output].shape[-1])
    return g.constants[layer.bias].reshape(-1).astype(np.float64)


def kernel(g: graph.Graph, layer: graph.Weighted) -> Array:
    """The kernel in float64."""
    return g.constants[layer.weights].astype(np.float64)


def convolution(g: graph.Graph, layer: graph.Layer, inputs: Sequence[Array]) -> Array:
    """Convolution along one or two axes, in groups where the kernel is narrower."""
    assert isinstance(layer, (graph.Conv1D, graph.Conv2D))
    weights, offsets, result = kernel(g, layer), bias(g, layer), _empty(g, layer)
    size, width = inputs[0].shape[1:-1], weights.shape[-1]
    per_group = len(weights) * width // inputs[0].shape[-1]
    for position in _positions(result.shape[1:]):
        channel = position[-1]
        inside, taps = derived.window(size, position[:-1], layer, weights.shape[1:-1])
        start = channel // per_group * width
        part = inputs[0][(0, *inside)][..., start : start + width]
        result[(0, *position)] = (part * weights[(channel, *taps)]).sum() + offsets[
            channel
        ]
    return result


def depthwise(g: graph.Graph, layer: graph.Layer, inputs: Sequence[Array]) -> Array:
    """Each output channel from one input channel."""
    assert isinstance(layer, graph.DepthwiseConv2D)
    weights, offsets, result = kernel(g, layer)[0], bias(g, layer), _empty(g, layer)
    multiplier = weights.shape[-1] // inputs[0].shape[-1]
    for row, column, channel in _positions(result.shape[1:]):
        inside, taps = derived.window(
            inputs[0].shape[1:-1], (row, column), layer, weights.shape[:-1]
        )
        part = inputs[0][(0, *inside)][..., channel // multiplier]
        total = (part * weights[taps][..., channel]).sum()
        result[0, row, column, channel] = total + offsets[channel]
    return result


def transposed(g: graph.Graph, layer: graph.Layer, inputs: Sequence[Array]) -> Array:
    """Each input pixel adds its kernel; what falls on the padding is dropped."""
    assert isinstance(layer, graph.TransposeConv2D)
    weights = kernel(g, layer)
    result = np.zeros(g.tensors[layer.output].shape) + bias(g, layer)
    for row, column, *tap in _positions(inputs[0].shape[1:3] + weights.shape[1:3]):
        y = row * layer.strides[0] - layer.padding[0][0] + tap[0]
        x = column * layer.strides[1] - layer.padding[1][0] + tap[1]
        if 0 <= y < result.shape[1] and 0 <= x < result.shape[2]:
            result[0, y, x] += weights[:, tap[0], tap[1]] @ inputs[0][0, row, column]
    return result


def dense(g: graph.Graph, layer: graph.Layer, inputs: Sequence[Array]) -> Array:
    """Product of the kernel and every row of the input."""
    assert isinstance(layer, graph.Dense)
    weights = kernel(g, layer)
    rows = inputs[0].reshape(-1, weights.shape[-1])
    values = [weights @ row + bias(g, layer) for row in rows]
    return np.array(values).reshape(g.tensors[layer.output].shape)


def pool(g: graph.Graph, layer: graph.Layer, inputs: Sequence[Array]) -> Array:
    """Largest or mean value of the part of each window inside the input."""
    assert isinstance(layer, graph.Pool)
    result, size = _empty(g, layer), inputs[0].shape[1:-1]
    for position in _positions(result.shape[1:-1]):
        inside, _ = derived.window(size, position, layer, layer.kernel_size)
        window = inputs[0][(0, *inside)].reshape(-1, result.shape[-1])
        is_max = isinstance(layer, graph.MaxPool)
        result[(0, *position)] = window.max(0) if is_max else window.mean(0)
    return result


def mean(g: graph.Graph, layer: graph.Layer, inputs: Sequence[Array]) -> Array:
    """Mean over axes."""
    assert isinstance(layer, graph.Mean)
    shape = g.tensors[layer.output].shape
    values: Array = inputs[0].mean(axis=layer.axes).reshape(shape)
    return values


def elementwise(g: graph.Graph, layer: graph.Layer, inputs: Sequence[Array]) -> Array:
    """Sum, difference or product of two operands, broadcast."""
    first, second = inputs
    if isinstance(layer, graph.Mul):
        result = first * second
    else:
        result = first - second if isinstance(layer, graph.Sub) else first + second
    return np.asarray(result)


def pad(g: graph.Graph, layer: graph.Layer, inputs: Sequence[Array]) -> Array:
    """Zeros around the input."""
    assert isinstance(layer, graph.Pad)
    return np.pad(inputs[0], layer.padding)


def space_to_depth(
    g: graph.Graph, layer: graph.Layer, inputs: Sequence[Array]
) -> Array:
    """Channel `(row * block + column) * channels + c` holds the block's pixel."""
    assert isinstance(layer, graph.SpaceToDepth)
    size, result = layer.block_size, _empty(g, layer)
    channels = inputs[0].shape[-1]
    for row, column in itertools.product(range(size), repeat=2):
        start = (row * size + column) * channels
        part = inputs[0][:, row::size, column::size]
        result[..., start : start + channels] = part
    return result


def softmax(g: graph.Graph, layer: graph.Layer, inputs: Sequence[Array]) -> Array:
    """`exp(beta * x)`, normalized along the last axis."""
    assert isinstance(layer, graph.Softmax)
    values = layer.beta * inputs[0]
    exps = np.exp(values - values.max(axis=-1, keepdims=True))
    return np.asarray(exps / exps.sum(axis=-1, keepdims=True))


def activation(g: graph.Graph, layer: graph.Layer, inputs: Sequence[Array]) -> Array:
    """A function of every value on its own."""
    assert isinstance(layer, graph.Activation)
    function, result = FUNCTIONS[layer.function], _empty(g, layer)
    for index, value in np.ndenumerate(inputs[0]):
        result[index] = function(float(value))
    return result


def resize_bilinear(
    g: graph.Graph, layer: graph.Layer, inputs: Sequence[Array]
) -> Array:
    """Four neighbors of each pixel by their distances."""
    assert isinstance(layer, graph.ResizeBilinear)
    result = _empty(g, layer)
    rows, columns = (
        interpolation.reals(layer, size, count)
        for size, count in zip(inputs[0].shape[1:3], result.shape[1:3], strict=True)
    )
    for y, x in np.ndindex(result.shape[1:3]):
        top, bottom, down = (values[y] for values in rows)
        left, right, across = (values[x] for values in columns)
        plane = inputs[0][0]
        above = plane[top, left] * (1 - across) + plane[top, right] * across
        below = plane[bottom, left] * (1 - across) + plane[bottom, right] * across
        result[0, y, x] = above * (1 - down) + below * down
    return result


def leaky_relu(g: graph.Graph, layer: graph.Layer, inputs: Sequence[Array]) -> Array:
    """Negative values times one slope."""
    assert isinstance(layer, graph.LeakyRelu)
    result = _empty(g, layer)
    for index, value in np.ndenumerate(inputs[0]):
        result[index] = value if value > 0 else value * layer.alpha
    return result


def prelu(g: graph.Graph, layer: graph.Layer, inputs: Sequence[Array]) -> Array:
    """Negative values times a slope of their own."""
    assert isinstance(layer, graph.PRelu)
    result = _empty(g, layer)
    source, slopes = np.broadcast_arrays(*inputs)
    for index, value in np.ndenumerate(source):
        result[index] = value if value >= 0 else value * slopes[index]
    return result


def extremum(g: graph.Graph, layer: graph.Layer, inputs: Sequence[Array]) -> Array:
    """The smaller or larger of two operands, broadcast."""
    choose = max if isinstance(layer, graph.Maximum) else min
    result = _empty(g, layer)
    first, second = np.broadcast_arrays(*inputs)
    for index in np.ndindex(result.shape):
        result[index] = choose(first[index], second[index])
    return result


# Requantize has no meaning without scales.
KERNELS: dict[type[graph.Layer], reference_kernels.Kernel] = {
    graph.Conv1D: convolution,
    graph.Conv2D: convolution,
    graph.DepthwiseConv2D: depthwise,
    graph.TransposeConv2D: transposed,
    graph.Dense: dense,
    graph.MaxPool: pool,
    graph.AveragePool: pool,
    graph.Mean: mean,
    graph.Add: elementwise,
    graph.Sub: elementwise,
    graph.Mul: elementwise,
    graph.Minimum: extremum,
    graph.Maximum: extremum,
    graph.ReduceMax: reference_kernels.reduction,
    graph.ReduceMin: reference_kernels.reduction,
    graph.ArgMax: reference_kernels.position,
    graph.ArgMin: reference_kernels.position,
    graph.Concat: reference_kernels.concat,
    graph.Split: reference_kernels.split,
    graph.Pack: reference_kernels.pack,
    graph.Unpack: reference_kernels.unpack,
    graph.Pad: pad,
    graph.PadV2: reference_kernels.pad_v2,
    graph.MirrorPad: reference_kernels.gather,
    graph.Transpose: reference_kernels.gather,
    graph.Slice: reference_kernels.gather,
    graph.StridedSlice: reference_kernels.gather,
    graph.ResizeNearestNeighbor: reference_kernels.gather,
    graph.ResizeBilinear: resize_bilinear,
    graph.Reshape: reference_kernels.reshape,
    graph.SpaceToDepth: space_to_depth,
    graph.Softmax: softmax,
    graph.Activation: activation,
    graph.LeakyRelu: leaky_relu,
    graph.PRelu: prelu,
    **float_recurrent.READABLE,
}
