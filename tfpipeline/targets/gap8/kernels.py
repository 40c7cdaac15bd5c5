"""Readable kernels, the specification: what the chip's library computes, bit for bit.

Two libraries' rules for a convolution, told apart by `precision`:

* SINGLE: the kernels of 2019 keep 16 bits (or 8) between input channels. The output
  begins as the bias; each input channel adds to it in an accumulator of 32 bits,
      acc = (out << norm) + sum of products
  and rounds, shifts and saturates it back at once: out = clip((acc + half) >> norm).
  So it saturates after every input channel; and where norm is 16 or more the
  accumulator wraps before anything could saturate.
* DOUBLE: the kernels that NNTool calls keep 32 bits throughout,
      acc = (bias << bias_norm) + sum of all products
  and round, shift and clip once.

The accumulator wraps in both. All other layers have one rule. Data are int16 or int8
`[N, channels, rows, columns]`; `vector_kernels` compute the same on whole batches.

Source: the C kernels of gap_sdk release-v3.1 (tools/autotiler_v3/generators/CNN), in
the build that rounds.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from tfpipeline import errors
from tfpipeline.ir import graph
from tfpipeline.targets.gap8 import fixed_point, program

Array = graph.Array

SINGLE = "single_precision"
DOUBLE = "double_precision"
PRECISIONS = (SINGLE, DOUBLE)


def execute(layer: program.Layer, inputs: Sequence[Array], precision: str) -> Array:
    """The output of any layer."""
    if isinstance(layer, program.Conv):
        return convolved(layer, inputs[0], precision)
    if isinstance(layer, program.Linear):
        return multiplied(layer, inputs[0])
    if isinstance(layer, program.MaxPool):
        return rectified(largest(layer.window, inputs[0]), layer.relu)
    if isinstance(layer, program.AvgPool):
        return averaged(layer, inputs[0])
    if isinstance(layer, program.Concat):
        shifted = zip(inputs, layer.norms, strict=True)
        return np.concatenate([aligned(*each) for each in shifted], axis=1)
    if isinstance(layer, program.Add):
        return added(layer, inputs)
    raise errors.GraphError(f"{layer.kind} '{layer.name}' has no kernel")


def convolved(layer: program.Conv, data: Array, precision: str) -> Array:
    """Convolution by the rule of `precision`, then ReLU, then the max pool."""
    rule = _single if precision == SINGLE else _double
    size = layer.conv_plane((data.shape[2], data.shape[3]))
    result = np.empty((len(data), len(layer.weights), *size), data.dtype)
    for image, out in np.ndindex(*result.shape[:2]):
        result[image, out] = rule(layer, _padded(data[image], layer.padding), out, size)
    result = rectified(result, layer.relu)
    return result if layer.pool is None else largest(layer.pool, result)


def _single(layer: program.Conv, source: Array, out: int, size: program.Pair) -> Array:
    num_bits, norm = width(layer), layer.format.norm
    half = (1 << norm) >> 1
    result = np.full(size, layer.bias[out], np.int64)
    for products in _products(layer, source, out, size):
        accumulator = fixed_point.wrap((result << norm) + products + half)
        result = fixed_point.saturate(accumulator >> norm, num_bits).astype(np.int64)
    return result


def _double(layer: program.Conv, source: Array, out: int, size: program.Pair) -> Array:
    accumulator = np.full(size, int(layer.bias[out]) << layer.format.bias_norm)
    for products in _products(layer, source, out, size):
        accumulator += products
    return _settled(layer, accumulator)


def multiplied(layer: program.Linear, data: Array) -> Array:
    """The matrix product, which is of double precision always; `[N, n, 1, 1]`."""
    values = data.reshape(len(data), -1).astype(np.int64)
    result = np.empty((len(data), len(layer.weights), 1, 1), data.dtype)
    for image, out in np.ndindex(*result.shape[:2]):
        products = (layer.weights[out].astype(np.int64) * values[image]).sum()
        bias = int(layer.bias[out]) << layer.format.bias_norm
        result[image, out] = _settled(layer, np.array(bias + products))
    return rectified(result, layer.relu)


def _settled(layer: program.Weighted, accumulator: Array) -> Array:
    """A finished accumulator of 32 bits, rounded, shifted and saturated."""
    norm = layer.format.norm
    rounded = fixed_point.wrap(accumulator + ((1 << norm) >> 1)) >> norm
    return fixed_point.saturate(rounded, width(layer))


def _products(
    layer: program.Conv, source: Array, out: int, size: program.Pair
) -> Iterator[Array]:
    """For each input channel of an output channel, its sums of products, int64."""
    outputs, channels = layer.weights.shape[:2]
    first = out // (outputs // layer.groups) * channels
    for channel in range(channels):
        sums = np.zeros(size, np.int64)
        for row, column in np.ndindex(*layer.kernel_size):
            taps = source[first + channel, *_steps(layer, (row, column), size)]
            sums += int(layer.weights[out, channel, row, column]) * taps
        yield sums


def _steps(
    layer: program.Conv, tap: program.Pair, size: program.Pair
) -> tuple[slice, slice]:
    """Rows and columns of the padded input that a tap of the kernel meets."""
    rows, columns = (
        slice(
            tap[axis] * layer.dilation[axis],
            tap[axis] * layer.dilation[axis]
            + (size[axis] - 1) * layer.strides[axis]
            + 1,
            layer.strides[axis],
        )
        for axis in (0, 1)
    )
    return rows, columns


def _padded(image: Array, padding: program.Padding) -> Array:
    return np.pad(image.astype(np.int64), ((0, 0), *padding))


def largest(window: program.Window, data: Array) -> Array:
    """Largest value of each window, over the part that lies inside the plane."""
    size = window.plane((data.shape[2], data.shape[3]))
    result = np.empty((*data.shape[:2], *size), data.dtype)
    for row, column in np.ndindex(*size):
        part = data[:, :, *_under(window, (row, column))]
        result[:, :, row, column] = part.max(axis=(2, 3))
    return result


def averaged(layer: program.AvgPool, data: Array) -> Array:
    """Sums of the windows times a factor; zeros where a window leaves the plane."""
    window = layer.window
    size = window.plane((data.shape[2], data.shape[3]))
    half = (1 << layer.shift) >> 1 if layer.rounds else 0
    result = np.empty((*data.shape[:2], *size), data.dtype)
    for row, column in np.ndindex(*size):
        part = data[:, :, *_under(window, (row, column))]
        sums = part.sum(axis=(2, 3), dtype=np.int64) * layer.factor
        means = fixed_point.wrap(sums + half) >> layer.shift
        result[:, :, row, column] = fixed_point.saturate(means, _bits(data))
    return rectified(result, layer.relu)


def average_factor(num_bits: int, window: program.Window) -> tuple[int, int, bool]:
    """What the library's average pool multiplies by, shifts by, and if it rounds.

    The reciprocal of the area has 16 fraction bits for 16-bit data, and only 8 for
    8-bit data: 7x7 then has the gain 49 * 5 / 256 = 0.957. 2x2 windows of stride 2
    are shifted without rounding.
    """
    if window.kernel_size == window.strides == (2, 2):
        return 1, 2, False
    return (1 << num_bits) // window.area, num_bits, True


def _under(window: program.Window, at: program.Pair) -> tuple[slice, slice]:
    """Rows and columns of a plane under the window at a position."""
    rows, columns = (
        slice(max(start, 0), start + window.kernel_size[axis])
        for axis, start in enumerate(
            at[axis] * window.strides[axis] - window.padding[axis][0] for axis in (0, 1)
        )
    )
    return rows, columns


def added(layer: program.Add, inputs: Sequence[Array]) -> Array:
    """The sum of both inputs at the output's fraction bits, saturated; ReLU."""
    shifted = zip(inputs, layer.norms, strict=True)
    first, second = (fixed_point.round_shift(*each) for each in shifted)
    total = fixed_point.saturate(first + second, _bits(inputs[0]))
    return rectified(total, layer.relu)


def aligned(data: Array, norm: int) -> Array:
    """Data with `norm` fraction bits less."""
    return fixed_point.saturate(fixed_point.round_shift(data, norm), _bits(data))


def rectified(data: Array, relu: bool) -> Array:
    """The data, without what is negative if `relu`."""
    return np.maximum(data, data.dtype.type(0)) if relu else data


def width(layer: program.Weighted) -> int:
    """Bits of the layer's data, which are as wide as its weights."""
    return _bits(layer.weights)


def _bits(data: Array) -> int:
    return 8 * data.dtype.itemsize
