"""Kernels in C that pool, combine and rescale integers."""

import itertools

from export.c import fragment, literals, vector_plain_kernels
from tfpipeline.simulate import support

Fragment = fragment.Fragment

# Axes of the loops of element-wise layers and of Pad, after neighbors were joined.
MAX_AXES = 4

_MAX_POOL = """\
/* Largest value of each of four channels in rows of pixels, within bounds. */
NOT_INLINE static void largest_4_$name(const $name_t *input, const span *ys,
    const span *xs, int32_t row_step, int32_t step, int32_t low, int32_t high,
    $name_t *output)
{
#ifdef HAS_DSP
    const uint32_t lows = ((uint32_t)low & $mask) * $repeated;
    const uint32_t highs = ((uint32_t)high & $mask) * $repeated;
$begin\
#else
    int32_t a = low, b = low, c = low, d = low;
#endif
    for (int32_t y = ys->last - ys->first; y > 0; --y) {
        const $name_t *pixel = input;
        for (int32_t x = xs->last - xs->first; x > 0; --x) {
#ifdef HAS_DSP
$larger\
#else
            a = pixel[0] > a ? pixel[0] : a;
            b = pixel[1] > b ? pixel[1] : b;
            c = pixel[2] > c ? pixel[2] : c;
            d = pixel[3] > d ? pixel[3] : d;
#endif
            pixel += step;
        }
        input += row_step;
    }
#ifdef HAS_DSP
$end\
#else
    output[0] = ($name_t)clamped(a, low, high);
    output[1] = ($name_t)clamped(b, low, high);
    output[2] = ($name_t)clamped(c, low, high);
    output[3] = ($name_t)clamped(d, low, high);
#endif
}

static int32_t largest_1_$name(const $name_t *input, const span *ys, const span *xs,
    int32_t row_step, int32_t step, int32_t largest)
{
    for (int32_t y = ys->last - ys->first; y > 0; --y) {
        for (int32_t x = 0; x < xs->last - xs->first; ++x) {
            largest = input[x * step] > largest ? input[x * step] : largest;
        }
        input += row_step;
    }
    return largest;
}

/* Largest value of the part of each window inside the input. */
static void max_pool_$name(const $name_t *input, $name_t *output, const window *w,
    int32_t low, int32_t high)
{
    const int32_t step = w->channels, row_step = w->columns * step;
    for (int32_t row = 0; row < w->output_rows; ++row) {
        const span ys = row_span(w, row);
        for (int32_t column = 0; column < w->output_columns; ++column) {
            const span xs = column_span(w, column);
            const $name_t *source = input + (ys.start + ys.first) * row_step
                + (xs.start + xs.first) * step;
$vectors\
            int32_t left = step;
            for (; left >= 4; left -= 4) {
                largest_4_$name(source, &ys, &xs, row_step, step, low, high, output);
                source += 4;
                output += 4;
            }
            for (; left > 0; --left) {
                const int32_t largest =
                    largest_1_$name(source, &ys, &xs, row_step, step, low);
                *output++ = ($name_t)clamped(largest, low, high);
                ++source;
            }
        }
    }
}
"""

