"""The readable kernels of real numbers on whole batches; equal but for rounding."""

import itertools
import math
from collections.abc import Callable, Sequence

import numpy as np

from tfpipeline.ir import graph
from tfpipeline.simulate import (
    derived,
    float_recurrent,
    float_reference_kernels,
    interpolation,
    reference_kernels,
    vector_kernels,
    windows,
)

Array = graph.Array

# Each of `graph.ACTIVATION_FUNCTIONS` on arrays.
FUNCTIONS: dict[str, Callable[[Array], Array]] = {
    "abs": np.abs,
    "hard_swish": lambda x: x * np.clip(x + 3, 0, 6) / 6,
    "relu": lambda x: np.maximum(x, 0),
    "relu6": lambda x: np.clip(x, 0, 6),
    "relu_0_to_1": lambda x: np.clip(x, 0, 1),
    "relu_n1_to_1": lambda x: np.clip(x, -1, 1),
    # By tanh, which cannot overflow.
    "sigmoid": lambda x: 0.5 + 0.5 * np.tanh(0.5 * x),
    "tanh": np.tanh,
}


def _bordered(layer: graph.Layer, source: Array, fill: float = 0.0) -> Array:
    _, padding, _ = derived.sliding(layer)
    return np.pad(source, ((0, 0), *padding, (0, 0)), constant_values=fill)


def convolution(g: graph.Graph, layer: graph.Layer, inputs: Sequence[Array]) -> Array:
    """A matrix product an image and group."""
    assert isinstance(layer, (graph.Conv1D, graph.Conv2D))
    kernel = float_reference_kernels.kernel(g, layer)
    groups = inputs[0].shape[-1] // kernel.shape[-1]
    parts = np.split(kernel.reshape(len(kernel), -1).T, groups, axis=1)
    result = np.empty((len(inputs[0]), *g.tensors[layer.output].shape[1:]))
    for image, source in zip(result, inputs[0], strict=True):
        padded = _bordered(layer, source[np.newaxis])
        sums = [
            windows.view(layer, own, kernel.shape[1:-1]).reshape(-1, len(part)) @ part
            for own, part in zip(np.split(padded, groups, axis=-1), parts, strict=True)
        ]
        image[...] = np.concatenate(sums, axis=-1).reshape(image.shape)
    result += float_reference_kernels.bias(g, layer)
    return result


