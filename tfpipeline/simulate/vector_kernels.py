"""The reference kernels on whole batches at once; equal to them bit for bit.

Sums of products run in floating point, which is exact as long as no sum of magnitudes
leaves the significand: 24 bits of float32, which most layers of int8 stay in, or 53 of
float64, for which even int16 would need 2**31 taps.
"""

import functools
import itertools
import math
from collections.abc import Callable, Sequence

import numpy as np

from tfpipeline.ir import graph
from tfpipeline.simulate import (
    activation_functions,
    derived,
    gathering,
    interpolation,
    reference_kernels,
    vector_arithmetic,
    vector_recurrent,
    vector_softmax,
    windows,
)

Array = graph.Array

# What a layer does with its operands; all that does not depend on them is done before.
Prepared = Callable[[Sequence[Array]], Array | tuple[Array, ...]]

# Values of the matrix of windows that are made at once: 1 MB of float32 stays in cache.
_BLOCK = 2**18


def _source(g: graph.Graph, layer: graph.Layer, values: Array) -> Array:
    return values.astype(np.int64) - derived.zero_point(g, layer.inputs[0])


def _largest_sum(g: graph.Graph, layer: graph.Weighted, kernel: Array) -> int:
    """Bound of any sum of products, on the way to it too, of `[channels, taps]`."""
    low, high = derived.type_bounds(g, layer.inputs[0])
    zero = derived.zero_point(g, layer.inputs[0])
    return int(np.abs(kernel).sum(axis=1).max()) * max(high - zero, zero - low)


def _exact_float(
    g: graph.Graph, layer: graph.Weighted, largest_sum: int
) -> type[np.floating]:
    """The smaller float that holds all integers up to a bound and a bias."""
    bound = largest_sum + int(np.abs(derived.bias_values(g, layer)).max())
    return np.float32 if bound < 2**24 else np.float64


def _padded(g: graph.Graph, layer: graph.Layer, source: Array, real: type) -> Array:
    """The images without their zero point in a border of zeros."""
    _, padding, _ = derived.sliding(layer)
    result = np.zeros(
        (
            len(source),
            *(n + sum(p) for n, p in zip(source.shape[1:-1], padding, strict=True)),
            source.shape[-1],
        ),
        real,
    )
    inside = [
        slice(before, before + size)
        for size, (before, _) in zip(source.shape[1:-1], padding, strict=True)
    ]
    zero = derived.zero_point(g, layer.inputs[0])
    np.subtract(source, zero, out=result[windows.every(inside)], dtype=real)
    return result


def convolution(g: graph.Graph, layer: graph.Layer, inputs: Sequence[Array]) -> Array:
    """As `reference_kernels.convolution`: a matrix product for a block of pixels."""
    return _convolution(g, layer)(inputs)


