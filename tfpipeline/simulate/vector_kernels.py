"""The reference kernels on whole batches at once; equal to them bit for bit.

Sums of products run in float64, which is exact below 2**53: a convolution of int8 would
need 2**38 taps to reach it.
"""

import itertools
from collections.abc import Iterator, Sequence

import numpy as np

from tfpipeline.ir import geometry, graph
from tfpipeline.simulate import derived, fixed_point, reference_kernels

Array = graph.Array


def scale(values: Array, multiplier: Array | int, shift: Array | int) -> Array:
    """`fixed_point.scale` on int64 arrays."""
    product = (values << np.maximum(shift, 0)) * multiplier
    nudged = product + np.where(product >= 0, 2**30, 1 - 2**30)
    high = np.where(nudged >= 0, nudged >> 31, -(-nudged >> 31))
    return rounding_shift_right(high, np.maximum(-np.asarray(shift), 0))


def rounding_shift_right(values: Array, exponent: Array | int) -> Array:
    """`fixed_point.rounding_shift_right` on int64 arrays."""
    mask = (np.int64(1) << np.asarray(exponent, np.int64)) - 1
    threshold = (mask >> 1) + (values < 0)
    result: Array = (values >> exponent) + ((values & mask) > threshold)
    return result


def _finished(g: graph.Graph, layer: graph.Layer, values: Array) -> Array:
    """Adds the output's zero point, clamps, and stores in the output's type."""
    return _clipped(g, layer, values + derived.zero_point(g, layer.output))


def _clipped(g: graph.Graph, layer: graph.Layer, values: Array) -> Array:
    low, high = derived.bounds(g, layer)
    result: Array = np.clip(values, low, high).astype(g.tensors[layer.output].dtype)
    return result


def _requantized(g: graph.Graph, layer: graph.Weighted, sums: Array) -> Array:
    factors = np.array(derived.channel_factors(g, layer), np.int64)
    integers = sums.astype(np.int64) + derived.bias_values(g, layer)
    return _finished(g, layer, scale(integers, factors[:, 0], factors[:, 1]))


def _source(g: graph.Graph, layer: graph.Layer, values: Array) -> Array:
    return values.astype(np.int64) - derived.zero_point(g, layer.inputs[0])


def _taps(
    layer: graph.Layer, source: Array, kernel: Sequence[int], fill: int = 0
) -> Iterator[tuple[tuple[int, ...], Array]]:
    """Each tap of a kernel with what it meets: `[N, *output plane, channels]`."""
    strides, padding, dilation = derived.sliding(layer)
    plane = source.shape[1:-1]
    sizes = [
        geometry.output_size(*axis)
        for axis in zip(plane, kernel, strides, padding, dilation, strict=True)
    ]
    padded = np.pad(source, ((0, 0), *padding, (0, 0)), constant_values=fill)
    for tap in itertools.product(*(range(size) for size in kernel)):
        index = [
            slice(at * rate, at * rate + (size - 1) * stride + 1, stride)
            for at, rate, size, stride in zip(
                tap, dilation, sizes, strides, strict=True
            )
        ]
        yield tap, padded[_every(index)]


def _every(index: Sequence[int | slice]) -> derived.Index:
    """An index of the axes after the first."""
    return (slice(None), *index)


def convolution(g: graph.Graph, layer: graph.Layer, inputs: Sequence[Array]) -> Array:
    """As `reference_kernels.convolution`: one matrix product a tap and group."""
    assert isinstance(layer, (graph.Conv1D, graph.Conv2D))
    source = _source(g, layer, inputs[0]).astype(np.float64)
    kernel = derived.kernel_values(g, layer).astype(np.float64)
    width = kernel.shape[-1]
    groups = source.shape[-1] // width
    sums: list[Array] = [np.zeros(())] * groups
    for tap, values in _taps(layer, source, kernel.shape[1:-1]):
        for group, part in enumerate(np.split(kernel[_every(tap)], groups)):
            own = values[..., group * width : (group + 1) * width]
            sums[group] = sums[group] + own @ part.T
    return _requantized(g, layer, np.concatenate(sums, axis=-1))


