"""Kernels in C for convolutions, which dense layers are too.

Columns of inputs (`weighted_layers`) times the taps of channels: two columns and two
channels at a time, so that each value is loaded once for two products. Cores with DSP
instructions multiply pairs of 16 bits; all others get plain C. Both give the same bits:
no sum of theirs overflows. (It also keeps compilers from regrouping the additions, as
they do with unsigned sums, which then need more registers than there are.)
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

/* Bytes 0 and 2 of a word of int8 as a pair of int16. volatile keeps the order of the
   lines that call this. */
static inline uint32_t even_bytes(uint32_t word)
{
    uint32_t pair;
    __asm__ volatile("sxtb16 %0, %1" : "=r"(pair) : "r"(word));
    return pair;
}

/* Bytes 1 and 3. */
static inline uint32_t odd_bytes(uint32_t word)
{
    uint32_t pair;
    __asm__ volatile("sxtb16 %0, %1, ror #8" : "=r"(pair) : "r"(word));
    return pair;
}

/* Adds both products of two pairs. */
static inline int32_t add_pair(int32_t sum, uint32_t a, uint32_t b)
{
    int32_t result;
    __asm__ volatile("smlad %0, %1, %2, %3" : "=r"(result) : "r"(a), "r"(b), "r"(sum));
    return result;
}
#endif
"""

_PRODUCTS = """\
/* Adds up products of two columns and the taps of two channels, both step apart: column
   0 with both channels, then column 1. count is a multiple of 4. */
NOT_INLINE static void products_2x2_$dtype(const $value *column, const int8_t *taps,
    int32_t step, int32_t count, int32_t *sums)
{
    const $value *const end = column + count;
    int32_t sum0 = 0, sum1 = 0, sum2 = 0, sum3 = 0;
    while (column != end) {
#ifdef HAS_DSP
$pairs_2x2\
#else
        const int8_t *const others = taps + step;
        const $value *const second = column + step;
        int32_t x, y, a, b;
$plain_2x2\
        column += 4;
        taps += 4;
#endif
    }
    sums[0] = sum0;
    sums[1] = sum1;
    sums[2] = sum2;
    sums[3] = sum3;
}

/* The same of one column. */
NOT_INLINE static void products_1x2_$dtype(const $value *column, const int8_t *taps,
    int32_t step, int32_t count, int32_t *sums)
{
    const $value *const end = column + count;
    int32_t sum0 = 0, sum1 = 0;
    while (column != end) {
#ifdef HAS_DSP
$pairs_1x2\
#else
        const int8_t *const others = taps + step;
        int32_t x;
$plain_1x2\
        column += 4;
        taps += 4;
#endif
    }
    sums[0] = sum0;
    sums[1] = sum1;
}
"""

# The order of the lines is that of the instructions: with it, all values of the loop
# have a register.
_TAP_PAIRS = """\
        const uint32_t word_b = word_at(taps + step), word_a = word_at(taps);
        const uint32_t a = even_bytes(word_a), c = odd_bytes(word_a);
        const uint32_t b = even_bytes(word_b), d = odd_bytes(word_b);
        taps += 4;
"""
_COLUMN_PAIRS = {
    "int8": """\
        const uint32_t word_$x = word_at($column);
        const uint32_t even_$x = even_bytes(word_$x), odd_$x = odd_bytes(word_$x);
$next\
        $s0 = add_pair(add_pair($s0, even_$x, a), odd_$x, c);
        $s1 = add_pair(add_pair($s1, even_$x, b), odd_$x, d);
""",
    "int16": """\
        const uint32_t low_$x = word_at($column);
        const uint32_t high_$x = word_at($column + 2);
$next\
        $s0 = add_pair(add_pair($s0, low_$x, a), high_$x, c);
        $s1 = add_pair(add_pair($s1, low_$x, b), high_$x, d);
""",
}

# Positions of a channel's taps that meet inputs 0 to 3: `weighted_layers._packed`.
_ORDERS = {"int8": (0, 1, 2, 3), "int16": (0, 2, 1, 3)}

# Products with int8 whose sum is an int32 for sure: the largest multiple of 4.
MAX_PRODUCTS = {"int8": 2**17 - 4, "int16": 2**9 - 4}

_SUMS = """\
/* All products of one column or two with the taps of two channels. */
static void sums_$name(const $value *column, int is_pair, const int8_t *taps,
    int32_t step, $sum *sums)
{
    int32_t parts[4] = {0, 0, 0, 0};
    if (is_pair) {
        products_2x2_$dtype(column, taps, step, step, parts);
    } else {
        products_1x2_$dtype(column, taps, step, step, parts);
    }
    for (int32_t i = 0; i < 4; ++i) {
        sums[i] = ($sum)parts[i];
    }
}
"""