_AVERAGE_POOL = """\
/* Mean of four channels in rows of pixels, halves away from zero, within bounds. */
NOT_INLINE static void average_4_$name(const $name_t *input, const span *ys,
    const span *xs, int32_t row_step, int32_t step, int32_t low, int32_t high,
    $name_t *output)
{
    const int32_t rows = ys->last - ys->first, columns = xs->last - xs->first;
    int32_t a = 0, b = 0, c = 0, d = 0;
    for (int32_t y = rows; y > 0; --y) {
        const $name_t *pixel = input;
        for (int32_t x = columns; x > 0; --x) {
            a += pixel[0];
            b += pixel[1];
            c += pixel[2];
            d += pixel[3];
            pixel += step;
        }
        input += row_step;
    }
    output[0] = ($name_t)clamped(mean_of(a, rows * columns), low, high);
    output[1] = ($name_t)clamped(mean_of(b, rows * columns), low, high);
    output[2] = ($name_t)clamped(mean_of(c, rows * columns), low, high);
    output[3] = ($name_t)clamped(mean_of(d, rows * columns), low, high);
}

/* Mean of the part of each window inside the input. */
static void average_pool_$name(const $name_t *input, $name_t *output,
    const window *w, int32_t low, int32_t high)
{
    const int32_t step = w->channels, row_step = w->columns * step;
    for (int32_t row = 0; row < w->output_rows; ++row) {
        const span ys = row_span(w, row);
        for (int32_t column = 0; column < w->output_columns; ++column) {
            const span xs = column_span(w, column);
            const int32_t rows = ys.last - ys.first, columns = xs.last - xs.first;
            const $name_t *source = input + (ys.start + ys.first) * row_step
                + (xs.start + xs.first) * step;
$vectors\
            int32_t left = step;
            for (; left >= 4; left -= 4) {
                average_4_$name(source, &ys, &xs, row_step, step, low, high, output);
                source += 4;
                output += 4;
            }
            for (; left > 0; --left) {
                int32_t sum = 0;
                for (int32_t y = 0; y < rows; ++y) {
                    for (int32_t x = 0; x < columns; ++x) {
                        sum += source[y * row_step + x * step];
                    }
                }
                sum = mean_of(sum, rows * columns);
                *output++ = ($name_t)clamped(sum, low, high);
                ++source;
            }
        }
    }
}
"""

_MEAN_OF = """\
/* C's division rounds towards zero. */
static inline int32_t mean_of(int32_t sum, int32_t count)
{
    return (sum > 0 ? sum + count / 2 : sum - count / 2) / count;
}
"""

_MEAN_TYPE = """\
/* Means over two of five axes, the second and the fourth; by divides and rescales. */
typedef struct {
    int32_t sizes[5];
    factor by;
    int32_t input_zero, zero, low, high;
} averaging;
"""

_MEAN = """\
static void mean_$name(const $name_t *input, $name_t *output, const averaging *m)
{
    const int32_t *const n = m->sizes;
    const uint32_t zeros = (uint32_t)m->input_zero * (uint32_t)(n[1] * n[3]);
    for (int32_t a = 0; a < n[0]; ++a) {
        for (int32_t c = 0; c < n[2]; ++c) {
$vectors\
            for (int32_t e = 0; e < n[4]; ++e) {
                uint32_t sum = 0;
                for (int32_t b = 0; b < n[1]; ++b) {
                    for (int32_t d = 0; d < n[3]; ++d) {
                        const int32_t at = ((a * n[1] + b) * n[2] + c) * n[3] + d;
                        const int32_t value = input[at * n[4] + e];
                        sum += (uint32_t)value;
                    }
                }
                const int32_t value = scaled(wrapped(sum - zeros), m->by);
                *output++ = ($name_t)(clamped(value, m->low, m->high) + m->zero);
            }
        }
    }
}
"""

_ELEMENTWISE_TYPE = """\
/* Two operands of four axes; a stride of 0 repeats. unit and sign are those of a sum:
   headroom of the operands, and -1 for a difference. */
typedef struct {
    int32_t sizes[4], first_strides[4], second_strides[4];
    factor first, second, result;
    int32_t first_zero, second_zero, unit, sign, zero, low, high;
} elementwise;
"""

_SUM = """\
static int32_t sum_of(int32_t first, int32_t second, const elementwise *e)
{
    const int32_t a = scaled(first * e->unit, e->first);
    const int32_t b = scaled(second * e->unit, e->second);
    return scaled(a + e->sign * b, e->result);
}
"""