def depthwise(g: graph.Graph, layer: graph.Layer, inputs: Sequence[Array]) -> Array:
    """As `reference_kernels.depthwise`: one product a tap."""
    assert isinstance(layer, graph.DepthwiseConv2D)
    source = _source(g, layer, inputs[0])
    kernel = derived.kernel_values(g, layer)[0]
    repeated = np.repeat(source, kernel.shape[-1] // source.shape[-1], axis=-1)
    taps = _taps(layer, repeated, kernel.shape[:-1])
    return _requantized(g, layer, _total(values * kernel[tap] for tap, values in taps))


def _total(terms: Iterator[Array]) -> Array:
    result = next(terms)
    for term in terms:
        result = result + term
    return result


def transposed(g: graph.Graph, layer: graph.Layer, inputs: Sequence[Array]) -> Array:
    """As `reference_kernels.transposed`: adds to a plane that is cut afterwards."""
    assert isinstance(layer, graph.TransposeConv2D)
    source = _source(g, layer, inputs[0])
    kernel = derived.kernel_values(g, layer)
    height, width = (
        (size - 1) * stride + taps
        for size, stride, taps in zip(
            source.shape[1:3], layer.strides, kernel.shape[1:3], strict=True
        )
    )
    canvas = np.zeros((len(source), height, width, len(kernel)), np.int64)
    rows, columns = layer.strides
    for y, x in itertools.product(*(range(size) for size in kernel.shape[1:3])):
        bottom = y + (source.shape[1] - 1) * rows + 1
        right = x + (source.shape[2] - 1) * columns + 1
        canvas[:, y:bottom:rows, x:right:columns] += source @ kernel[:, y, x].T
    (top, bottom), (left, right) = layer.padding
    return _requantized(
        g, layer, canvas[:, top : height - bottom, left : width - right]
    )


def dense(g: graph.Graph, layer: graph.Layer, inputs: Sequence[Array]) -> Array:
    """As `reference_kernels.dense`: one matrix product."""
    assert isinstance(layer, graph.Dense)
    kernel = derived.kernel_values(g, layer).astype(np.float64)
    source = _source(g, layer, inputs[0]).astype(np.float64)
    result = _requantized(g, layer, source.reshape(-1, kernel.shape[-1]) @ kernel.T)
    return result.reshape(-1, *g.tensors[layer.output].shape[1:])


def max_pool(g: graph.Graph, layer: graph.Layer, inputs: Sequence[Array]) -> Array:
    """As `reference_kernels.pool`; the padding holds the smallest integer."""
    assert isinstance(layer, graph.MaxPool)
    smallest, _ = derived.type_bounds(g, layer.inputs[0])
    taps = _taps(layer, inputs[0], layer.kernel_size, smallest)
    largest = np.max([values for _, values in taps], axis=0)
    return _clipped(g, layer, largest)


def average_pool(g: graph.Graph, layer: graph.Layer, inputs: Sequence[Array]) -> Array:
    """As `reference_kernels.pool`; a plane of ones counts the pixels."""
    assert isinstance(layer, graph.AveragePool)
    source = inputs[0].astype(np.int64)
    ones = np.ones_like(source[:1])
    total = _total(values for _, values in _taps(layer, source, layer.kernel_size))
    count = _total(values for _, values in _taps(layer, ones, layer.kernel_size))
    magnitude = (np.abs(total) + count // 2) // count
    return _clipped(g, layer, np.where(total > 0, magnitude, -magnitude))


def mean(g: graph.Graph, layer: graph.Layer, inputs: Sequence[Array]) -> Array:
    """As `reference_kernels.mean`."""
    assert isinstance(layer, graph.Mean)
    source = _source(g, layer, inputs[0])
    sums = source.sum(axis=layer.axes)
    factor = derived.mean_factor(g, layer, source.size // sums.size)
    shape = g.tensors[layer.output].shape
    return _finished(g, layer, scale(sums, *factor)).reshape(-1, *shape[1:])


def elementwise(g: graph.Graph, layer: graph.Layer, inputs: Sequence[Array]) -> Array:
    """As `reference_kernels.elementwise`."""
    first, second = (
        values.astype(np.int64) - derived.zero_point(g, name)
        for values, name in zip(inputs, layer.inputs, strict=True)
    )
    if isinstance(layer, graph.Mul):
        factor = derived.product_factor(g, layer)
        return _finished(g, layer, scale(first * second, *factor))
    of_first, of_second, of_result = derived.sum_factors(g, layer)
    a = scale(first << derived.ADD_LEFT_SHIFT, *of_first)
    b = scale(second << derived.ADD_LEFT_SHIFT, *of_second)
    total = a - b if isinstance(layer, graph.Sub) else a + b
    return _finished(g, layer, scale(total, *of_result))


def concat(g: graph.Graph, layer: graph.Layer, inputs: Sequence[Array]) -> Array:
    """As `reference_kernels.concat`; a constant is repeated for every image."""
    assert isinstance(layer, graph.Concat)
    if layer.axis == 0:
        return np.concatenate(inputs)
    batch = max(len(values) for values in inputs)
    repeated = [np.broadcast_to(v, (batch, *v.shape[1:])) for v in inputs]
    return np.concatenate(repeated, axis=layer.axis)


def reshape(g: graph.Graph, layer: graph.Layer, inputs: Sequence[Array]) -> Array:
    """As `reference_kernels.reshape`."""
    return inputs[0].reshape(-1, *g.tensors[layer.output].shape[1:])


def space_to_depth(
    g: graph.Graph, layer: graph.Layer, inputs: Sequence[Array]
) -> Array:
    """As `reference_kernels.space_to_depth`."""
    assert isinstance(layer, graph.SpaceToDepth)
    size = layer.block_size
    corners = itertools.product(range(size), repeat=2)
    return np.concatenate(
        [inputs[0][:, row::size, column::size] for row, column in corners], axis=-1
    )


def requantize(g: graph.Graph, layer: graph.Layer, inputs: Sequence[Array]) -> Array:
    """As `reference_kernels.requantize`."""
    factor = derived.rescale_factor(g, layer)
    return _finished(g, layer, scale(_source(g, layer, inputs[0]), *factor))


def softmax(g: graph.Graph, layer: graph.Layer, inputs: Sequence[Array]) -> Array:
    """As `reference_kernels.softmax`: a table of the 256 exponentials."""
    assert isinstance(layer, graph.Softmax)
    factor, smallest = derived.softmax_parameters(g, layer)
    low, high = derived.type_bounds(g, layer.output)
    table = np.array(
        [
            fixed_point.exp_of_negative(fixed_point.scale(-below, *factor))
            if -below >= smallest
            else 0
            for below in range(256)
        ],
        np.int64,
    )
    values = inputs[0].astype(np.int64)
    below = values.max(axis=-1, keepdims=True) - values
    exps = table[below]
    digits = derived.SOFTMAX_SUM_BITS
    totals, rows = np.unique(
        rounding_shift_right(exps, digits).sum(axis=-1), return_inverse=True
    )
    headroom = [32 - int(total).bit_length() for total in totals]
    reciprocal = [
        fixed_point.one_over_one_plus((int(total) << bits) - 2**31)
        for total, bits in zip(totals, headroom, strict=True)
    ]
    shift = digits - np.array(headroom, np.int64) + 31 - 8
    high_half = scale(exps, np.array(reciprocal, np.int64)[rows][..., None], 0)
    result = rounding_shift_right(high_half, shift[rows][..., None]) + low
    clipped = np.where(-below >= smallest, np.clip(result, low, high), low)
    return clipped.astype(g.tensors[layer.output].dtype)


KERNELS: dict[type[graph.Layer], reference_kernels.Kernel] = {
    graph.Conv1D: convolution,
    graph.Conv2D: convolution,
    graph.DepthwiseConv2D: depthwise,
    graph.TransposeConv2D: transposed,
    graph.Dense: dense,
    graph.MaxPool: max_pool,
    graph.AveragePool: average_pool,
    graph.Mean: mean,
    graph.Add: elementwise,
    graph.Sub: elementwise,
    graph.Mul: elementwise,
    graph.Concat: concat,
    graph.Pad: reference_kernels.pad,
    graph.Reshape: reshape,
    graph.SpaceToDepth: space_to_depth,
    graph.Requantize: requantize,
    graph.Softmax: softmax,
}