def depthwise(g: graph.Graph, layer: graph.Layer, inputs: Sequence[Array]) -> Array:
    """One product a tap."""
    assert isinstance(layer, graph.DepthwiseConv2D)
    kernel = float_reference_kernels.kernel(g, layer)[0]
    padded = _bordered(layer, inputs[0])
    padded = np.repeat(padded, kernel.shape[-1] // padded.shape[-1], axis=-1)
    taps = windows.taps(layer, padded, kernel.shape[:-1])
    sums = sum(values * kernel[tap] for tap, values in taps)
    return np.asarray(sums + float_reference_kernels.bias(g, layer))


def transposed(g: graph.Graph, layer: graph.Layer, inputs: Sequence[Array]) -> Array:
    """Adds to a plane that is cut afterwards."""
    assert isinstance(layer, graph.TransposeConv2D)
    source, kernel = inputs[0], float_reference_kernels.kernel(g, layer)
    height, width = (
        (size - 1) * stride + taps
        for size, stride, taps in zip(
            source.shape[1:3], layer.strides, kernel.shape[1:3], strict=True
        )
    )
    (top, bottom), (left, right) = layer.padding
    # Negative padding is rows and columns that no kernel meets.
    shape = (height + max(-bottom, 0), width + max(-right, 0))
    canvas = np.zeros((len(source), *shape, len(kernel)))
    rows, columns = layer.strides
    for y, x in itertools.product(*(range(size) for size in kernel.shape[1:3])):
        below = y + (source.shape[1] - 1) * rows + 1
        beside = x + (source.shape[2] - 1) * columns + 1
        canvas[:, y:below:rows, x:beside:columns] += source @ kernel[:, y, x].T
    inside = canvas[:, top : height - bottom, left : width - right]
    return np.asarray(inside + float_reference_kernels.bias(g, layer))


def dense(g: graph.Graph, layer: graph.Layer, inputs: Sequence[Array]) -> Array:
    """One matrix product."""
    assert isinstance(layer, graph.Dense)
    kernel = float_reference_kernels.kernel(g, layer)
    rows = inputs[0].reshape(-1, kernel.shape[-1])
    result = rows @ kernel.T + float_reference_kernels.bias(g, layer)
    return np.asarray(result.reshape(-1, *g.tensors[layer.output].shape[1:]))


def max_pool(g: graph.Graph, layer: graph.Layer, inputs: Sequence[Array]) -> Array:
    """The padding is smaller than anything."""
    assert isinstance(layer, graph.MaxPool)
    padded = _bordered(layer, inputs[0], -math.inf)
    taps = [values for _, values in windows.taps(layer, padded, layer.kernel_size)]
    return np.asarray(np.maximum.reduce(taps))


def average_pool(g: graph.Graph, layer: graph.Layer, inputs: Sequence[Array]) -> Array:
    """A plane of ones counts the pixels."""
    assert isinstance(layer, graph.AveragePool)
    total, count = (
        sum(v for _, v in windows.taps(layer, _bordered(layer, x), layer.kernel_size))
        for x in (inputs[0], np.ones_like(inputs[0][:1]))
    )
    return np.asarray(total / count)


def mean(g: graph.Graph, layer: graph.Layer, inputs: Sequence[Array]) -> Array:
    """Mean over axes."""
    assert isinstance(layer, graph.Mean)
    shape = g.tensors[layer.output].shape
    values: Array = inputs[0].mean(axis=layer.axes).reshape(-1, *shape[1:])
    return values


def activation(g: graph.Graph, layer: graph.Layer, inputs: Sequence[Array]) -> Array:
    """A function of all values."""
    assert isinstance(layer, graph.Activation)
    return FUNCTIONS[layer.function](inputs[0])


def resize_bilinear(
    g: graph.Graph, layer: graph.Layer, inputs: Sequence[Array]
) -> Array:
    """Rows first, then columns."""
    assert isinstance(layer, graph.ResizeBilinear)
    values = inputs[0]
    for axis in (1, 2):
        count = g.tensors[layer.output].shape[axis]
        lower, upper, weights = interpolation.reals(layer, values.shape[axis], count)
        weights = weights.reshape([count if i == axis else 1 for i in range(4)])
        first, second = (values.take(i, axis=axis) for i in (lower, upper))
        values = first * (1 - weights) + second * weights
    return values


def leaky_relu(g: graph.Graph, layer: graph.Layer, inputs: Sequence[Array]) -> Array:
    """Negative values times one slope."""
    assert isinstance(layer, graph.LeakyRelu)
    return np.where(inputs[0] > 0, inputs[0], inputs[0] * layer.alpha)


def prelu(g: graph.Graph, layer: graph.Layer, inputs: Sequence[Array]) -> Array:
    """Negative values times a slope of their own."""
    values, slopes = inputs
    return np.where(values >= 0, values, values * slopes)


KERNELS: dict[type[graph.Layer], reference_kernels.Kernel] = {
    **float_reference_kernels.KERNELS,
    **float_recurrent.KERNELS,
    graph.Conv1D: convolution,
    graph.Conv2D: convolution,
    graph.DepthwiseConv2D: depthwise,
    graph.TransposeConv2D: transposed,
    graph.Dense: dense,
    graph.MaxPool: max_pool,
    graph.AveragePool: average_pool,
    graph.Mean: mean,
    graph.Minimum: vector_kernels.extremum,
    graph.Maximum: vector_kernels.extremum,
    graph.ReduceMax: vector_kernels.reduction,
    graph.ReduceMin: vector_kernels.reduction,
    graph.ArgMax: vector_kernels.position,
    graph.ArgMin: vector_kernels.position,
    graph.Concat: vector_kernels.concat,
    graph.MirrorPad: vector_kernels.gather,
    graph.Transpose: vector_kernels.gather,
    graph.Slice: vector_kernels.gather,
    graph.StridedSlice: vector_kernels.gather,
    graph.ResizeNearestNeighbor: vector_kernels.gather,
    graph.ResizeBilinear: resize_bilinear,
    graph.Split: reference_kernels.split,
    graph.Pack: vector_kernels.pack,
    graph.Unpack: reference_kernels.unpack,
    graph.Reshape: vector_kernels.reshape,
    graph.SpaceToDepth: vector_kernels.space_to_depth,
    graph.Activation: activation,
    graph.LeakyRelu: leaky_relu,
    graph.PRelu: prelu,
}