def _convolution(
    g: graph.Graph, layer: graph.Layer
) -> Callable[[Sequence[Array]], Array]:
    assert isinstance(layer, (graph.Conv1D, graph.Conv2D))
    kernel = derived.kernel_values(g, layer)
    matrix = kernel.reshape(len(kernel), -1)
    largest = _largest_sum(g, layer, matrix)
    real = _exact_float(g, layer, largest)
    requantized = vector_arithmetic.requantization(g, layer, largest)
    groups = g.tensors[layer.inputs[0]].shape[-1] // kernel.shape[-1]
    parts = np.split(np.ascontiguousarray(matrix.T.astype(real)), groups, axis=1)
    tensor = g.tensors[layer.output]
    first, *others = tensor.shape[1:-1]
    # Of one row of pixels of the output, in all of its windows; its own, if those are
    # more.
    row_values = math.prod(others) * max(len(parts[0]) * groups, 4 * len(kernel))
    block = max(1, _BLOCK // (first * row_values))
    rows = max(1, min(first, _BLOCK // row_values))

    def run(inputs: Sequence[Array]) -> Array:
        result = np.empty((len(inputs[0]), *tensor.shape[1:]), tensor.dtype)
        for start in range(0, len(result), block):
            images = slice(start, start + block)
            padded = _padded(g, layer, inputs[0][images], real)
            views = [
                windows.view(layer, own, kernel.shape[1:-1])
                for own in np.split(padded, groups, axis=-1)
            ]
            for row in range(0, first, rows):
                own_rows = slice(row, row + rows)
                sums = [
                    view[:, own_rows].reshape(-1, len(part)) @ part
                    for view, part in zip(views, parts, strict=True)
                ]
                values = sums[0] if groups == 1 else np.concatenate(sums, axis=-1)
                target = result[images, own_rows]
                target[:] = requantized(values).reshape(target.shape)
        return result

    return run


def depthwise(g: graph.Graph, layer: graph.Layer, inputs: Sequence[Array]) -> Array:
    """As `reference_kernels.depthwise`: one product a tap."""
    return _depthwise(g, layer)(inputs)


def _depthwise(
    g: graph.Graph, layer: graph.Layer
) -> Callable[[Sequence[Array]], Array]:
    assert isinstance(layer, graph.DepthwiseConv2D)
    kernel = derived.kernel_values(g, layer)[0]
    channels = kernel.shape[-1]
    largest = _largest_sum(g, layer, kernel.reshape(-1, channels).T)
    real = _exact_float(g, layer, largest)
    requantized = vector_arithmetic.requantization(g, layer, largest)
    weights = kernel.astype(real)
    multiplier = channels // g.tensors[layer.inputs[0]].shape[-1]
    tensor = g.tensors[layer.output]
    block = max(1, _BLOCK // math.prod(tensor.shape))

    def run(inputs: Sequence[Array]) -> Array:
        result = np.empty((len(inputs[0]), *tensor.shape[1:]), tensor.dtype)
        for start in range(0, len(result), block):
            padded = _padded(g, layer, inputs[0][start : start + block], real)
            if multiplier > 1:
                padded = np.repeat(padded, multiplier, axis=-1)
            sums = np.zeros((len(padded), *tensor.shape[1:]), real)
            product = np.empty_like(sums)
            for tap, values in windows.taps(layer, padded, kernel.shape[:-1]):
                np.multiply(values, weights[tap], out=product)
                sums += product
            result[start : start + block] = requantized(sums)
        return result

    return run


def transposed(g: graph.Graph, layer: graph.Layer, inputs: Sequence[Array]) -> Array:
    """As `reference_kernels.transposed`: adds to a plane that is cut afterwards."""
    assert isinstance(layer, graph.TransposeConv2D)
    source = _source(g, layer, inputs[0])
    kernel = derived.kernel_values(g, layer)
    largest = _largest_sum(g, layer, kernel.reshape(len(kernel), -1))
    height, width = (
        (size - 1) * stride + taps
        for size, stride, taps in zip(
            source.shape[1:3], layer.strides, kernel.shape[1:3], strict=True
        )
    )
    (top, bottom), (left, right) = layer.padding
    # Negative padding is rows and columns that no kernel meets.
    shape = (height + max(-bottom, 0), width + max(-right, 0))
    canvas = np.zeros((len(source), *shape, len(kernel)), np.int64)
    rows, columns = layer.strides
    for y, x in itertools.product(*(range(size) for size in kernel.shape[1:3])):
        below = y + (source.shape[1] - 1) * rows + 1
        beside = x + (source.shape[2] - 1) * columns + 1
        canvas[:, y:below:rows, x:beside:columns] += source @ kernel[:, y, x].T
    requantized = vector_arithmetic.requantization(g, layer, largest)
    return requantized(canvas[:, top : height - bottom, left : width - right])


def dense(g: graph.Graph, layer: graph.Layer, inputs: Sequence[Array]) -> Array:
    """As `reference_kernels.dense`: one matrix product."""
    return _dense(g, layer)(inputs)


def _dense(g: graph.Graph, layer: graph.Layer) -> Callable[[Sequence[Array]], Array]:
    assert isinstance(layer, graph.Dense)
    kernel = derived.kernel_values(g, layer)
    largest = _largest_sum(g, layer, kernel)
    real = _exact_float(g, layer, largest)
    zero = derived.zero_point(g, layer.inputs[0])
    matrix = kernel.T.astype(real)
    requantized = vector_arithmetic.requantization(g, layer, largest)
    shape = g.tensors[layer.output].shape[1:]

    def run(inputs: Sequence[Array]) -> Array:
        source = np.subtract(inputs[0], zero, dtype=real).reshape(-1, len(matrix))
        return requantized(source @ matrix).reshape(-1, *shape)

    return run


def _bordered(layer: graph.Pool, source: Array, fill: int) -> Array:
    border = ((0, 0), *layer.padding, (0, 0))
    return np.pad(source, border, constant_values=fill)


def max_pool(g: graph.Graph, layer: graph.Layer, inputs: Sequence[Array]) -> Array:
    """As `reference_kernels.pool`; the padding holds the smallest integer."""
    assert isinstance(layer, graph.MaxPool)
    smallest, _ = derived.type_bounds(g, layer.inputs[0])
    padded = _bordered(layer, inputs[0], smallest)
    taps = windows.taps(layer, padded, layer.kernel_size)
    _, first = next(taps)
    largest = first.copy()
    for _, values in taps:
        np.maximum(largest, values, out=largest)
    return vector_arithmetic.clipped(g, layer, largest)


def average_pool(g: graph.Graph, layer: graph.Layer, inputs: Sequence[Array]) -> Array:
    """As `reference_kernels.pool`; a plane of ones counts the pixels."""
    assert isinstance(layer, graph.AveragePool)
    source = _bordered(layer, inputs[0], 0)
    ones = _bordered(layer, np.ones_like(inputs[0][:1], np.int32), 0)
    total, count = (
        sum((v for _, v in windows.taps(layer, plane, layer.kernel_size)), np.int32(0))
        for plane in (source, ones)
    )
    magnitude = (np.abs(total) + count // 2) // count
    values = np.where(total > 0, magnitude, -magnitude)
    return vector_arithmetic.clipped(g, layer, values)


def mean(g: graph.Graph, layer: graph.Layer, inputs: Sequence[Array]) -> Array:
    """As `reference_kernels.mean`."""
    assert isinstance(layer, graph.Mean)
    source = _source(g, layer, inputs[0])
    sums = source.sum(axis=layer.axes)
    factor = derived.mean_factor(g, layer, source.size // sums.size)
    shape = g.tensors[layer.output].shape
    return vector_arithmetic.finished(
        g, layer, vector_arithmetic.scale(sums, *factor)
    ).reshape(-1, *shape[1:])


def elementwise(g: graph.Graph, layer: graph.Layer, inputs: Sequence[Array]) -> Array:
    """As `reference_kernels.elementwise`."""
    zeros = [derived.zero_point(g, name) for name in layer.inputs]
    if isinstance(layer, graph.Mul):
        first, second = (
            values.astype(np.int64) - zero
            for values, zero in zip(inputs, zeros, strict=True)
        )
        factor = derived.product_factor(g, layer)
        product = vector_arithmetic.scale(first * second, *factor)
        return vector_arithmetic.finished(g, layer, product)
    *factors, of_result = derived.sum_factors(g, layer)
    first, second = (
        _operand(values, zero, derived.sum_shift(g, layer), factor)
        for values, zero, factor in zip(inputs, zeros, factors, strict=True)
    )
    total = first - second if isinstance(layer, graph.Sub) else first + second
    scaled = vector_arithmetic.scale(total, *of_result)
    return vector_arithmetic.finished(g, layer, scaled)


def _operand(values: Array, zero: int, shift: int, factor: derived.Factor) -> Array:
    """One operand of a sum on the scale of both."""

    def scaled(integers: Array) -> Array:
        return vector_arithmetic.scale((integers - zero) << shift, *factor)

    return _tabulated(values, scaled)


def _tabulated(values: Array, function: Callable[[Array], Array]) -> Array:
    """`function` of each value, of all values of the type where those are fewer."""
    bits = 8 * values.dtype.itemsize
    if values.size < 2**bits:
        return function(values.astype(np.int64))
    unsigned = np.dtype(f"uint{bits}")
    every = np.arange(2**bits).astype(unsigned).view(values.dtype)
    result: Array = function(every.astype(np.int64))[values.view(unsigned)]
    return result


def extremum(g: graph.Graph, layer: graph.Layer, inputs: Sequence[Array]) -> Array:
    """As `reference_kernels.extremum`."""
    choose = np.maximum if isinstance(layer, graph.Maximum) else np.minimum
    return np.asarray(choose(*inputs))


def reduction(g: graph.Graph, layer: graph.Layer, inputs: Sequence[Array]) -> Array:
    """As `reference_kernels.reduction`."""
    assert isinstance(layer, graph.Reduction)
    choose = np.max if isinstance(layer, graph.ReduceMax) else np.min
    values: Array = choose(inputs[0], axis=layer.axes)
    return values.reshape(-1, *g.tensors[layer.output].shape[1:])


def position(g: graph.Graph, layer: graph.Layer, inputs: Sequence[Array]) -> Array:
    """As `reference_kernels.position`; NumPy takes the first of equal ones too."""
    assert isinstance(layer, graph.Position)
    values, is_largest = inputs[0], isinstance(layer, graph.ArgMax)
    is_last = layer.axis % values.ndim == values.ndim - 1
    bits = 8 * values.itemsize + values.shape[layer.axis].bit_length()
    found: Array
    # Along any axis but the last, NumPy gathers line by line. A maximum it takes of
    # whole rows at once.
    if values.dtype.kind in "iu" and bits <= _KEY_BITS and not is_last:
        found = _position_of_keys(values, layer.axis, bits, is_largest=is_largest)
    else:
        choose = np.argmax if is_largest else np.argmin
        found = choose(values, axis=layer.axis)
    return found.astype(g.tensors[layer.output].dtype)


# Of an int64, but its sign.
_KEY_BITS = 63


def _position_of_keys(
    values: Array, axis: int, bits: int, *, is_largest: bool
) -> Array:
    """Positions from keys, value * size + place: of `bits` and a sign, so exact.

    Of equal values the first place is the smallest key; for maxima places count
    backwards, so that it is the largest.
    """
    size = values.shape[axis]
    dtype = np.int32 if bits < 32 else np.int64
    places = np.arange(size, dtype=dtype)
    shape = [1] * values.ndim
    shape[axis] = size
    keys: Array = values.astype(dtype)
    keys *= size
    keys += (places[::-1] if is_largest else places).reshape(shape)
    found: Array = (keys.max if is_largest else keys.min)(axis=axis) % size
    return size - 1 - found if is_largest else found


def concat(g: graph.Graph, layer: graph.Layer, inputs: Sequence[Array]) -> Array:
    """As `reference_kernels.concat`; a constant is repeated for every image."""
    assert isinstance(layer, graph.Concat)
    if layer.axis == 0:
        return np.concatenate(inputs)
    return np.concatenate(_for_every_image(inputs), axis=layer.axis)


def gather(g: graph.Graph, layer: graph.Layer, inputs: Sequence[Array]) -> Array:
    """As `reference_kernels.gather`: one axis after another, all but the batch."""
    axes = gathering.axes(g, layer)
    values = inputs[0]
    for axis in axes:
        size = values.shape[axis.source]
        if axis.source == 0 and len(axis.indices) == 1:
            continue
        if axis.indices != tuple(range(size)):
            values = values.take(axis.indices, axis=axis.source)
    values = values.transpose([axis.source for axis in axes])
    return values.reshape(-1, *g.tensors[layer.output].shape[1:])


def resize_bilinear(
    g: graph.Graph, layer: graph.Layer, inputs: Sequence[Array]
) -> Array:
    """As `reference_kernels.resize_bilinear`: rows first; its products are exact."""
    assert isinstance(layer, graph.ResizeBilinear)
    values = inputs[0].astype(np.int32)
    for axis in (1, 2):
        size, count = values.shape[axis], g.tensors[layer.output].shape[axis]
        line = interpolation.integers(layer, size, count)
        shape = [count if i == axis else 1 for i in range(4)]
        weights = np.array(line.weights, np.int32).reshape(shape)
        lower, upper = (
            values.take(indices, axis=axis) for indices in (line.lower, line.upper)
        )
        values = lower * (interpolation.ONE - weights) + upper * weights
    half = interpolation.ONE**2 // 2
    magnitude = (np.abs(values) + half) >> (2 * interpolation.BITS)
    rounded = np.where(values > 0, magnitude, -magnitude)
    return rounded.astype(g.tensors[layer.output].dtype)


def pack(g: graph.Graph, layer: graph.Layer, inputs: Sequence[Array]) -> Array:
    """As `reference_kernels.pack`; a constant is repeated for every image."""
    assert isinstance(layer, graph.Pack)
    if layer.axis == 0:
        return np.stack(inputs)
    return np.stack(_for_every_image(inputs), axis=layer.axis)


def _for_every_image(inputs: Sequence[Array]) -> list[Array]:
    """Inputs of one length; a constant, which has one image, is repeated."""
    batch = max(len(values) for values in inputs)
    return [np.broadcast_to(v, (batch, *v.shape[1:])) for v in inputs]


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
    zero = derived.zero_point(g, layer.inputs[0])
    return _tabulated(
        inputs[0],
        lambda values: vector_arithmetic.finished(
            g, layer, vector_arithmetic.scale(values - zero, *factor)
        ),
    )


def activation(g: graph.Graph, layer: graph.Layer, inputs: Sequence[Array]) -> Array:
    """As `reference_kernels.activation`: a table of all integers."""
    assert isinstance(layer, graph.Activation)
    source, result = derived.quant(g, layer.inputs[0]), derived.quant(g, layer.output)
    table = activation_functions.table(layer.function, source, result)
    smallest, _ = derived.type_bounds(g, layer.inputs[0])
    values: Array = table[inputs[0].astype(np.int64) - smallest]
    return values


def leaky_relu(g: graph.Graph, layer: graph.Layer, inputs: Sequence[Array]) -> Array:
    """As `reference_kernels.leaky_relu`."""
    assert isinstance(layer, graph.LeakyRelu)
    positive, negative, sign = derived.leaky_factors(g, layer)
    zero = derived.zero_point(g, layer.inputs[0])

    def sloped(values: Array) -> Array:
        centered = values - zero
        scaled = np.where(
            centered >= 0,
            vector_arithmetic.scale(centered, *positive),
            sign * vector_arithmetic.scale(centered, *negative),
        )
        return vector_arithmetic.finished(g, layer, scaled)

    return _tabulated(inputs[0], sloped)


def prelu(g: graph.Graph, layer: graph.Layer, inputs: Sequence[Array]) -> Array:
    """As `reference_kernels.prelu`."""
    assert isinstance(layer, graph.PRelu)
    positive, negative = derived.slope_factors(g, layer)
    values, slopes = (
        operand.astype(np.int64) - derived.zero_point(g, name)
        for operand, name in zip(inputs, layer.inputs, strict=True)
    )
    scaled = np.where(
        values >= 0,
        vector_arithmetic.scale(values, *positive),
        vector_arithmetic.scale(values * slopes, *negative),
    )
    return vector_arithmetic.finished(g, layer, scaled)


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
    graph.Minimum: extremum,
    graph.Maximum: extremum,
    graph.ReduceMax: reduction,
    graph.ReduceMin: reduction,
    graph.ArgMax: position,
    graph.ArgMin: position,
    graph.Concat: concat,
    graph.Split: reference_kernels.split,
    graph.Pack: pack,
    graph.Unpack: reference_kernels.unpack,
    graph.Pad: reference_kernels.pad,
    graph.PadV2: reference_kernels.pad_v2,
    graph.MirrorPad: gather,
    graph.Transpose: gather,
    graph.Slice: gather,
    graph.StridedSlice: gather,
    graph.ResizeNearestNeighbor: gather,
    graph.ResizeBilinear: resize_bilinear,
    graph.Reshape: reshape,
    graph.SpaceToDepth: space_to_depth,
    graph.Requantize: requantize,
    graph.Softmax: vector_softmax.softmax,
    graph.Lstm: vector_recurrent.lstm,
    graph.Svdf: vector_recurrent.svdf,
    graph.Activation: activation,
    graph.LeakyRelu: leaky_relu,
    graph.PRelu: prelu,
}


_PREPARED: dict[type[graph.Layer], Callable[[graph.Graph, graph.Layer], Prepared]] = {
    graph.Conv1D: _convolution,
    graph.Conv2D: _convolution,
    graph.DepthwiseConv2D: _depthwise,
    graph.Dense: _dense,
}


def prepared(g: graph.Graph, layer: graph.Layer) -> Prepared:
    """A layer's kernel as a function of its operands alone, to be called often.

    Args:
        g: a verified graph.
        layer: one of it; its constants are among the operands as ever.
    """
    prepare = _PREPARED.get(type(layer))
    if prepare is not None:
        return prepare(g, layer)
    return functools.partial(KERNELS[type(layer)], g, layer)
