"""Fixed-point arithmetic of TFLite on plain integers: the specification.

Sources: tensorflow/lite/kernels/internal/quantization_util.cc, common.cc and common.h;
gemmlowp fixedpoint/fixedpoint.h. Values are int32 there, unless said otherwise;
Python's integers cannot overflow, so saturation is written out where the source has it.
"""

import math

from tfpipeline.numerics import rounding

INT32_MIN = -(2**31)
INT32_MAX = 2**31 - 1
# MultiplyByQuantizedMultiplier of common.cc: sums of 32 bits are multiplied by
# `1 << shift`, an int; for those of 64 bits it asserts `shift < 8`.
MAX_SHIFT = 30
MAX_WIDE_SHIFT = 7


def quantize_multiplier(real: float) -> tuple[int, int]:
    """`real` as `multiplier * 2**(shift - 31)` with a multiplier of 31 bits.

    Args:
        real: not negative; computed in double precision.

    Returns:
        multiplier and shift; (0, 0) for what is below 2**-32. Shifts of more than
        `MAX_SHIFT` are for `support` to refuse: no kernel computes with them.
    """
    fraction, shift = math.frexp(real)
    multiplier = rounding.half_away_integer(fraction * 2**31)
    if multiplier == 2**31:
        multiplier //= 2
        shift += 1
    if multiplier == 0 or shift < -31:
        return 0, 0
    return multiplier, shift


def saturate(value: int) -> int:
    """The nearest int32."""
    return min(max(value, INT32_MIN), INT32_MAX)


def wrap(value: int, bits: int = 32) -> int:
    """The integer of the same low `bits`, which a processor leaves on overflow."""
    half = 1 << (bits - 1)
    return (value + half) % (2 * half) - half


def doubling_high_multiply(a: int, b: int, bits: int = 32) -> int:
    """High half of `2 * a * b` for operands of `bits`, rounded to nearest."""
    unit, half = 1 << (bits - 1), 1 << (bits - 2)
    if a == b == -unit:
        return unit - 1
    product = a * b
    nudged = product + (half if product >= 0 else 1 - half)
    return divide_towards_zero(nudged, unit)


def divide_towards_zero(value: int, divisor: int) -> int:
    """C's division."""
    return value // divisor if value >= 0 else -(-value // divisor)


def rounding_shift_right(value: int, exponent: int) -> int:
    """`value / 2**exponent`, rounded to nearest, halves away from zero."""
    mask = 2**exponent - 1
    threshold = (mask >> 1) + (1 if value < 0 else 0)
    return (value >> exponent) + (1 if value & mask > threshold else 0)


def scale(value: int, multiplier: int, shift: int) -> int:
    """`value * multiplier * 2**(shift - 31)`, rounded twice as gemmlowp does.

    The kernels of TFLite Micro with sums of 32 bits compute every result this way.
    """
    shifted = wrap(value * 2 ** max(shift, 0))
    product = doubling_high_multiply(shifted, multiplier)
    return rounding_shift_right(product, max(-shift, 0))


def scale_wide(value: int, multiplier: int, shift: int) -> int:
    """`value * multiplier * 2**(shift - 31)` of a 64-bit sum, rounded once.

    The multiplier is reduced to 16 bits first. The kernels of TFLite Micro with int16
    activations and int64 biases compute every result this way.
    """
    digits = 15 - shift
    product = value * reduced_multiplier(multiplier)
    return wrap((product + 2 ** (digits - 1)) >> digits)


def reduced_multiplier(multiplier: int) -> int:
    """The 15 high bits of a multiplier of 31, rounded; below 2**15."""
    return min((multiplier + 2**15) >> 16, 2**15 - 1)


def exp_of_negative(value: int, integer_bits: int = 5) -> int:
    """`exp` of a value of `integer_bits`, 4 or 5, at most 0; the result in Q0.31."""
    if value == 0:
        return INT32_MAX
    quarter_bit = 29 - integer_bits
    quarter = 2**quarter_bit
    below = (value & (quarter - 1)) - quarter
    result = _exp_on_quarter(saturate(below * 2**integer_bits))
    remainder = below - value
    # exp(-2**(i - 2)) in Q0.31, for the bits from one quarter up.
    for bit, factor in enumerate(
        (1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242),
        quarter_bit,
    ):
        if remainder & 2**bit:
            result = doubling_high_multiply(result, factor)
    return result


def _exp_on_quarter(value: int) -> int:
    """`exp` on [-1/4, 0) in Q0.31: a polynomial of fourth degree around -1/8."""
    multiply = doubling_high_multiply
    x = value + 2**28
    x2 = multiply(x, x)
    x3 = multiply(x2, x)
    x4 = multiply(x2, x2)
    third = 715827883
    inner = multiply(rounding_shift_right(x4, 2) + x3, third) + x2
    tail = rounding_shift_right(inner, 1)
    at_eighth = 1895147668  # exp(-1/8)
    return at_eighth + multiply(at_eighth, x + tail)


def one_over_one_plus(value: int) -> int:
    """`1 / (1 + x)` for x in [0, 1), both Q0.31."""
    return saturate(_inverse_of_half(value) * 2)


def logistic(value: int) -> int:
    """`1 / (1 + exp(-x))` for x of 4 integer bits, the result in Q0.31."""
    if value == 0:
        return 2**30
    positive = one_over_one_plus(exp_of_negative(-abs(value), 4))
    return positive if value > 0 else INT32_MAX - positive


def tanh(value: int) -> int:
    """`tanh` for x of 4 integer bits, the result in Q0.31."""
    if value == 0:
        return 0
    # Doubled by one integer bit more: tanh(x) = (1 - exp(-2x)) / (1 + exp(-2x)).
    half_inverse = _inverse_of_half(exp_of_negative(-abs(value), 5))
    magnitude = saturate((half_inverse - 2**29) * 4)
    return magnitude if value > 0 else -magnitude


def _inverse_of_half(value: int) -> int:
    """`2 / (1 + x)` in Q2.29 for x of Q0.31, by Newton's method."""
    half_denominator = (value + INT32_MAX + 1) // 2
    # 48/17 and -32/17, the best linear start.
    x = 1515870810 + doubling_high_multiply(half_denominator, -1010580540)
    for _ in range(3):
        error = 2**29 - doubling_high_multiply(half_denominator, x)
        x += saturate(doubling_high_multiply(x, error) * 4)
    return x
