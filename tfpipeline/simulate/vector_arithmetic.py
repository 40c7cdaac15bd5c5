"""`fixed_point` on whole int64 arrays, in as few passes as its rounding allows.

Most sums are scaled in float64 instead (`scaling_real`), whose multiplications and
conversions processors do several at a time. It gives the same integers:

* What is computed is y = x * (M / 2**d), x the sum with its bias, M the multiplier and
  d the digits that go, then y + c of the roundings' halves, floored and clamped.
* x is an integer below 2**53, M / 2**d one of 31 bits times a power of two: both are
  exact, and so is y as long as |x * M| <= 2**53. It then is a multiple of 2**-d of at
  most 53 bits, as c is, and y + c is exact too.
* Where |x * M| is more, y is rounded, which never crosses 2**(53 - d): its magnitude
  stays at least that. `is_exact` asks that this is four times as far as any bound of
  the output is from 0, so that both are clamped to the same end.
* Sums of 64 bits wrap to 32 behind their scaling; `is_exact` asks that none is as
  large.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from tfpipeline.ir import graph
from tfpipeline.simulate import derived, fixed_point

Array = graph.Array
# Sums that are scaled at once: their float64 stay in a core's cache.
_BLOCK = 2**14
# From sums of products `[..., channels]`, floats or integers, to scaled integers.
Scaling = Callable[[Array], Array]


def scale(values: Array, multiplier: Array | int, shift: Array | int) -> Array:
    """`fixed_point.scale`."""
    shifts = np.asarray(shift, np.int64)
    low_bits = (values << np.maximum(shifts, 0)).astype(np.int32)
    high = low_bits * np.asarray(multiplier, np.int64)
    # Nudging by sign and dividing towards zero is this shift, for it rounds down.
    high += 2**30
    high >>= 31
    return rounding_shift_right(high, np.maximum(-shifts, 0))


def rounding_shift_right(values: Array, exponent: Array | int) -> Array:
    """`fixed_point.rounding_shift_right`."""
    exponents = np.asarray(exponent, np.int64)
    half = (np.int64(1) << exponents) >> 1
    result: Array = values + half
    result -= (values < 0) & (half > 0)
    result >>= exponents
    return result


def wrap(values: Array) -> Array:
    """`fixed_point.wrap` to 32 bits."""
    return values.astype(np.int32).astype(np.int64)


def finished(g: graph.Graph, layer: graph.Layer, values: Array) -> Array:
    """Adds the output's zero point, clamps, and stores in the output's type.

    Args:
        g: the graph.
        layer: whose output is meant.
        values: int64, overwritten.
    """
    values += derived.zero_point(g, layer.output)
    return clipped(g, layer, values)


def clipped(g: graph.Graph, layer: graph.Layer, values: Array) -> Array:
    """Clamps to the output's bounds, in place, and stores in its type."""
    low, high = derived.bounds(g, layer)
    np.clip(values, low, high, out=values)
    result: Array = values.astype(g.tensors[layer.output].dtype, copy=False)
    return result


def requantization(g: graph.Graph, layer: graph.Weighted, largest_sum: int) -> Scaling:
    """Adds the bias to sums of products, scales, adds the zero point and clamps.

    Args:
        g: the graph.
        layer: whose bias and scales are meant.
        largest_sum: bound of the sums' magnitude, for what cannot overflow.

    Returns:
        A function of float or integer arrays `[..., channels]` that hold integers.
    """
    bias = derived.bias_values(g, layer)
    multiplier, shift = np.array(derived.channel_factors(g, layer), np.int64).T
    bound = largest_sum + int(np.abs(bias).max())
    is_wide = derived.has_wide_sums(g, layer)
    low, high = derived.bounds(g, layer)
    zero = derived.zero_point(g, layer.output)
    output = Output(zero, low, high, np.dtype(g.tensors[layer.output].dtype))
    real = in_floats(bias, multiplier, shift, output, bound, is_wide=is_wide)
    if real is not None:
        return real
    if is_wide:
        scaled = scaling_wide(bias, multiplier, shift)
    elif bound << max(0, int(shift.max())) > fixed_point.INT32_MAX:
        scaled = scaling_wrapped(bias, multiplier, shift)
    else:
        scaled = scaling(bias, multiplier, shift, is_clamped=low >= zero)
    return lambda sums: finished(g, layer, scaled(sums))


@dataclasses.dataclass(frozen=True)
class Output:
    """The integers of a layer's output.

    Attributes:
        zero: zero point.
        low: smallest.
        high: largest.
        dtype: type.
    """

    zero: int
    low: int
    high: int
    dtype: "np.dtype[Any]"


