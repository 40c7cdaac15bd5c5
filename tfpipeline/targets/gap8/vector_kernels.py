"""The readable kernels on whole batches at once; equal to them bit for bit.

Data are `[channels, N, rows, columns]` here, so that a convolution is one matrix
product over the pixels of all images, and its result again such data.

Products run in floating point, whose sums are exact as long as all of them, in whatever
order they are added up, are integers that the type's significand holds: at most 2**24
in float32 and 2**53 in float64. `exact_float` proves it from the layer's own weights:
no partial sum exceeds sum(|w|) * 2**(num_bits - 1) + |bias| * 2**bias_norm + half. The
factor 2**-norm, which is in the weights, changes exponents only. So what comes out of
the matrix product is the accumulator with its half, divided by 2**norm without any
rounding; the floor of it is the shift.
"""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from tfpipeline import errors
from tfpipeline.ir import graph
from tfpipeline.targets.gap8 import fixed_point, kernels, program

Array = graph.Array

# Pixels under kernels of as many images as are unfolded at once.
MATRIX_BYTES = 2**23
# Sums at once: small enough for a core's cache.
BLOCK_BYTES = 2**19


def execute(layer: program.Layer, inputs: Sequence[Array], precision: str) -> Array:
    """The output of any layer, as `kernels.execute` but for the order of the axes."""
    if isinstance(layer, program.Conv):
        return convolved(layer, inputs[0], precision)
    if isinstance(layer, program.Linear):
        return _multiplied(layer, inputs[0])
    if isinstance(layer, program.MaxPool):
        return kernels.rectified(_largest(layer.window, inputs[0]), layer.relu)
    if isinstance(layer, program.AvgPool):
        return _averaged(layer, inputs[0])
    if isinstance(layer, program.Concat):
        shifted = zip(inputs, layer.norms, strict=True)
        return np.concatenate(
            [kernels.aligned(*each) if each[1] else each[0] for each in shifted]
        )
    if isinstance(layer, program.Add):
        return kernels.added(layer, inputs)
    raise errors.GraphError(f"{layer.kind} '{layer.name}' has no kernel")


def convolved(layer: program.Conv, data: Array, precision: str) -> Array:
    """Convolution by the rule of `precision`, then ReLU, then the max pool."""
    inputs = layer.weights.shape[1]
    if layer.groups > 1 and inputs == 1:
        # One input channel an output channel: the bias is added to the only sum.
        result = _depthwise(layer, data, precision)
    else:
        rule = _single if precision == kernels.SINGLE else _double
        result = _grouped(layer, data, rule)
    if layer.pool is not None:
        result = _largest(layer.pool, result)
    return kernels.rectified(result, layer.relu)


_Rule = Callable[[program.Conv, Array, Array, Array], Array]


