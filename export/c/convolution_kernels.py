"""Kernels in C for convolutions, which dense layers are too.

Columns of inputs (`weighted_layers`) times the taps of channels: two columns and two
channels at a time, so that each value is loaded once for two products. Cores with DSP
instructions multiply pairs of 16 bits; all others get plain C. Both give the same bits:
sums wrap at 32 bits. Sums of 64 bits are put together from sums of 508 products, which
cannot overflow: 508 * 2^15 * 2^7 < 2^31.
"""

from export.c import fragment, literals, weighted_kernels

Fragment = fragment.Fragment

_DSP = """\
/* Cortex-M4, M7, M33 and the like multiply pairs of int16. */
#if defined(__ARM_FEATURE_DSP) && defined(__GNUC__) && !defined(__ARM_BIG_ENDIAN)
#define HAS_DSP

static inline uint32_t word_at(const void *bytes)
{
    uint32_t word;
    memcpy(&word, bytes, 4);
    return word;
}

/* Bytes 0 and 2 of a word of int8 as a pair of int16. */
static inline uint32_t even_bytes(uint32_t word)
{
    uint32_t pair;
    __asm__("sxtb16 %0, %1" : "=r"(pair) : "r"(word));
    return pair;
}

/* Bytes 1 and 3. */
static inline uint32_t odd_bytes(uint32_t word)
{
    uint32_t pair;
    __asm__("sxtb16 %0, %1, ror #8" : "=r"(pair) : "r"(word));
    return pair;
}

/* Adds both products of two pairs. */
static inline uint32_t add_pair(uint32_t sum, uint32_t a, uint32_t b)
{
    uint32_t result;
    __asm__("smlad %0, %1, %2, %3" : "=r"(result) : "r"(a), "r"(b), "r"(sum));
    return result;
}
#endif
"""

_PRODUCTS_2X2 = """\
/* Products of two columns and two channels, which lie step apart, into four sums:
   column 0 with both channels, then column 1. step is a multiple of 4. */
static void products_2x2_$dtype(const $value *first, const $value *second,
    const int8_t *taps, int32_t step, int32_t count, uint32_t *sums)
{
    const int8_t *others = taps + step;
    const $value *const end = first + count;
    uint32_t sum0 = 0, sum1 = 0, sum2 = 0, sum3 = 0;
    while (first != end) {
#ifdef HAS_DSP
$pairs_2x2\
#else
        int32_t x, y, a, b;
$plain_2x2\
#endif
        first += 4;
        second += 4;
        taps += 4;
        others += 4;
    }
    sums[0] = sum0;
    sums[1] = sum1;
    sums[2] = sum2;
    sums[3] = sum3;
}
"""

_PRODUCTS_1X2 = """\
/* Products of one column and two channels. */
static void products_1x2_$dtype(const $value *column, const int8_t *taps,
    int32_t step, int32_t count, uint32_t *sums)
{
    const int8_t *others = taps + step;
    const $value *const end = column + count;
    uint32_t sum0 = 0, sum1 = 0;
    while (column != end) {
#ifdef HAS_DSP
$pairs_1x2\
#else
        int32_t x;
$plain_1x2\
#endif
        column += 4;
        taps += 4;
        others += 4;
    }
    sums[0] = sum0;
    sums[1] = sum1;
}
"""

_PAIRS = {
    "int8": {
        "taps": """\
        const uint32_t word_a = word_at(taps), word_b = word_at(others);
        const uint32_t a = even_bytes(word_a), c = odd_bytes(word_a);
        const uint32_t b = even_bytes(word_b), d = odd_bytes(word_b);
""",
        "column": """\
        const uint32_t word_$x = word_at($column);
        const uint32_t even_$x = even_bytes(word_$x), odd_$x = odd_bytes(word_$x);
        $s0 = add_pair(add_pair($s0, even_$x, a), odd_$x, c);
        $s1 = add_pair(add_pair($s1, even_$x, b), odd_$x, d);
""",
    },
    "int16": {
        "taps": """\
        const uint32_t word_a = word_at(taps), word_b = word_at(others);
        const uint32_t a = even_bytes(word_a), c = odd_bytes(word_a);
        const uint32_t b = even_bytes(word_b), d = odd_bytes(word_b);
""",
        "column": """\
        const uint32_t low_$x = word_at($column), high_$x = word_at($column + 2);
        $s0 = add_pair(add_pair($s0, low_$x, a), high_$x, c);
        $s1 = add_pair(add_pair($s1, low_$x, b), high_$x, d);
""",
    },
}