_ADDITION = """\
/* As elementwise with sum_of, where no factor shifts to the left and those of the
   operands are at most a half. */
static void addition_$name(const $name_t *first, const $name_t *second, $name_t *output,
    const elementwise *e)
{
    const int32_t *const n = e->sizes, *const s = e->first_strides,
                  *const t = e->second_strides;
    const int32_t unit = e->unit, sign = e->sign;
    const int32_t from = e->first_zero, other = e->second_zero;
    const rounding f = rounding_by(e->first), g = rounding_by(e->second),
                   h = rounding_by(e->result);
    for (int32_t a = 0; a < n[0]; ++a) {
        for (int32_t b = 0; b < n[1]; ++b) {
            for (int32_t c = 0; c < n[2]; ++c) {
                const $name_t *x = first + a * s[0] + b * s[1] + c * s[2];
                const $name_t *y = second + a * t[0] + b * t[1] + c * t[2];
$vectors\
                for (int32_t d = n[3]; d > 0; --d) {
                    const int32_t p = rounded((*x - from) * unit, &f);
                    const int32_t q = rounded((*y - other) * unit, &g);
                    const int32_t value = rounded(p + sign * q, &h);
                    *output++ = ($name_t)(clamped(value, e->low, e->high) + e->zero);
                    x += s[3];
                    y += t[3];
                }
            }
        }
    }
}
"""

_ROUNDING = """\
/* A factor that does not shift to the left: what is added before a right shift. */
typedef struct {
    int32_t multiplier, shift, half, sign_mask;
} rounding;

static rounding rounding_by(factor by)
{
    const int32_t right = -by.shift;
    const int32_t half = right ? 1 << (right - 1) : 0;
    const rounding found = {by.multiplier, right, half, right ? -1 : 0};
    return found;
}

/* As scaled, of a value that can be doubled. */
static inline int32_t rounded(int32_t value, const rounding *by)
{
    const int32_t high = half_product(value, by->multiplier);
    return (high + by->half + (high >> 31 & by->sign_mask)) >> by->shift;
}
"""

_PRODUCT = """\
static int32_t product_of(int32_t first, int32_t second, const elementwise *e)
{
    return scaled(first * second, e->result);
}
"""

_SMALLER = """\
static int32_t smaller_of(int32_t first, int32_t second, const elementwise *e)
{
    (void)e;
    return first < second ? first : second;
}
"""

_LARGER = """\
static int32_t larger_of(int32_t first, int32_t second, const elementwise *e)
{
    (void)e;
    return first > second ? first : second;
}
"""

_SLOPED = """\
/* Negative values times their slope, the second operand. */
static int32_t sloped(int32_t first, int32_t second, const elementwise *e)
{
    return first < 0 ? scaled(first * second, e->result) : scaled(first, e->first);
}
"""

_ELEMENTWISE = """\
static void elementwise_$kernel(const $name_t *first, const $second_t *second,
    $name_t *output, const elementwise *e,
    int32_t (*combined)(int32_t, int32_t, const elementwise *))
{
    const int32_t *const n = e->sizes, *const s = e->first_strides,
                  *const t = e->second_strides;
    for (int32_t a = 0; a < n[0]; ++a) {
        for (int32_t b = 0; b < n[1]; ++b) {
            for (int32_t c = 0; c < n[2]; ++c) {
                const $name_t *x = first + a * s[0] + b * s[1] + c * s[2];
                const $second_t *y = second + a * t[0] + b * t[1] + c * t[2];
                for (int32_t d = 0; d < n[3]; ++d) {
                    const int32_t value = combined(x[d * s[3]] - e->first_zero,
                        y[d * t[3]] - e->second_zero, e);
                    *output++ = ($name_t)(clamped(value, e->low, e->high) + e->zero);
                }
            }
        }
    }
}
"""

_REQUANTIZATION_TYPE = """\
/* From one scale to another. */
typedef struct {
    factor by;
    int32_t input_zero, zero, low, high;
} rescaling;
"""

