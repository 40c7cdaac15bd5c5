"""Fixed-point arithmetic of TFLite on plain integers: the specification.

Sources: tensorflow/lite/kernels/internal/quantization_util.cc and common.h; gemmlowp
fixedpoint/fixedpoint.h. All values are int32 there; Python's integers cannot overflow,
so saturation is written out where the source has it.
"""

import math

INT32_MIN = -(2**31)
INT32_MAX = 2**31 - 1


def round_half_away(value: float) -> int:
    """C's `round`: halves away from zero."""
    return int(math.copysign(math.floor(abs(value) + 0.5), value))


def quantize_multiplier(real: float) -> tuple[int, int]:
    """`real` as `multiplier * 2**(shift - 31)` with a multiplier of 31 bits.

    Args:
        real: not negative; computed in double precision.

    Returns:
        multiplier and shift; (0, 0) for what is below 2**-32.
    """
    fraction, shift = math.frexp(real)
    multiplier = round_half_away(fraction * 2**31)
    if multiplier == 2**31:
        multiplier //= 2
        shift += 1
    if multiplier == 0 or shift < -31:
        return 0, 0
    if shift > 30:
        return INT32_MAX, 30
    return multiplier, shift


def saturate(value: int) -> int:
    """The nearest int32."""
    return min(max(value, INT32_MIN), INT32_MAX)


def doubling_high_multiply(a: int, b: int) -> int:
    """High half of `2 * a * b`, rounded to nearest, halves up in magnitude."""
    if a == b == INT32_MIN:
        return INT32_MAX
    product = a * b
    nudged = product + (2**30 if product >= 0 else 1 - 2**30)
    # C divides towards zero.
    return nudged // 2**31 if nudged >= 0 else -(-nudged // 2**31)


def rounding_shift_right(value: int, exponent: int) -> int:
    """`value / 2**exponent`, rounded to nearest, halves away from zero."""
    mask = 2**exponent - 1
    threshold = (mask >> 1) + (1 if value < 0 else 0)
    return (value >> exponent) + (1 if value & mask > threshold else 0)


def scale(value: int, multiplier: int, shift: int) -> int:
    """`value * multiplier * 2**(shift - 31)`, rounded twice as gemmlowp does.

    The int8 kernels of TFLite Micro compute every result this way.
    """
    shifted = value * 2 ** max(shift, 0)
    product = doubling_high_multiply(shifted, multiplier)
    return rounding_shift_right(product, max(-shift, 0))


def exp_of_negative(value: int) -> int:
    """`exp` of a value of 5 integer bits, at most 0, as a value of none (Q0.31)."""
    if value == 0:
        return INT32_MAX
    quarter = 2**24
    below = (value & (quarter - 1)) - quarter
    result = _exp_on_quarter(saturate(below * 2**5))
    remainder = below - value
    # exp(-2**(i - 2)) in Q0.31, for the bits from one quarter up.
    for bit, factor in enumerate(
        (1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242), 24
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
    """`1 / (1 + x)` for x in [0, 1), both Q0.31: Newton's method in Q2.29."""
    total = value + INT32_MAX
    half_denominator = (total + 1) // 2
    x = 1515870810 + doubling_high_multiply(half_denominator, -1010580540)
    for _ in range(3):
        error = 2**29 - doubling_high_multiply(half_denominator, x)
        x += saturate(doubling_high_multiply(x, error) * 4)
    return saturate(x * 2)