# Positions of a channel's taps that meet inputs 0 to 3: `weighted_layers._packed`.
_ORDERS = {"int8": (0, 1, 2, 3), "int16": (0, 2, 1, 3)}

_SUMS = """\
/* All products of one column or a pair and two channels, whose taps lie next apart. */
static void sums_$name(const $value *const *columns, int is_pair,
    const int8_t *taps, int32_t next, int32_t count, $sum *sums)
{
    if (is_pair) {
        products_2x2_$dtype(columns[0], columns[1], taps, next, count, sums);
    } else {
        products_1x2_$dtype(columns[0], taps, next, count, sums);
    }
}
"""

_WIDE_SUMS = """\
/* The same in 64 bits: 508 products, a multiple of 4, fit 32 bits. */
static void sums_$name(const $value *const *columns, int is_pair,
    const int8_t *taps, int32_t next, int32_t count, $sum *sums)
{
    sums[0] = sums[1] = sums[2] = sums[3] = 0;
    for (int32_t at = 0; at < count; at += 508) {
        uint32_t parts[4] = {0, 0, 0, 0};
        const int32_t some = count - at < 508 ? count - at : 508;
        if (is_pair) {
            products_2x2_$dtype(
                columns[0] + at, columns[1] + at, taps + at, next, some, parts);
        } else {
            products_1x2_$dtype(columns[0] + at, taps + at, next, some, parts);
        }
        for (int32_t i = 0; i < 4; ++i) {
            sums[i] += wrapped(parts[i]);
        }
    }
}
"""

_GATHER = """\
/* Copies the inputs under the kernel to a column, tap by tap; zero points outside. */
static void gather_$dtype(const $value *input, $value *column, const window *w,
    int32_t pixel, int32_t zero)
{
    const int32_t row = pixel / w->output_columns;
    const span ys = row_span(w, row);
    const span xs = column_span(w, pixel - row * w->output_columns);
    const int32_t depth = w->kernel_channels, width = w->kernel_columns * depth;
    const int32_t reach = xs.last - xs.first;
    /* Taps side by side then meet inputs side by side. */
    const int is_dense = w->column_dilation == 1 && depth == w->channels;
    const int32_t count = is_dense ? 1 : reach;
    const size_t bytes =
        (size_t)((is_dense ? reach : 1) * depth) * sizeof($value);
    if (reach < w->kernel_columns || ys.last - ys.first < w->kernel_rows) {
        memset(column, zero, (size_t)(w->kernel_rows * width) * sizeof($value));
    }
    if (reach == 0) {
        return;
    }
    for (int32_t y = ys.first; y < ys.last; ++y) {
        const int32_t line = (ys.start + y * w->row_dilation) * w->columns + xs.start;
        for (int32_t i = 0; i < count; ++i) {
            const int32_t x = xs.first + i;
            memcpy(column + y * width + x * depth,
                input + (line + x * w->column_dilation) * w->channels, bytes);
        }
    }
}
"""

