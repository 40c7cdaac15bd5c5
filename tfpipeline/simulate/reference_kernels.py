"""Readable kernels, the specification: what TFLite Micro computes with int8 and int16.

One output value after the other, on plain integers. Each function is given the graph,
the layer and the arrays of its inputs, for a batch of one, and returns its output.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from tfpipeline.ir import graph
from tfpipeline.simulate import (
    activation_functions,
    derived,
    fixed_point,
    gathering,
    interpolation,
    lookup,
    recurrent_kernels,
)

Array = graph.Array
# The array of its output; of a layer of several results a tuple of arrays.
Kernel = Callable[
    [graph.Graph, graph.Layer, Sequence[Array]], Array | tuple[Array, ...]
]


def listed(result: Array | tuple[Array, ...]) -> Sequence[Array]:
    """What a kernel returned, as the arrays of all of the layer's outputs."""
    return (result,) if isinstance(result, np.ndarray) else result


def _clamped(value: int, low: int, high: int) -> int:
    return min(max(value, low), high)


def _empty(g: graph.Graph, layer: graph.Layer) -> Array:
    tensor = g.tensors[layer.output]
    return np.empty(tensor.shape, tensor.dtype)


def _pixels(shape: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """Indices of batch and plane of a result."""
    return itertools.product(*(range(size) for size in shape[:-1]))


def _requantization(
    g: graph.Graph, layer: graph.Weighted
) -> Callable[[Sequence[int]], list[int]]:
    """Scales the sum of each channel, adds the zero point, clamps."""
    factors = derived.channel_factors(g, layer)
    zero = derived.zero_point(g, layer.output)
    low, high = derived.bounds(g, layer)
    is_wide = derived.has_wide_sums(g, layer)
    scale = fixed_point.scale_wide if is_wide else fixed_point.scale

    def requantized(sums: Sequence[int]) -> list[int]:
        return [
            _clamped(scale(total, *factor) + zero, low, high)
            for total, factor in zip(sums, factors, strict=True)
        ]

    return requantized


def convolution(g: graph.Graph, layer: graph.Layer, inputs: Sequence[Array]) -> Array:
    """Convolution along one or two axes, in groups where the kernel is narrower."""
    assert isinstance(layer, (graph.Conv1D, graph.Conv2D))
    source = inputs[0].astype(np.int64) - derived.zero_point(g, layer.inputs[0])
    kernel, bias = derived.kernel_values(g, layer), derived.bias_values(g, layer)
    result, size = _empty(g, layer), source.shape[1:-1]
    requantized = _requantization(g, layer)
    width = kernel.shape[-1]
    per_group = len(kernel) * width // source.shape[-1]
    for batch, *position in _pixels(result.shape):
        inside, taps = derived.window(size, position, layer, kernel.shape[1:-1])
        window = source[(batch, *inside)]
        sums = []
        for channel in range(len(kernel)):
            start = channel // per_group * width
            part = window[..., start : start + width]
            sums.append(int((part * kernel[(channel, *taps)]).sum() + bias[channel]))
        result[(batch, *position)] = requantized(sums)
    return result


def depthwise(g: graph.Graph, layer: graph.Layer, inputs: Sequence[Array]) -> Array:
    """Each output channel from one input channel."""
    assert isinstance(layer, graph.DepthwiseConv2D)
    source = inputs[0].astype(np.int64) - derived.zero_point(g, layer.inputs[0])
    kernel, bias = derived.kernel_values(g, layer)[0], derived.bias_values(g, layer)
    result, size = _empty(g, layer), source.shape[1:-1]
    requantized = _requantization(g, layer)
    multiplier = kernel.shape[-1] // source.shape[-1]
    for batch, *position in _pixels(result.shape):
        inside, taps = derived.window(size, position, layer, kernel.shape[:-1])
        window, part = source[(batch, *inside)], kernel[taps]
        sums = [
            int((window[..., c // multiplier] * part[..., c]).sum() + bias[c])
            for c in range(kernel.shape[-1])
        ]
        result[(batch, *position)] = requantized(sums)
    return result


def transposed(g: graph.Graph, layer: graph.Layer, inputs: Sequence[Array]) -> Array:
    """Each input pixel adds its kernel; what falls on the padding is dropped."""
    assert isinstance(layer, graph.TransposeConv2D)
    source = inputs[0].astype(np.int64) - derived.zero_point(g, layer.inputs[0])
    kernel = derived.kernel_values(g, layer)
    result = _empty(g, layer)
    sums = np.zeros(result.shape, np.int64) + derived.bias_values(g, layer)
    for batch, row, column in _pixels(source.shape):
        for tap in itertools.product(*(range(n) for n in kernel.shape[1:3])):
            y = row * layer.strides[0] - layer.padding[0][0] + tap[0]
            x = column * layer.strides[1] - layer.padding[1][0] + tap[1]
            if 0 <= y < result.shape[1] and 0 <= x < result.shape[2]:
                sums[batch, y, x] += (
                    kernel[:, tap[0], tap[1]] @ source[batch, row, column]
                )
    requantized = _requantization(g, layer)
    for pixel in _pixels(result.shape):
        result[pixel] = requantized(sums[pixel].tolist())
    return result


def dense(g: graph.Graph, layer: graph.Layer, inputs: Sequence[Array]) -> Array:
    """Matrix product of the kernel and every row of the input."""
    assert isinstance(layer, graph.Dense)
    source = inputs[0].astype(np.int64) - derived.zero_point(g, layer.inputs[0])
    kernel, bias = derived.kernel_values(g, layer), derived.bias_values(g, layer)
    rows = source.reshape(-1, kernel.shape[-1])
    requantized = _requantization(g, layer)
    values = [requantized((kernel @ row + bias).tolist()) for row in rows]
    tensor = g.tensors[layer.output]
    return np.array(values, tensor.dtype).reshape(tensor.shape)


def pool(g: graph.Graph, layer: graph.Layer, inputs: Sequence[Array]) -> Array:
    """Largest or mean value of the part of each window inside the input."""
    assert isinstance(layer, graph.Pool)
    source, result = inputs[0].astype(np.int64), _empty(g, layer)
    size = source.shape[1:-1]
    low, high = derived.bounds(g, layer)
    for batch, *position in _pixels(result.shape):
        inside, _ = derived.window(size, position, layer, layer.kernel_size)
        window = source[(batch, *inside)]
        for channel in range(source.shape[-1]):
            values = window[..., channel].ravel().tolist()
            is_max = isinstance(layer, graph.MaxPool)
            value = max(values) if is_max else _rounded_mean(values)
            result[(batch, *position, channel)] = _clamped(value, low, high)
    return result


def _rounded_mean(values: Sequence[int]) -> int:
    """Halves away from zero: integer_ops/pooling.h."""
    total, count = sum(values), len(values)
    magnitude = (abs(total) + count // 2) // count
    return magnitude if total > 0 else -magnitude


def mean(g: graph.Graph, layer: graph.Layer, inputs: Sequence[Array]) -> Array:
    """Mean over axes, divided and rescaled by one multiplication."""
    assert isinstance(layer, graph.Mean)
    source = inputs[0].astype(np.int64)
    sums = source.sum(axis=layer.axes)
    count = source.size // sums.size
    factor = derived.mean_factor(g, layer, count)
    zero_in = derived.zero_point(g, layer.inputs[0])
    zero_out = derived.zero_point(g, layer.output)
    low, high = derived.bounds(g, layer)
    values = [
        _clamped(
            fixed_point.scale(int(sum_) - zero_in * count, *factor) + zero_out,
            low,
            high,
        )
        for sum_ in sums.ravel()
    ]
    tensor = g.tensors[layer.output]
    return np.array(values, tensor.dtype).reshape(tensor.shape)


def elementwise(g: graph.Graph, layer: graph.Layer, inputs: Sequence[Array]) -> Array:
    """Sum, difference or product of two operands, broadcast."""
    low, high = derived.bounds(g, layer)
    zeros = [derived.zero_point(g, name) for name in layer.inputs]
    zero = derived.zero_point(g, layer.output)
    result = _empty(g, layer)
    operands = np.broadcast_arrays(*inputs)
    for index in np.ndindex(result.shape):
        first, second = (
            int(operand[index]) - offset
            for operand, offset in zip(operands, zeros, strict=True)
        )
        if isinstance(layer, graph.Mul):
            factor = derived.product_factor(g, layer)
            value = fixed_point.scale(first * second, *factor)
        else:
            value = _sum(g, layer, first, second)
        result[index] = _clamped(value + zero, low, high)
    return result


def _sum(g: graph.Graph, layer: graph.Layer, first: int, second: int) -> int:
    of_first, of_second, of_result = derived.sum_factors(g, layer)
    shift = derived.sum_shift(g, layer)
    a = fixed_point.scale(first << shift, *of_first)
    b = fixed_point.scale(second << shift, *of_second)
    return fixed_point.scale(
        a - b if isinstance(layer, graph.Sub) else a + b, *of_result
    )


def extremum(g: graph.Graph, layer: graph.Layer, inputs: Sequence[Array]) -> Array:
    """The smaller or larger of two operands, broadcast."""
    assert isinstance(layer, graph.Extremum)
    choose = max if isinstance(layer, graph.Maximum) else min
    result = _empty(g, layer)
    operands = np.broadcast_arrays(*inputs)
    for index in np.ndindex(result.shape):
        result[index] = choose(int(operand[index]) for operand in operands)
    return result


def _lines(
    source: Array, axes: Sequence[int]
) -> Iterator[tuple[tuple[int, ...], list[int]]]:
    """Position without `axes`, and all values along them, first to last."""
    kept = [i for i in range(source.ndim) if i not in axes]
    for index in itertools.product(*(range(source.shape[i]) for i in kept)):
        whole: list[int | slice] = [slice(None)] * source.ndim
        for axis, at in zip(kept, index, strict=True):
            whole[axis] = at
        yield index, source[tuple(whole)].ravel().tolist()


def reduction(g: graph.Graph, layer: graph.Layer, inputs: Sequence[Array]) -> Array:
    """The smallest or largest value over axes."""
    assert isinstance(layer, graph.Reduction)
    choose = max if isinstance(layer, graph.ReduceMax) else min
    values = [choose(line) for _, line in _lines(inputs[0], layer.axes)]
    return np.array(values, inputs[0].dtype).reshape(g.tensors[layer.output].shape)


def position(g: graph.Graph, layer: graph.Layer, inputs: Sequence[Array]) -> Array:
    """Where the smallest or largest value stands first: reference/arg_min_max.h."""
    assert isinstance(layer, graph.Position)
    choose = max if isinstance(layer, graph.ArgMax) else min
    result = _empty(g, layer)
    for index, line in _lines(inputs[0], (layer.axis,)):
        result[index] = line.index(choose(line))
    return result


def concat(g: graph.Graph, layer: graph.Layer, inputs: Sequence[Array]) -> Array:
    """Inputs one after another."""
    assert isinstance(layer, graph.Concat)
    return np.concatenate(inputs, axis=layer.axis)


def split(
    g: graph.Graph, layer: graph.Layer, inputs: Sequence[Array]
) -> tuple[Array, ...]:
    """Parts along an axis; as long there as the outputs' shapes say."""
    assert isinstance(layer, graph.Split)
    sizes = [g.tensors[n].shape[layer.axis] for n in graph.written_names(layer)]
    return tuple(np.split(inputs[0], np.cumsum(sizes)[:-1], axis=layer.axis))


def pack(g: graph.Graph, layer: graph.Layer, inputs: Sequence[Array]) -> Array:
    """Inputs one after another along a new axis."""
    assert isinstance(layer, graph.Pack)
    return np.stack(inputs, axis=layer.axis)


def unpack(
    g: graph.Graph, layer: graph.Layer, inputs: Sequence[Array]
) -> tuple[Array, ...]:
    """The slices along an axis."""
    assert isinstance(layer, graph.Unpack)
    return tuple(np.moveaxis(inputs[0], layer.axis, 0))


def pad(g: graph.Graph, layer: graph.Layer, inputs: Sequence[Array]) -> Array:
    """The zero point around the input."""
    assert isinstance(layer, graph.Pad)
    zero = derived.zero_point(g, layer.output)
    return np.pad(inputs[0], layer.padding, constant_values=zero)


def pad_v2(g: graph.Graph, layer: graph.Layer, inputs: Sequence[Array]) -> Array:
    """The second operand's value around the first."""
    assert isinstance(layer, graph.PadV2)
    return np.pad(inputs[0], layer.padding, constant_values=inputs[1].item())


def gather(g: graph.Graph, layer: graph.Layer, inputs: Sequence[Array]) -> Array:
    """Copies: the index along each axis of the input comes from one of the output."""
    axes = gathering.axes(g, layer)
    result = np.empty([len(axis.indices) for axis in axes], inputs[0].dtype)
    for index in np.ndindex(result.shape):
        source = [0] * inputs[0].ndim
        for axis, at in zip(axes, index, strict=True):
            source[axis.source] = axis.indices[at]
        result[index] = inputs[0][tuple(source)]
    return result.reshape(g.tensors[layer.output].shape)


def resize_bilinear(
    g: graph.Graph, layer: graph.Layer, inputs: Sequence[Array]
) -> Array:
    """Between four neighbors of each pixel; rounded halves away from zero."""
    assert isinstance(layer, graph.ResizeBilinear)
    source, result = inputs[0].tolist(), _empty(g, layer)
    rows, columns = (
        interpolation.integers(layer, size, count)
        for size, count in zip(inputs[0].shape[1:3], result.shape[1:3], strict=True)
    )
    one = interpolation.ONE
    for batch, y, x, channel in np.ndindex(result.shape):
        total = 0
        for row, down in (
            (rows.lower[y], one - rows.weights[y]),
            (rows.upper[y], rows.weights[y]),
        ):
            for column, across in (
                (columns.lower[x], one - columns.weights[x]),
                (columns.upper[x], columns.weights[x]),
            ):
                total += source[batch][row][column][channel] * down * across
        half = one * one // 2
        result[batch, y, x, channel] = fixed_point.divide_towards_zero(
            total + (half if total > 0 else -half), one * one
        )
    return result


def reshape(g: graph.Graph, layer: graph.Layer, inputs: Sequence[Array]) -> Array:
    """The same values in another shape."""
    return inputs[0].reshape(g.tensors[layer.output].shape)


def space_to_depth(
    g: graph.Graph, layer: graph.Layer, inputs: Sequence[Array]
) -> Array:
    """Channel `(row * block + column) * channels + c` holds the block's pixel."""
    assert isinstance(layer, graph.SpaceToDepth)
    size, channels = layer.block_size, inputs[0].shape[-1]
    result = _empty(g, layer)
    for row, column in itertools.product(range(size), repeat=2):
        start = (row * size + column) * channels
        part = inputs[0][:, row::size, column::size]
        result[..., start : start + channels] = part
    return result


def requantize(g: graph.Graph, layer: graph.Layer, inputs: Sequence[Array]) -> Array:
    """The same real values on the output's scale."""
    factor = derived.rescale_factor(g, layer)
    zero_in = derived.zero_point(g, layer.inputs[0])
    zero_out = derived.zero_point(g, layer.output)
    low, high = derived.bounds(g, layer)
    result = _empty(g, layer)
    for index, value in np.ndenumerate(inputs[0]):
        scaled = fixed_point.scale(int(value) - zero_in, *factor)
        result[index] = _clamped(scaled + zero_out, low, high)
    return result


def activation(g: graph.Graph, layer: graph.Layer, inputs: Sequence[Array]) -> Array:
    """A function of every value on its own."""
    assert isinstance(layer, graph.Activation)
    source, output = derived.quant(g, layer.inputs[0]), derived.quant(g, layer.output)
    function = activation_functions.function(layer.function, source, output)
    result = _empty(g, layer)
    for index, value in np.ndenumerate(inputs[0]):
        result[index] = function(int(value))
    return result


def leaky_relu(g: graph.Graph, layer: graph.Layer, inputs: Sequence[Array]) -> Array:
    """A factor for positive values, another one for negative ones."""
    assert isinstance(layer, graph.LeakyRelu)
    positive, negative, sign = derived.leaky_factors(g, layer)
    zero_in, zero = (derived.zero_point(g, n) for n in (layer.inputs[0], layer.output))
    low, high = derived.bounds(g, layer)
    result = _empty(g, layer)
    for index, value in np.ndenumerate(inputs[0]):
        centered = int(value) - zero_in
        if centered >= 0:
            scaled = fixed_point.scale(centered, *positive)
        else:
            scaled = sign * fixed_point.scale(centered, *negative)
        result[index] = _clamped(scaled + zero, low, high)
    return result


def prelu(g: graph.Graph, layer: graph.Layer, inputs: Sequence[Array]) -> Array:
    """As `leaky_relu`, negative values times a slope of their own."""
    assert isinstance(layer, graph.PRelu)
    positive, negative = derived.slope_factors(g, layer)
    zeros = [derived.zero_point(g, name) for name in layer.inputs]
    zero = derived.zero_point(g, layer.output)
    low, high = derived.bounds(g, layer)
    result = _empty(g, layer)
    operands = np.broadcast_arrays(*inputs)
    for index in np.ndindex(result.shape):
        value, slope = (
            int(operand[index]) - offset
            for operand, offset in zip(operands, zeros, strict=True)
        )
        if value >= 0:
            scaled = fixed_point.scale(value, *positive)
        else:
            scaled = fixed_point.scale(value * slope, *negative)
        result[index] = _clamped(scaled + zero, low, high)
    return result


def softmax(g: graph.Graph, layer: graph.Layer, inputs: Sequence[Array]) -> Array:
    """Softmax of each row in fixed point: reference/softmax.h."""
    assert isinstance(layer, graph.Softmax)
    if g.tensors[layer.inputs[0]].dtype == "int16":
        return _softmax16(g, layer, inputs[0])
    factor, smallest = derived.softmax_parameters(g, layer)
    low, high = derived.type_bounds(g, layer.output)
    result = _empty(g, layer)
    for index in _pixels(result.shape):
        row = inputs[0][index].tolist()
        differences = [value - max(row) for value in row]
        exps = [
            fixed_point.exp_of_negative(fixed_point.scale(difference, *factor))
            if difference >= smallest
            else None
            for difference in differences
        ]
        digits = derived.SOFTMAX_SUM_BITS
        total = sum(fixed_point.rounding_shift_right(e, digits) for e in exps if e)
        headroom = 32 - total.bit_length()
        reciprocal = fixed_point.one_over_one_plus((total << headroom) - 2**31)
        shift = digits - headroom + 31 - g.tensors[layer.output].num_bits
        result[index] = [
            low
            if e is None
            else _clamped(
                fixed_point.rounding_shift_right(
                    fixed_point.doubling_high_multiply(reciprocal, e), shift
                )
                + low,
                low,
                high,
            )
            for e in exps
        ]
    return result


def _softmax16(g: graph.Graph, layer: graph.Softmax, source: Array) -> Array:
    """`SoftmaxInt16`: two tables instead of polynomials."""
    factor = derived.softmax16_factor(g, layer)
    low, high = lookup.INT16_MIN, lookup.INT16_MAX
    result = _empty(g, layer)
    for index in _pixels(result.shape):
        row = source[index].tolist()
        exps = []
        for value in row:
            scaled = fixed_point.scale(value - max(row), *factor)
            argument = _clamped(scaled + high, low, high)
            exps.append(lookup.interpolated(lookup.exp_table(), argument))
        total = sum(exps)
        # One plus the argument of the second table is the sum with 16 bits.
        shift = total.bit_length() - 1
        scaled_sum = ((total << (30 - shift)) + 2**13) >> 14
        argument = _clamped(scaled_sum - 2**16 + low, low, high)
        reciprocal = lookup.interpolated(lookup.reciprocal_table(), argument)
        result[index] = [
            _clamped((e * reciprocal + 2 ** (shift - 1)) >> shift, 0, high)
            for e in exps
        ]
    return result


KERNELS: dict[type[graph.Layer], Kernel] = {
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
    graph.ReduceMax: reduction,
    graph.ReduceMin: reduction,
    graph.ArgMax: position,
    graph.ArgMin: position,
    graph.Concat: concat,
    graph.Split: split,
    graph.Pack: pack,
    graph.Unpack: unpack,
    graph.Pad: pad,
    graph.PadV2: pad_v2,
    graph.MirrorPad: gather,
    graph.Transpose: gather,
    graph.Slice: gather,
    graph.StridedSlice: gather,
    graph.ResizeNearestNeighbor: gather,
    graph.ResizeBilinear: resize_bilinear,
    graph.Reshape: reshape,
    graph.SpaceToDepth: space_to_depth,
    graph.Requantize: requantize,
    graph.Softmax: softmax,
    graph.Activation: activation,
    graph.LeakyRelu: leaky_relu,
    graph.PRelu: prelu,
    **recurrent_kernels.KERNELS,
}