_SUMS_OF_PARTS = """\
/* All products of one column or two with the taps of two channels; $most of them
   cannot overflow. */
static void sums_$name(const $value *column, int is_pair, const int8_t *taps,
    int32_t step, $sum *sums)
{
    sums[0] = sums[1] = sums[2] = sums[3] = 0;
    for (int32_t at = 0; at < step; at += $most) {
        int32_t parts[4] = {0, 0, 0, 0};
        const int32_t count = step - at < $most ? step - at : $most;
        if (is_pair) {
            products_2x2_$dtype(column + at, taps + at, step, count, parts);
        } else {
            products_1x2_$dtype(column + at, taps + at, step, count, parts);
        }
        for (int32_t i = 0; i < 4; ++i) {
            sums[i] += ($sum)parts[i];
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
   scratch memory, the input itself is columns after each other. */
static void convolution_$name(const $value *input, $value *output,
    $value *scratch, const int8_t *weights, const window *w, const $scaling *s)
{
    const int32_t step =
        (w->kernel_rows * w->kernel_columns * w->kernel_channels + 3) / 4 * 4;
    const int32_t depth = w->output_channels;
    const int32_t per_group = depth / (w->channels / w->kernel_channels);
    const int32_t pixels = w->output_rows * w->output_columns;
    for (int32_t start = 0; start < depth; start += per_group) {
        const $value *const source = input + start / per_group * w->kernel_channels;
        for (int32_t pixel = 0; pixel < pixels; pixel += 2) {
            /* The last of an odd number of pixels is alone. */
            const int is_pair = pixel + 1 < pixels;
            const $value *const column = scratch ? scratch : input + pixel * step;
            const int8_t *taps = weights + start * step;
            $value *first = output + pixel * depth + start;
            for (int32_t i = 0; scratch && i <= is_pair; ++i) {
                gather_$dtype(source, scratch + i * step, w, pixel + i, s->input_zero);
            }
            for (int32_t c = start; c < start + per_group; c += 2) {
                $sum sums[4];
                sums_$name(column, is_pair, taps, step, sums);
                first[0] = ($value)$requantized(sums[0], s, c);
                if (is_pair) {
                    first[depth] = ($value)$requantized(sums[2], s, c);
                }
                /* Of an odd number of channels, the last pair has one. */
                if (c + 1 < start + per_group) {
                    first[1] = ($value)$requantized(sums[1], s, c + 1);
                    if (is_pair) {
                        first[depth + 1] = ($value)$requantized(sums[3], s, c + 1);
                    }
                }
                first += 2;
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
            f"x = column[{at}], y = second[{at}], a = taps[{tap}], b = others[{tap}];",
            "sum0 += x * a, sum1 += x * b, sum2 += y * a, sum3 += y * b;",
        ]
    return "".join(f"        {line}\n" for line in lines)


def _plain_1x2(dtype: str) -> str:
    lines = []
    for at, tap in enumerate(_ORDERS[dtype]):
        lines += [
            f"x = column[{at}];",
            f"sum0 += x * taps[{tap}], sum1 += x * others[{tap}];",
        ]
    return "".join(f"        {line}\n" for line in lines)


def _pairs(dtype: str, count: int) -> str:
    """The same by pairs of 16 bits; of two columns the second comes first."""
    text = _TAP_PAIRS
    for i in reversed(range(count)):
        names = {
            "x": "xy"[i],
            "column": "column + step" if i else "column",
            "next": "" if i else "        column += 4;\n",
            "s0": f"sum{2 * i}",
            "s1": f"sum{2 * i + 1}",
        }
        text += literals.filled(_COLUMN_PAIRS[dtype], **names)
    return text


def fragments() -> dict[str, fragment.Fragment]:
    """All kernels by name, `convolution_int8`, with what they build on."""
    found = {"dsp": Fragment(_DSP)}
    for dtype in _ORDERS:
        names = {"dtype": dtype, "value": f"{dtype}_t"}
        loops = {
            "pairs_2x2": _pairs(dtype, 2),
            "plain_2x2": _plain_2x2(dtype),
            "pairs_1x2": _pairs(dtype, 1),
            "plain_1x2": _plain_1x2(dtype),
        }
        products = literals.filled(_PRODUCTS, **names, **loops)
        found[f"products_{dtype}"] = Fragment(products, ("dsp", "not_inline"))
        gather = literals.filled(_GATHER, **names)
        found[f"gather_{dtype}"] = Fragment(gather, ("inside",))
    for name, types in weighted_kernels.VARIANTS.items():
        scaling = "wide" if types["sum"] == "int64_t" else "narrow"
        dtype = types["value"].removesuffix("_t")
        sums = _SUMS if dtype == "int8" else _SUMS_OF_PARTS
        names = {"name": name, "dtype": dtype, "most": str(MAX_PRODUCTS[dtype])}
        found[f"convolution_{name}"] = Fragment(
            literals.filled(f"{sums}\n{_CONVOLUTION}", **names, **types),
            (f"gather_{dtype}", f"products_{dtype}", scaling),
        )
    return found
