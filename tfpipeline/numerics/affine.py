"""Real numbers as integers: `real = scale * (integer - zero_point)`.

The rules are those of TensorFlow's converter for fake quantizers (TensorFlow 2.21,
compiler/mlir/quantization/common). Scales are computed in float64 and rounded to
float32 when all integers are. It counts int8 from 0 to 255 and takes 128 off at last,
so of two integers at the same distance zero points and kernels get the larger one;
biases get the one away from zero.

Ranges seen on images follow the same rules here. `layer_weights` has those of kernels
without fake quantizers.
"""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from tfpipeline.ir import graph
from tfpipeline.numerics import rounding

Array = graph.Array

# Sums of 64 bits must lie within -2**47 and 2**47 - 1: what
# MultiplyByQuantizedMultiplier(int64_t, ...) asserts, TensorFlow Lite Micro's
# tensorflow/lite/kernels/internal/common.cc.
MAX_WIDE_SUM = 2**47

# Bits of activations -> type of biases and sums, and the first integer beyond them.
_BIASES = {8: ("int32", 2**31), 16: ("int64", MAX_WIDE_SUM)}

# The ends of a range that is widened: kSmallestHalfRange of quantization_utils.cc.
_SMALLEST_END = 0.5e-6

# (function, type) -> scale and zero point of the result, which TensorFlow Lite's
# specification of these operators fixes.
FIXED_OUTPUTS = {
    ("sigmoid", "int8"): (1 / 256, -128),
    ("sigmoid", "int16"): (1 / 32768, 0),
    ("softmax", "int8"): (1 / 256, -128),
    ("softmax", "int16"): (1 / 32768, 0),
    ("tanh", "int8"): (1 / 128, 0),
    ("tanh", "int16"): (1 / 32768, 0),
}
# Powers of two that the scale of an LSTM's cell may be: the hyperbolic tangent of its
# integers is 3 * 2**(power + 12) of them, which with 16 bits must be an int32, and no
# less than one: CalculateTanh of TensorFlow Lite Micro's lstm_eval.cc.
CELL_POWERS = (-27, 1)

# Of a softmax that reads int8 and writes int16.
WIDENED_SOFTMAX = (1 / 65536, -32768)


@dataclasses.dataclass(frozen=True)
class Affine:
    """Scales and zero points as they are computed with, before they are stored.

    Attributes:
        scale: in float64; one, or one a channel.
        zero_point: as many.
    """

    scale: tuple[float, ...]
    zero_point: tuple[int, ...]

    def repeated(self, times: int) -> "Affine":
        """The channels `times` times one after another."""
        return Affine(self.scale * times, self.zero_point * times)

    def stored(self, num_bits: int, axis: int | None) -> graph.QuantParams:
        """With float32 scales, along `axis` where there are several."""
        return graph.QuantParams(
            scale=tuple(float(np.float32(scale)) for scale in self.scale),
            zero_point=self.zero_point,
            num_bits=num_bits,
            axis=axis if len(self.scale) > 1 else None,
        )


def limits(num_bits: int, narrow: bool = False) -> tuple[int, int]:
    """The smallest and the largest integer; a `narrow` range has no smallest."""
    largest = 2 ** (num_bits - 1) - 1
    return -largest if narrow else -largest - 1, largest


def of_ranges(
    minimum: Sequence[float],
    maximum: Sequence[float],
    num_bits: int,
    narrow: bool = False,
) -> Affine:
    """Scale and zero point of each range: fakeQuantAttrsToType, FakeQuantSupport.cc.

    A range that does not hold zero keeps its width and is moved to it. One of at most
    1e-6 is widened to hold 0.5e-6 on both sides (ExpandVerySmallRange of
    quantization_utils.cc), so a tensor of zeros has a tiny scale and not none. More
    than 8 bits are not widened, nor are they by the converter's int16x8; but that gives
    zeros the scale 3.6e-43, and what is rescaled to it a shift that TensorFlow Lite
    Micro cannot compute (`shift < 8`, common.cc). Here zeros have the scale 1.

    Args:
        minimum: of each range.
        maximum: of each range, not below its minimum.
        num_bits: of the integers.
        narrow: leaves out the smallest integer.
    """
    pairs = [
        _nudged(low, high, num_bits, narrow)
        for low, high in zip(minimum, maximum, strict=True)
    ]
    scales, zero_points = zip(*pairs, strict=True)
    return Affine(scales, zero_points)


def of_observed(low: float, high: float, num_bits: int) -> graph.QuantParams:
    """Of an activation that was seen from `low` to `high`, and of zero always.

    8 bits use the whole range and a zero point, 16 bits are symmetric without
    -32768: TensorFlow Lite's specifications of int8 and of int16 activations.
    """
    low, high = min(low, 0.0), max(high, 0.0)
    if num_bits <= 8:
        return of_ranges((low,), (high,), num_bits).stored(num_bits, None)
    most = max(-low, high)
    return of_ranges((-most,), (most,), num_bits, narrow=True).stored(num_bits, None)


def of_cell(low: float, high: float) -> graph.QuantParams:
    """Of an LSTM's cell that was seen from `low` to `high`: int16 on a power of two.

    The next power of two above the magnitude is 2**15 steps: the converter's
    `power_of_two_scale` of PrepareQuantizeHelper.h (PowerOfTwoBound).
    """
    least, most = CELL_POWERS
    magnitude = max(-low, high)
    power = math.ceil(math.log2(magnitude)) - 15 if magnitude > 0 else least
    return graph.QuantParams((2.0 ** min(max(power, least), most),), (0,), 16)


