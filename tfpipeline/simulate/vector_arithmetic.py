"""`fixed_point` on whole int64 arrays, in as few passes as its rounding allows."""

from collections.abc import Callable

import numpy as np

from tfpipeline.ir import graph
from tfpipeline.simulate import derived, fixed_point

Array = graph.Array
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
    if derived.has_wide_sums(g, layer):
        scaled = scaling_wide(bias, multiplier, shift)
    elif bound << max(0, int(shift.max())) > fixed_point.INT32_MAX:
        scaled = scaling_wrapped(bias, multiplier, shift)
    else:
        smallest, _ = derived.bounds(g, layer)
        is_clamped = smallest >= derived.zero_point(g, layer.output)
        scaled = scaling(bias, multiplier, shift, is_clamped=is_clamped)
    return lambda sums: finished(g, layer, scaled(sums))


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