_CONVOLUTION = """\
/* Convolution, in groups where the kernel has fewer channels than the input. Without
   scratch memory, the inputs under the kernel lie side by side, pixel by pixel. */
static void convolution_$name(const $value *input, $value *output, $value *scratch,
    const int8_t *weights, const window *w, const $scaling *s)
{
    const int32_t step =
        (w->kernel_rows * w->kernel_columns * w->kernel_channels + 3) / 4 * 4;
    const int32_t depth = w->output_channels;
    const int32_t per_group = depth / (w->channels / w->kernel_channels);
    const int32_t pixels = w->output_rows * w->output_columns;
    for (int32_t start = 0; start < depth; start += per_group) {
        const $value *const source =
            input + start / per_group * w->kernel_channels;
        for (int32_t pixel = 0; pixel < pixels; pixel += 2) {
            /* The last of an odd number of pixels is alone. */
            const int is_pair = pixel + 1 < pixels;
            const $value *columns[2] = {scratch, scratch + step};
            for (int32_t i = 0; i <= is_pair; ++i) {
                if (scratch) {
                    gather_$dtype(source, scratch + i * step, w, pixel + i,
                        s->input_zero);
                } else {
                    const int32_t row = (pixel + i) / w->output_columns;
                    const int32_t column = pixel + i - row * w->output_columns;
                    columns[i] = input + (row * w->row_stride * w->columns
                        + column * w->column_stride) * w->channels;
                }
            }
            $value *const first = output + pixel * depth + start;
            $value *const second = first + depth;
            const int8_t *taps = weights + start * step;
            for (int32_t c = 0; c < per_group; c += 2) {
                $sum sums[4];
                const int32_t channel = start + c;
                const int32_t next = c + 1 < per_group ? step : 0;
                sums_$name(columns, is_pair, taps, next, step, sums);
                first[c] = ($value)$requantized(sums[0], s, channel);
                if (next) {
                    first[c + 1] = ($value)$requantized(sums[1], s, channel + 1);
                }
                if (is_pair) {
                    second[c] = ($value)$requantized(sums[2], s, channel);
                }
                if (is_pair && next) {
                    second[c + 1] = ($value)$requantized(sums[3], s, channel + 1);
                }
                taps += 2 * step;
            }
        }
    }
}
"""


def _plain_2x2(dtype: str) -> str:
    """Sixteen products, four taps after each other."""
    lines = []
    for at, tap in enumerate(_ORDERS[dtype]):
        lines += [
            f"x = first[{at}], y = second[{at}], a = taps[{tap}], b = others[{tap}];",
            "sum0 += (uint32_t)(x * a), sum1 += (uint32_t)(x * b);",
            "sum2 += (uint32_t)(y * a), sum3 += (uint32_t)(y * b);",
        ]
    return "".join(f"        {line}\n" for line in lines)


def _plain_1x2(dtype: str) -> str:
    lines = []
    for at, tap in enumerate(_ORDERS[dtype]):
        lines += [
            f"x = column[{at}];",
            f"sum0 += (uint32_t)(x * taps[{tap}]);",
            f"sum1 += (uint32_t)(x * others[{tap}]);",
        ]
    return "".join(f"        {line}\n" for line in lines)


def _pairs(dtype: str, columns: tuple[str, ...]) -> str:
    """The same by pairs of 16 bits."""
    texts = _PAIRS[dtype]
    lines = [texts["taps"]]
    for i, column in enumerate(columns):
        sums = {"s0": f"sum{2 * i}", "s1": f"sum{2 * i + 1}"}
        lines.append(literals.filled(texts["column"], x="xy"[i], column=column, **sums))
    return "".join(lines)


def fragments() -> dict[str, fragment.Fragment]:
    """All kernels by name, `convolution_int8`, with what they build on."""
    found = {"dsp": Fragment(_DSP)}
    for dtype in _ORDERS:
        names = {"dtype": dtype, "value": f"{dtype}_t"}
        two_by_two = {
            "pairs_2x2": _pairs(dtype, ("first", "second")),
            "plain_2x2": _plain_2x2(dtype),
        }
        one_by_two = {
            "pairs_1x2": _pairs(dtype, ("column",)),
            "plain_1x2": _plain_1x2(dtype),
        }
        products = literals.filled(_PRODUCTS_2X2, **names, **two_by_two)
        products += "\n" + literals.filled(_PRODUCTS_1X2, **names, **one_by_two)
        found[f"products_{dtype}"] = Fragment(products, ("dsp",))
        found[f"gather_{dtype}"] = Fragment(
            literals.filled(_GATHER, **names), ("inside",)
        )
    for name, types in weighted_kernels.VARIANTS.items():
        is_wide = types["sum"] == "int64_t"
        scaling = "wide" if is_wide else "narrow"
        dtype = types["value"].removesuffix("_t")
        needs = (f"gather_{dtype}", f"products_{dtype}", scaling)
        text = (_WIDE_SUMS if is_wide else _SUMS) + "\n" + _CONVOLUTION
        found[f"convolution_{name}"] = Fragment(
            literals.filled(text, name=name, dtype=dtype, **types), needs
        )
    return found