_REQUANTIZE = """\
static void requantize_${source}_to_$result(const ${source}_t *input,
    ${result}_t *output, int32_t count, const rescaling *r)
{
    for (int32_t i = 0; i < count; ++i) {
        const uint32_t centered = (uint32_t)input[i] - (uint32_t)r->input_zero;
        const int32_t value = scaled(wrapped(centered), r->by);
        output[i] = (${result}_t)(clamped(value, r->low, r->high) + r->zero);
    }
}
"""


# What kernels of int8 do with vectors, and what they call for it.
_VECTORS = {
    "max_pool": (vector_plain_kernels.LARGEST, "largest_16", "limit_int8"),
    "average_pool": (vector_plain_kernels.AVERAGE, "sums_16"),
    "addition": (vector_plain_kernels.ADDITION, "add_vectors", "limit_int8"),
    "mean": (vector_plain_kernels.MEAN, "sums_16"),
}


def _largest_words(dtype: str) -> dict[str, str]:
    """Four channels as one word or two."""
    bits = int(dtype.removeprefix("int"))
    words = [("a", "")] if bits == 8 else [("a", ""), ("b", " + 2")]
    first = ", ".join(f"{word} = lows" for word, _ in words)
    larger = [
        f"            {word} = larger_{dtype}(word_at(pixel{at}), {word});\n"
        for word, at in words
    ]
    end = [
        f"    put_word(output{at}, smaller_{dtype}({word}, highs));\n"
        for word, at in words
    ]
    return {
        "begin": f"    uint32_t {first};\n",
        "larger": "".join(larger),
        "end": "".join(end),
        "mask": hex(2**bits - 1),
        "repeated": hex((2**32 - 1) // (2**bits - 1)),
    }


def fragments() -> dict[str, fragment.Fragment]:
    """All kernels by name, `mean_int8`, with what they build on."""
    found = {
        "averaging": Fragment(_MEAN_TYPE, ("scaled",)),
        "elementwise": Fragment(_ELEMENTWISE_TYPE, ("factor",)),
        "sum_of": Fragment(_SUM, ("elementwise", "scaled")),
        "rounding": Fragment(_ROUNDING, ("factor", "half_product")),
        "mean_of": Fragment(_MEAN_OF),
        "product_of": Fragment(_PRODUCT, ("elementwise", "scaled")),
        "smaller_of": Fragment(_SMALLER, ("elementwise",)),
        "larger_of": Fragment(_LARGER, ("elementwise",)),
        "sloped": Fragment(_SLOPED, ("elementwise", "scaled")),
        "rescaling": Fragment(_REQUANTIZATION_TYPE, ("scaled",)),
    }
    for name, (kernel, text, needs) in itertools.product(
        support.BOTH,
        (
            ("max_pool", _MAX_POOL, ("inside", "clamped", "not_inline", "dsp")),
            (
                "average_pool",
                _AVERAGE_POOL,
                ("inside", "clamped", "not_inline", "mean_of"),
            ),
            ("addition", _ADDITION, ("elementwise", "clamped", "rounding")),
            ("mean", _MEAN, ("averaging", "clamped")),
        ),
    ):
        names = {"name": name, "name_t": f"{name}_t", "vectors": ""}
        if name == "int8":
            names["vectors"], *more = _VECTORS[kernel]
            needs = (*needs, *more)
        if kernel == "max_pool":
            names |= _largest_words(name)
        typed = literals.filled(text, **names)
        found[f"{kernel}_{name}"] = Fragment(typed, needs)
    for first, second in (("int8", "int8"), ("int16", "int16"), ("int16", "int8")):
        kernel = f"{first}_{second}" if first != second else first
        found[f"elementwise_{kernel}"] = Fragment(
            literals.filled(
                _ELEMENTWISE,
                **{"kernel": kernel, "name_t": f"{first}_t", "second_t": f"{second}_t"},
            ),
            ("elementwise", "clamped"),
        )
    for source, result in support.REQUANTIZED:
        found[f"requantize_{source}_to_{result}"] = Fragment(
            literals.filled(_REQUANTIZE, source=source, result=result),
            ("rescaling", "clamped"),
        )
    return found