def in_floats(
    bias: Array,
    multiplier: Array,
    shift: Array,
    output: Output,
    bound: int,
    *,
    is_wide: bool,
) -> Scaling | None:
    """What is done to sums in float64 and int32; None where that is not exact.

    Args:
        bias: int64, of each channel.
        multiplier: of each channel.
        shift: of each channel.
        output: of the layer.
        bound: of the magnitude of any sum with its bias.
        is_wide: whether `fixed_point.scale_wide` is meant, or `fixed_point.scale`.
    """
    if is_wide:
        reduced = [fixed_point.reduced_multiplier(int(m)) for m in multiplier]
        multiplier, digits = np.array(reduced, np.int64), 15 - shift
        half, step, wraps = np.full(bias.shape, 0.5), None, False
    else:
        digits = 31 + np.maximum(-shift, 0)
        wraps = bound << max(0, int(shift.max())) > fixed_point.INT32_MAX
        multiplier = multiplier << np.maximum(shift, 0)
        # Both halves; the second rounding is away from 0, in vain where what is
        # negative is clamped.
        half = 2.0 ** (30.0 - digits) + np.where(digits > 31, 0.5, 0.0)
        step = np.where(digits > 31, 2.0 ** (31.0 - digits), 0.0)
        if output.low >= output.zero:
            step = None
    reach = max(map(abs, (output.low, output.high, output.zero))) + 1
    pairs = zip(multiplier.tolist(), digits.tolist(), strict=True)
    largest = max(bound * m >> d for m, d in pairs)
    if wraps or output.low > output.high:
        return None
    if not is_exact(bound, largest, int(digits.max()), reach):
        return None
    return scaling_real(bias, multiplier * 2.0**-digits, half, step, output)


def is_exact(bound: int, largest: int, digits: int, reach: int) -> bool:
    """Whether float64, and then int32, give the clamped results of integers; see above.

    Args:
        bound: of the magnitude of any sum with its bias.
        largest: of the magnitude of any scaled sum.
        digits: that go, at most.
        reach: largest magnitude of a bound of the output, or of its zero point.
    """
    fits = bound < 2**53 and largest + 4 * reach < 2**31
    return fits and 4 * reach <= 2 ** max(53 - digits, 0)


def scaling_real(
    bias: Array,
    factor: Array,
    half: Array,
    step: Array | None,
    output: Output,
) -> Scaling:
    """Sums with their bias, scaled, rounded and clamped.

    Args:
        bias: int64, of each channel; added to the sums.
        factor: float64, of each channel.
        half: float64, of each channel; added, so that the floor rounds.
        step: float64, of each channel; taken from what is negative. None where that is
            clamped anyhow.
        output: of the layer.

    Returns:
        A function of sums to results. Sums of floating point are overwritten.
    """
    low, dtype = output.low, output.dtype
    base = output.zero - low
    rows = max(1, _BLOCK // len(bias))
    # As many rows as are computed at once: what is repeated for each takes longer.
    factors, offsets = (np.tile(values, (rows, 1)) for values in (factor, half + base))
    biases = {
        kind: np.tile(bias.astype(kind), (rows, 1)) for kind in (np.float32, np.float64)
    }
    unsigned = np.dtype(f"uint{8 * dtype.itemsize}")
    lowest = unsigned.type(low % 2 ** (8 * dtype.itemsize))

    def block(sums: Array) -> Array:
        count = len(sums)
        sums += biases[sums.dtype.type][:count]
        values = sums.astype(np.float64, copy=False)
        values *= factors[:count]
        values += offsets[:count]
        if step is not None:
            values -= (values < 0.5 + base) * step
        # From the lowest value on: what is left out of a positive fraction is the
        # floor, and all that is negative becomes 0.
        found = values.astype(np.int32)
        np.maximum(found, 0, out=found)
        np.minimum(found, output.high - low, out=found)
        result = found.astype(unsigned)
        result += lowest
        return result.view(dtype)

    def scaled(sums: Array) -> Array:
        if not np.issubdtype(sums.dtype, np.floating):
            sums = sums.astype(np.float64)
        flat = sums.reshape(-1, len(bias))
        result = np.empty(flat.shape, dtype)
        for start in range(0, len(flat), rows):
            result[start : start + rows] = block(flat[start : start + rows])
        return result.reshape(sums.shape)

    return scaled


def scaling(
    bias: Array, multiplier: Array, shift: Array, *, is_clamped: bool
) -> Scaling:
    """`fixed_point.scale` of sums that cannot overflow, both roundings in one shift.

    `((x >> 31) + half) >> n` is `(x + (half << 31)) >> (31 + n)`. The second rounding
    takes 1 from negative values, in vain where they are clamped to 0 afterwards.

    Args:
        bias: of each channel; added to the sums.
        multiplier: of each channel.
        shift: of each channel.
        is_clamped: whether negative results need not be right, only not positive.
    """
    multiplier = multiplier << np.maximum(shift, 0)
    right = np.maximum(-shift, 0)
    half = np.where(right > 0, np.int64(1) << (30 + right), 0)
    one = np.where(right > 0, np.int64(2**31), 0)
    offset = bias * multiplier + 2**30 + half

    def scaled(sums: Array) -> Array:
        values = sums.astype(np.int64)
        values *= multiplier
        values += offset
        if not is_clamped:
            values -= (values < half) * one
        values >>= 31 + right
        return values

    return scaled


def scaling_wrapped(bias: Array, multiplier: Array, shift: Array) -> Scaling:
    """`fixed_point.scale` of sums that may overflow."""
    return lambda sums: scale(sums.astype(np.int64) + bias, multiplier, shift)


def scaling_wide(bias: Array, multiplier: Array, shift: Array) -> Scaling:
    """`fixed_point.scale_wide`."""
    reduced = np.array([fixed_point.reduced_multiplier(int(m)) for m in multiplier])
    digits = 15 - shift
    offset = bias * reduced + (np.int64(1) << (digits - 1))

    def scaled(sums: Array) -> Array:
        values = sums.astype(np.int64)
        values *= reduced
        values += offset
        values >>= digits
        return wrap(values)

    return scaled
