"""Kernels in C for softmax and activation functions, with the tables of int16."""

import numpy as np

from export.c import fragment, literals
from tfpipeline.simulate import derived, lookup, support

Fragment = fragment.Fragment

_ONE_OVER_ONE_PLUS = """\
/* 1 / (1 + x) for x in [0, 1), both with 31 fractional bits: Newton's method. */
static int32_t one_over_one_plus(int32_t x)
{
    const int32_t half = (int32_t)(((int64_t)x + INT32_MAX + 1) / 2);
    /* 48 / 17 - 32 / 17 * half, with 29 fractional bits. */
    int32_t y = 1515870810 + high_product(half, -1010580540);
    for (int32_t i = 0; i < 3; ++i) {
        const int32_t error = (INT32_C(1) << 29) - high_product(half, y);
        y += high_product(y, error) * 4;
    }
    return y > INT32_MAX / 2 ? INT32_MAX : y * 2;
}
"""

_SOFTMAX_OF_INT8 = """\
/* exps holds exp(-i) of the difference i to the largest, with 31 fractional bits;
   larger differences than those count as zero. */
static void $name(const int8_t *input, ${result}_t *output, int32_t rows,
    int32_t columns, const int32_t *exps, int32_t count)
{
    for (int32_t row = 0; row < rows; ++row) {
        int32_t largest = INT8_MIN, headroom = 0;
        uint32_t sum = 0;
        for (int32_t i = 0; i < columns; ++i) {
            largest = input[i] > largest ? input[i] : largest;
        }
        for (int32_t i = 0; i < columns; ++i) {
            const int32_t difference = largest - input[i];
            if (difference < count) {
                sum += (uint32_t)rounded_shift(exps[difference], 12);
            }
        }
        while (!(sum >> 31)) {
            sum <<= 1;
            ++headroom;
        }
        const int32_t inverse = one_over_one_plus((int32_t)(sum - (UINT32_C(1) << 31)));
        const int32_t shift = $shift - headroom;
        for (int32_t i = 0; i < columns; ++i) {
            const int32_t difference = largest - input[i];
            int32_t value = 0;
            if (difference < count) {
                const int64_t share = high_product(inverse, exps[difference]);
                value = (int32_t)((share + (INT64_C(1) << (shift - 1))) >> shift);
            }
            output[i] = (${result}_t)clamped(value + $low, $low, $high);
        }
        input += columns;
        output += columns;
    }
}
"""

_SOFTMAX_INT16 = """\
/* A table of 512 steps over all int16, linear between its entries. */
static int32_t interpolated(const int16_t *table, int32_t value)
{
    const int16_t *const entry = table + ((value + 32768) >> 7);
    return entry[0] + (((entry[1] - entry[0]) * (value & 127) + 64) >> 7);
}

static int32_t exp_int16(int32_t difference, factor by)
{
    const int32_t below = clamped(scaled(difference, by), INT16_MIN - INT16_MAX, 0);
    return interpolated(exp_table, below + INT16_MAX);
}

static void softmax_int16(const int16_t *input, int16_t *output, int32_t rows,
    int32_t columns, factor by)
{
    for (int32_t row = 0; row < rows; ++row) {
        int32_t largest = INT16_MIN, shift = 0;
        uint32_t sum = 0;
        for (int32_t i = 0; i < columns; ++i) {
            largest = input[i] > largest ? input[i] : largest;
        }
        for (int32_t i = 0; i < columns; ++i) {
            sum += (uint32_t)exp_int16(input[i] - largest, by);
        }
        while (sum >> (shift + 1)) {
            ++shift;
        }
        /* The sum with 16 bits behind the leading one. */
        const uint32_t leading = ((sum << (30 - shift)) + (UINT32_C(1) << 13)) >> 14;
        const int32_t inverse = interpolated(reciprocal_table,
            clamped((int32_t)leading - 65536 + INT16_MIN, INT16_MIN, INT16_MAX));
        for (int32_t i = 0; i < columns; ++i) {
            const int32_t share = exp_int16(input[i] - largest, by) * inverse;
            output[i] = (int16_t)clamped(
                (share + (INT32_C(1) << (shift - 1))) >> shift, 0, INT16_MAX);
        }
        input += columns;
        output += columns;
    }
}
"""

_LOOKUP = """\
/* A function of int8 by its 256 results. */
static void lookup(const int8_t *input, int8_t *output, int32_t count,
    const int8_t *table)
{
    for (int32_t i = 0; i < count; ++i) {
        output[i] = table[input[i] - INT8_MIN];
    }
}
"""

_ABSOLUTE = """\
static void absolute_int16(const int16_t *input, int16_t *output, int32_t count,
    const rescaling *r)
{
    for (int32_t i = 0; i < count; ++i) {
        const int32_t magnitude = input[i] < 0 ? -input[i] : input[i];
        output[i] = (int16_t)clamped(scaled(magnitude, r->by), r->low, r->high);
    }
}
"""