def _grouped(layer: program.Conv, data: Array, rule: _Rule) -> Array:
    """The convolution, a group and as many images at a time as fit the memory."""
    plane = layer.conv_plane((data.shape[2], data.shape[3]))
    outputs, inputs, *taps = layer.weights.shape
    pixels = plane[0] * plane[1]
    images = max(1, MATRIX_BYTES // (8 * inputs * taps[0] * taps[1] * pixels))
    result = np.empty((outputs, data.shape[1], *plane), data.dtype)
    rows = outputs // layer.groups
    for group in range(layer.groups):
        own = slice(group * rows, (group + 1) * rows)
        source = data[group * inputs : (group + 1) * inputs]
        weights, bias = layer.weights[own], layer.bias[own]
        for start in range(0, data.shape[1], images):
            part = rule(layer, weights, bias, source[:, start : start + images])
            result[own, start : start + images] = part.reshape(rows, -1, *plane)
    return result


def exact_float(largest_sum: int) -> npt.DTypeLike:
    """The faster type of float32 and float64 that holds integers of this magnitude.

    Raises:
        GraphError: neither does. (Only kernels of more than 2**22 values of 16 bits.)
    """
    if largest_sum > 2**53:
        raise errors.GraphError(f"sums reach {largest_sum}, beyond 2**53")
    return np.float32 if largest_sum <= 2**24 else np.float64


def largest_sum(layer: program.Weighted) -> int:
    """Bound of the magnitude of every sum of a layer, partial ones included."""
    magnitudes = np.abs(layer.weights.astype(np.int64))
    sums = magnitudes.reshape(len(magnitudes), -1).sum(axis=1)
    sums = sums << (kernels.width(layer) - 1)
    bias = np.abs(layer.bias.astype(np.int64)) << layer.format.bias_norm
    return int((sums + bias).max()) + _half(layer)


def _double(layer: program.Conv, weights: Array, bias: Array, data: Array) -> Array:
    dtype = exact_float(largest_sum(layer))
    columns = _unfolded(layer, data, dtype)
    taps = columns.shape[0] * columns.shape[1]
    return _settled(layer, weights, bias, columns.reshape(taps, -1))


def _settled(
    layer: program.Weighted, weights: Array, bias: Array, columns: Array
) -> Array:
    """Products with all columns `[taps, pixels]`, with bias, shifted and saturated."""
    bound = largest_sum(layer)
    dtype, norm = exact_float(bound), layer.format.norm
    scale = 2.0**-norm
    matrix = weights.reshape(len(weights), -1).astype(dtype) * scale
    offset = (bias.astype(np.int64) << layer.format.bias_norm) + _half(layer)
    offsets = (offset * scale).astype(dtype)[:, None]
    result = np.empty((len(weights), columns.shape[1]), layer.weights.dtype)
    size = max(1, BLOCK_BYTES // (8 * len(weights)))
    for start in range(0, columns.shape[1], size):
        sums = matrix @ columns[:, start : start + size]
        sums += offsets
        result[:, start : start + size] = _saturated(layer, sums, bound)
    return result


def _saturated(layer: program.Weighted, sums: Array, bound: int) -> Array:
    """Accumulators that are divided by 2**norm already, floored, wrapped, clipped."""
    np.floor(sums, out=sums)
    if bound >= 2**31:
        _wrap(sums, 32 - layer.format.norm)
    low, high = fixed_point.value_range(kernels.width(layer))
    np.clip(sums, low, high, out=sums)
    return sums.astype(layer.weights.dtype)


def _wrap(values: Array, num_bits: int) -> None:
    """Integers in floating point, as a register holds them, in place."""
    half = 2 ** (num_bits - 1)
    if values.max() >= half or values.min() < -half:
        values[:] = fixed_point.wrap(values, num_bits)


def _single(layer: program.Conv, weights: Array, bias: Array, data: Array) -> Array:
    """Channel after channel, each rounded, on blocks of pixels."""
    bits, norm = kernels.width(layer), layer.format.norm
    # What a channel's sum can be: its weights times its largest value, and the half.
    magnitudes = np.abs(weights.astype(np.int64)).sum(axis=(2, 3)).max(axis=0)
    values = np.maximum(
        data.max(axis=(1, 2, 3)).astype(np.int64),
        -data.min(axis=(1, 2, 3)).astype(np.int64),
    )
    bounds = magnitudes * values + _half(layer)
    # An accumulator that has no bits beyond the data's wraps and never saturates: then
    # only the total counts.
    wraps_only = 32 - norm <= bits
    total = int(bounds.sum()) + (1 << (norm + bits)) if wraps_only else 0
    dtype = exact_float(max(int(bounds.max()) + (1 << bits), total))
    may_wrap = (bounds >> norm) + 1 + (1 << (bits - 1)) >= 1 << (31 - norm)
    columns = _unfolded(layer, data, dtype, ones=True)
    scaled = _with_half(layer, weights, dtype)
    result = np.empty((len(weights), columns.shape[-1]), data.dtype)
    size = max(1, BLOCK_BYTES // (8 * len(weights)))
    low, high = fixed_point.value_range(bits)
    for start in range(0, columns.shape[-1], size):
        part = columns[:, :, start : start + size]
        sums = np.empty((len(weights), part.shape[-1]), dtype)
        sums[:] = bias[:, None]
        steps = np.empty_like(sums)
        for channel, matrix in enumerate(scaled):
            np.matmul(matrix, part[channel], out=steps)
            np.floor(steps, out=steps)
            sums += steps
            if not wraps_only:
                if may_wrap[channel]:
                    _wrap(sums, 32 - norm)
                np.clip(sums, low, high, out=sums)
        if wraps_only:
            _wrap(sums, 32 - norm)
        result[:, start : start + size] = sums
    return result


def _with_half(layer: program.Conv, weights: Array, dtype: npt.DTypeLike) -> Array:
    """A matrix for each input channel, of its taps and the half, over 2**norm."""
    outputs, inputs = weights.shape[:2]
    taps = weights.reshape(outputs, inputs, -1).transpose(1, 0, 2)
    half = np.full((inputs, outputs, 1), _half(layer))
    scaled: Array = np.concatenate([taps, half], axis=2) * 2.0**-layer.format.norm
    return scaled.astype(dtype)


def _half(layer: program.Weighted) -> int:
    return (1 << layer.format.norm) >> 1


def _unfolded(
    layer: program.Conv, data: Array, dtype: npt.DTypeLike, *, ones: bool = False
) -> Array:
    """What the kernel's taps meet, `[channels, taps, pixels]`; ones as one tap more."""
    channels, images = data.shape[:2]
    plane = layer.conv_plane((data.shape[2], data.shape[3]))
    taps = layer.kernel_size[0] * layer.kernel_size[1]
    result = np.empty((channels, taps + ones, images * plane[0] * plane[1]), dtype)
    source = _padded(data, layer.padding, 0)
    for index, tap in enumerate(np.ndindex(*layer.kernel_size)):
        starts = [at * rate for at, rate in zip(tap, layer.dilation, strict=True)]
        view = source[:, :, *_steps(starts, plane, layer.strides)]
        result[:, index].reshape(channels, images, *plane)[:] = view
    if ones:
        result[:, -1] = 1
    return result


def _steps(
    starts: Sequence[int], plane: program.Pair, strides: program.Pair
) -> tuple[slice, slice]:
    rows, columns = (
        slice(start, start + (count - 1) * stride + 1, stride)
        for start, count, stride in zip(starts, plane, strides, strict=True)
    )
    return rows, columns


def _padded(data: Array, padding: program.Padding, value: int) -> Array:
    if padding == program.NO_PADDING:
        return data
    return np.pad(data, ((0, 0), (0, 0), *padding), constant_values=value)


def _depthwise(layer: program.Conv, data: Array, precision: str) -> Array:
    """One input channel an output channel; a tap at a time on all pixels."""
    outputs = len(layer.weights)
    plane = layer.conv_plane((data.shape[2], data.shape[3]))
    source = np.repeat(data, outputs // len(data), axis=0)
    source = _padded(source, layer.padding, 0)
    form = layer.format
    places = form.norm if precision == kernels.SINGLE else form.bias_norm
    sums = np.empty((outputs, data.shape[1], *plane), np.int64)
    sums[:] = ((layer.bias.astype(np.int64) << places) + _half(layer)).reshape(
        -1, 1, 1, 1
    )
    for tap in np.ndindex(*layer.kernel_size):
        starts = [at * rate for at, rate in zip(tap, layer.dilation, strict=True)]
        view = source[:, :, *_steps(starts, plane, layer.strides)]
        weights = layer.weights[:, 0, *tap].astype(np.int64)
        sums += weights.reshape(-1, 1, 1, 1) * view
    return fixed_point.saturate(
        fixed_point.wrap(sums) >> form.norm, kernels.width(layer)
    )


def _multiplied(layer: program.Linear, data: Array) -> Array:
    dtype = exact_float(largest_sum(layer))
    columns = np.moveaxis(data, 1, -1).reshape(-1, data.shape[1]).astype(dtype)
    result = _settled(layer, layer.weights, layer.bias, columns)
    return kernels.rectified(result.reshape(*result.shape, 1, 1), layer.relu)


def _largest(window: program.Window, data: Array) -> Array:
    """Rows first, whose values lie beside each other, then columns."""
    plane = window.plane((data.shape[2], data.shape[3]))
    lowest = int(np.iinfo(data.dtype).min)
    source = _padded(data, window.padding, lowest)
    for axis in (0, 1):
        first, last = window.strides[axis], window.kernel_size[axis]
        reach = (plane[axis] - 1) * first + 1
        taps = [slice(tap, tap + reach, first) for tap in range(last)]
        parts = [source[:, :, t] if axis == 0 else source[..., t] for t in taps]
        source = parts[0].copy()
        for part in parts[1:]:
            np.maximum(source, part, out=source)
    return source


def _averaged(layer: program.AvgPool, data: Array) -> Array:
    window = layer.window
    plane = window.plane((data.shape[2], data.shape[3]))
    source = _padded(data, window.padding, 0)
    if plane == (1, 1):
        sums = source[:, :, : window.kernel_size[0], : window.kernel_size[1]].sum(
            axis=(2, 3), dtype=np.int64, keepdims=True
        )
    else:
        sums = np.zeros((*data.shape[:2], *plane), np.int64)
        for tap in np.ndindex(*window.kernel_size):
            sums += source[:, :, *_steps(tap, plane, window.strides)]
    half = (1 << layer.shift) >> 1 if layer.rounds else 0
    means = fixed_point.wrap(sums * layer.factor + half) >> layer.shift
    return kernels.rectified(
        fixed_point.saturate(means, 8 * data.dtype.itemsize), layer.relu
    )
