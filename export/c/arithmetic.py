"""Fixed-point arithmetic in C: `tfpipeline.simulate.fixed_point`, line by line.

No step overflows: what TFLite lets wrap is computed in uint32, and 32-bit products in
int64. Results are clamped before the zero point is added.
"""

from export.c import fragment

Fragment = fragment.Fragment

_RIGHT_SHIFTS = """\
/* Negative integers must be shifted to the right arithmetically: C leaves it open. */
typedef char right_shifts_round_down[(-1 >> 1) == -1 ? 1 : -1];
"""

_WRAPPED = """\
/* The int32 of the same bits. */
static int32_t wrapped(uint32_t bits)
{
    return bits <= (uint32_t)INT32_MAX ? (int32_t)bits
                                       : -1 - (int32_t)(UINT32_MAX - bits);
}
"""

_CLAMPED = """\
static int32_t clamped(int32_t value, int32_t low, int32_t high)
{
    return value < low ? low : value > high ? high : value;
}
"""

_FACTOR = """\
/* A real number, multiplier * 2^(shift - 31). */
typedef struct {
    int32_t multiplier, shift;
} factor;
"""

_HIGH_PRODUCT = """\
/* High half of 2 * a * b, rounded to nearest; not both are INT32_MIN. */
static int32_t high_product(int32_t a, int32_t b)
{
    return (int32_t)(((int64_t)a * b + (INT32_C(1) << 30)) >> 31);
}
"""

_ROUNDED_SHIFT = """\
/* value / 2^exponent, rounded to nearest, halves away from zero. */
static int32_t rounded_shift(int32_t value, int32_t exponent)
{
    const int32_t mask = (int32_t)((UINT32_C(1) << exponent) - 1);
    const int32_t threshold = (mask >> 1) + (value < 0 ? 1 : 0);
    return (value >> exponent) + ((value & mask) > threshold ? 1 : 0);
}
"""

_SCALED = """\
/* value * by, rounded twice. */
static int32_t scaled(int32_t value, factor by)
{
    const int32_t left = by.shift > 0 ? by.shift : 0;
    const int32_t right = by.shift > 0 ? 0 : -by.shift;
    return rounded_shift(
        high_product(wrapped((uint32_t)value << left), by.multiplier), right);
}
"""

_NARROW = """\
/* From sums to integers of the output; a bias, if any, and a factor a channel.
   low and high bound the result before the zero point is added. */
typedef struct {
    const int32_t *bias;
    const int32_t *multiplier;
    const int8_t *shift;
    int32_t input_zero, zero, low, high;
} scaling;

static int32_t requantized(uint32_t sum, const scaling *s, int32_t channel)
{
    const factor by = {s->multiplier[channel], s->shift[channel]};
    if (s->bias) {
        sum += (uint32_t)s->bias[channel];
    }
    return clamped(scaled(wrapped(sum), by), s->low, s->high) + s->zero;
}
"""

_WIDE = """\
/* As scaling, for sums of 64 bits: multiplier * 2^-shift, rounded once. */
typedef struct {
    const int64_t *bias;
    const int16_t *multiplier;
    const int8_t *shift;
    int32_t input_zero, zero, low, high;
} wide_scaling;

static int32_t wide_requantized(int64_t sum, const wide_scaling *s, int32_t channel)
{
    const int32_t shift = s->shift[channel];
    if (s->bias) {
        sum += s->bias[channel];
    }
    sum = (sum * s->multiplier[channel] + (INT64_C(1) << (shift - 1))) >> shift;
    return clamped(wrapped((uint32_t)sum), s->low, s->high) + s->zero;
}
"""

FRAGMENTS = {
    "right_shifts": Fragment(_RIGHT_SHIFTS),
    "wrapped": Fragment(_WRAPPED),
    "clamped": Fragment(_CLAMPED),
    "factor": Fragment(_FACTOR),
    "high_product": Fragment(_HIGH_PRODUCT, ("right_shifts",)),
    "rounded_shift": Fragment(_ROUNDED_SHIFT, ("right_shifts",)),
    "scaled": Fragment(_SCALED, ("factor", "high_product", "rounded_shift", "wrapped")),
    "narrow": Fragment(_NARROW, ("scaled", "clamped")),
    "wide": Fragment(_WIDE, ("right_shifts", "wrapped", "clamped")),
}