_LEAKY_RELU = """\
/* Factors of positive and of negative values, and the sign of those. */
typedef struct {
    factor positive, negative;
    int32_t sign;
} slope;

static void leaky_relu_int16(const int16_t *input, int16_t *output, int32_t count,
    const slope *s)
{
    for (int32_t i = 0; i < count; ++i) {
        const int32_t value = input[i] < 0 ? s->sign * scaled(input[i], s->negative)
                                           : scaled(input[i], s->positive);
        output[i] = (int16_t)clamped(value, INT16_MIN, INT16_MAX);
    }
}
"""

_SIGMOID_ARGUMENT = """\
/* An int16 as an argument of the table, rounded half up. */
static int32_t argument(int32_t value, factor by)
{
    return (value * by.multiplier + ((INT32_C(1) << by.shift) >> 1)) >> by.shift;
}

/* The table, linear between its entries, and last behind them; in steps of 2^bits. */
static int32_t sigmoid_between(int32_t magnitude, int32_t bits, int32_t last)
{
    const int32_t index = magnitude >> bits;
    const int32_t offset = magnitude & ((1 << bits) - 1);
    if (index >= 255) {
        return last;
    }
    return ((int32_t)sigmoid_table[index] << bits)
        + offset * (sigmoid_table[index + 1] - sigmoid_table[index]);
}
"""

_SIGMOID_OF = """\
static int32_t sigmoid_of(int32_t value, factor by)
{
    const int32_t x = argument(value, by);
    const int32_t y = sigmoid_between(x < 0 ? -x : x, 9, 0x7FFF << 10);
    return (x < 0 ? (1 << 25) - y + 511 : y + 512) >> 10;
}
"""

_TANH_OF = """\
/* 2 * sigmoid(2 * x) - 1. */
static int32_t tanh_of(int32_t value, factor by)
{
    const int32_t x = argument(value, by);
    const int32_t y = sigmoid_between(x < 0 ? -x : x, 8, 0xFFFF << 8) - (1 << 23);
    return (x < 0 ? -y + 127 : y + 128) >> 8;
}
"""

_OF_EACH = """\
static void $name(const int16_t *input, int16_t *output, int32_t count,
    factor by)
{
    for (int32_t i = 0; i < count; ++i) {
        output[i] = (int16_t)$function(input[i], by);
    }
}
"""


def softmax_of_int8(result: str) -> str:
    """The name of the softmax of int8 that writes the type `result`."""
    return "softmax_int8" if result == "int8" else f"softmax_int8_to_{result}"


def _softmax_of_int8(result: str) -> fragment.Fragment:
    limits = np.iinfo(result)
    text = literals.filled(
        _SOFTMAX_OF_INT8,
        name=softmax_of_int8(result),
        result=result,
        shift=str(derived.SOFTMAX_SUM_BITS + 31 - limits.bits),
        low=f"INT{limits.bits}_MIN",
        high=f"INT{limits.bits}_MAX",
    )
    return Fragment(text, ("one_over_one_plus", "rounded_shift", "clamped"))


def fragments() -> dict[str, fragment.Fragment]:
    """All kernels by name, `softmax_int8`, with what they build on."""
    return {
        "exp_table": _table("exp_table", "int16_t", lookup.exp_table()),
        "reciprocal_table": _table(
            "reciprocal_table", "int16_t", lookup.reciprocal_table()
        ),
        "sigmoid_table": _table("sigmoid_table", "uint16_t", lookup.sigmoid_table()),
        "one_over_one_plus": Fragment(_ONE_OVER_ONE_PLUS, ("high_product",)),
        **{
            softmax_of_int8(result): _softmax_of_int8(result) for result in support.BOTH
        },
        "softmax_int16": Fragment(
            _SOFTMAX_INT16, ("scaled", "clamped", "exp_table", "reciprocal_table")
        ),
        "lookup": Fragment(_LOOKUP),
        "leaky_relu_int16": Fragment(_LEAKY_RELU, ("scaled", "clamped")),
        "absolute_int16": Fragment(_ABSOLUTE, ("rescaling", "clamped")),
        "argument": Fragment(
            _SIGMOID_ARGUMENT, ("sigmoid_table", "factor", "right_shifts")
        ),
        "sigmoid_of": Fragment(_SIGMOID_OF, ("argument",)),
        "tanh_of": Fragment(_TANH_OF, ("argument",)),
        "sigmoid_int16": _of_each("sigmoid"),
        "tanh_int16": _of_each("tanh"),
    }


def _of_each(function: str) -> fragment.Fragment:
    text = literals.filled(
        _OF_EACH, name=f"{function}_int16", function=f"{function}_of"
    )
    return Fragment(text, (f"{function}_of",))


def _table(name: str, ctype: str, values: lookup.Table) -> fragment.Fragment:
    return Fragment(literals.array(ctype, name, values.tolist()))