def powers_of_two(scales: Sequence[float]) -> tuple[float, ...]:
    """The next powers of two at or above positive scales, exact in float32.

    Meant for symmetric integers, such as those of 16 bits: none saturates, and zero
    stays where it is.
    """
    return tuple(math.ldexp(1.0, math.ceil(math.log2(each))) for each in scales)


def kernel_integers(
    values: Array, quant: Affine, num_bits: int, axis: int, narrow: bool
) -> Array:
    """A kernel with fake quantizers as int8.

    The zero point is added before rounding, and both as unsigned integers:
    quantizeF32ToInt8 of the converter's UniformSupport.h.

    Args:
        values: real numbers.
        quant: one scale, or one a slice of `axis`.
        num_bits: 2 to 8.
        axis: of the channels.
        narrow: leaves out the smallest integer.
    """
    unsigned = 2 ** (num_bits - 1)
    zero_points = along(quant.zero_point, axis, values.ndim) + unsigned
    steps = values / along(quant.scale, axis, values.ndim) + zero_points
    signed = rounding.half_away(steps) - unsigned
    integers: Array = np.clip(signed, *limits(num_bits, narrow)).astype(np.int8)
    return integers


def along(values: Sequence[float], axis: int | None, ndim: int) -> Array:
    """One value, or one a slice of `axis`, to broadcast over an array of `ndim`."""
    shape = [1] * ndim
    if axis is not None:
        shape[axis] = len(values)
    return np.array(values, np.float64).reshape(shape)


def bias_type(activation_bits: int) -> str:
    """Of biases and sums beside activations of 8 or 16 bits."""
    return _BIASES[activation_bits][0]


def bias_room(activation_bits: int) -> int:
    """The largest bias that leaves the sum it is added to as much again."""
    return _BIASES[activation_bits][1] // 2


def sum_end(dtype: str) -> int:
    """The first integer beyond sums and biases of a type: they end one before it."""
    return next(end for name, end in _BIASES.values() if name == dtype)


def of_sums(source: float, kernel: Sequence[float]) -> Affine:
    """Of sums and biases: the scale of the input times those of the kernel."""
    return Affine(tuple(source * scale for scale in kernel), (0,) * len(kernel))


def bias_integers(
    values: Array, source: float, kernel: Sequence[float], activation_bits: int
) -> tuple[Array, graph.QuantParams]:
    """A bias on the scale of the sums, cut off at what sums may hold.

    Args:
        values: real numbers, the channels last.
        source: scale of the layer's input.
        kernel: scales of its kernel, one or one a channel.
        activation_bits: 8 for int32, 16 for int64.
    """
    dtype, limit = _BIASES[activation_bits]
    sums = of_sums(source, kernel)
    steps = rounding.half_away(values / np.array(sums.scale, np.float64))
    integers: Array = np.clip(steps, -limit, limit - 1).astype(dtype)
    return integers, sums.stored(np.iinfo(dtype).bits, values.ndim - 1)


def quantized(values: Array, quant: graph.QuantParams, dtype: str) -> Array:
    """Activations as integers of one scale, in the values' own precision."""
    steps = rounding.half_away(values / quant.scale[0])
    return _within(steps + quant.zero_point[0], dtype)


def quantized_float32(
    values: Array, scale: float, zero_point: int, dtype: str
) -> Array:
    """As TensorFlow Lite's QUANTIZE computes it: in float32.

    AffineQuantize, tensorflow/lite/kernels/internal/reference/quantize.h.
    """
    steps = rounding.half_away(values.astype(np.float32) / np.float32(scale))
    return _within(steps + np.float32(zero_point), dtype)


def dequantized(values: Array, quant: graph.QuantParams) -> Array:
    """Integers as float64, `scale * (integer - zero_point)`."""
    scale, zero_point = (
        along(each, quant.axis, values.ndim) for each in (quant.scale, quant.zero_point)
    )
    real: Array = (values.astype(np.float64) - zero_point) * scale
    return real


def _within(steps: Array, dtype: str) -> Array:
    ends = np.iinfo(dtype)
    integers: Array = np.clip(steps, ends.min, ends.max).astype(dtype)
    return integers


def _nudged(low: float, high: float, num_bits: int, narrow: bool) -> tuple[float, int]:
    """Scale and zero point: getNudgedScaleAndZeroPoint of FakeQuantSupport.cc."""
    if num_bits <= 8 and high - low <= 2 * _SMALLEST_END:
        low, high = min(low, -_SMALLEST_END), max(high, _SMALLEST_END)
    elif high == low:
        return 1.0, 0
    unsigned = 2 ** (num_bits - 1)
    smallest, largest = (end + unsigned for end in limits(num_bits, narrow))
    scale = (high - low) / (largest - smallest)
    # From the end where the division errs less.
    is_low = smallest + abs(low / scale) < largest + abs(high / scale)
    zero_point = smallest - low / scale if is_low else largest - high / scale
    zero_point = min(max(zero_point, smallest), largest)
    return scale, rounding.half_away_integer(zero_point) - unsigned
