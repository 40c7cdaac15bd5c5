"""Kernels in C for convolutions, which dense layers are too.

Columns of inputs (`weighted_layers`) times the taps of channels, two channels at a
time. Cores with DSP instructions multiply pairs of 16 bits: they copy the inputs of
four columns as pairs to scratch memory (`paired_products`), so that each is made a pair
once and not for every channel. All others get plain C that multiplies two columns. Both
give the same bits: no sum of theirs overflows. (In plain C, that also keeps compilers
from regrouping the additions, as they do with unsigned sums, which then need more
registers than there are.)
"""

from export.c import fragment, literals, vector_convolutions, weighted_kernels

Fragment = fragment.Fragment

# Columns that are computed at once with DSP instructions, if there are as many pixels.
PAIRED_COLUMNS = 4

_PLAIN_PRODUCTS = """\
#ifndef HAS_DSP
/* Adds up products of two columns, step apart, and the taps of two channels: column 0
   with both channels, then column 1. count is a multiple of 4. */
NOT_INLINE static void products_2x2_$dtype(const $value *column, const int8_t *taps,
    int32_t step, int32_t count, int32_t *sums)
{
    const $value *const end = column + count;
    int32_t sum0 = 0, sum1 = 0, sum2 = 0, sum3 = 0;
    while (column != end) {
        const $value *const second = column + step;
        int32_t x, y, a, b;
$plain_2x2\
        column += 4;
        taps += 8;
    }
    sums[0] = sum0;
    sums[1] = sum1;
    sums[2] = sum2;
    sums[3] = sum3;
}

/* The same of one column. */
NOT_INLINE static void products_1x2_$dtype(const $value *column, const int8_t *taps,
    int32_t count, int32_t *sums)
{
    const $value *const end = column + count;
    int32_t sum0 = 0, sum1 = 0;
    while (column != end) {
        int32_t x;
$plain_1x2\
        column += 4;
        taps += 8;
    }
    sums[0] = sum0;
    sums[1] = sum1;
}
#endif
"""

# Positions of a column's inputs, four by four, as pairs: even and odd bytes of a word
# of int8 are in two registers with one instruction each.
_ORDERS = {"int8": (0, 2, 1, 3), "int16": (0, 1, 2, 3)}


def order(dtype: str) -> tuple[int, ...]:
    """Which four inputs of a column follow each other in pairs, and so their taps."""
    return _ORDERS[dtype]


# Products with int8 whose sum is an int32 for sure: the largest multiple of 4.
MAX_PRODUCTS = {"int8": 2**17 - 4, "int16": 2**9 - 4}

# Where the inputs under a kernel begin and how far they reach, in both gathers.
_REACH = """\
    const int32_t row = pixel / w->output_columns;
    const span ys = row_span(w, row);
    const span xs = column_span(w, pixel - row * w->output_columns);
    const int32_t depth = w->kernel_channels, width = w->kernel_columns * depth;
    const int32_t reach = xs.last - xs.first;
    /* Taps side by side may meet inputs side by side. */
    const int is_dense = w->column_dilation == 1 && depth == w->channels;
    const int32_t blocks = is_dense && reach > 0 ? 1 : reach;
    const int32_t block = is_dense ? reach * depth : depth;
    const int32_t step = w->column_dilation * w->channels;
    const int32_t row_step = w->row_dilation * w->columns * w->channels;
    const $value *line = input + xs.start * w->channels + xs.first * step
        + ys.start * w->columns * w->channels + ys.first * row_step;
    if (reach < w->kernel_columns || ys.last - ys.first < w->kernel_rows) {
"""

_GATHER = """\
/* Copies the inputs under the kernel to a column, tap by tap; zero points outside. */
NOT_INLINE static void gather_$dtype(const $value *input, $value *column,
    const window *w, int32_t pixel, int32_t zero)
{
$reach\
        memset(column, zero, (size_t)(w->kernel_rows * width) * sizeof($value));
    }
    column += ys.first * width + xs.first * depth;
    for (int32_t y = ys.first; y < ys.last; ++y) {
        const $value *from = line;
        $value *to = column;
        for (int32_t i = 0; i < blocks; ++i) {
            copy_bytes(to, from, block * (int32_t)sizeof($value));
            from += step;
            to += depth;
        }
        line += row_step;
        column += width;
    }
}
"""

_PAIRED_GATHER = """\
#ifdef HAS_DSP
/* Inputs as pairs, stride bytes from one to the next. */
NOT_INLINE static void spread_$dtype(const $value *input, uint8_t *pairs,
    int32_t stride, int32_t count)
{
    for (; count > 0; count -= 4) {
$spread\
        put_word(pairs, low);
        put_word(pairs + stride, high);
        pairs += 2 * stride;
        input += 4;
    }
}

/* As gather, as pairs; of taps whose channels are a multiple of 4. */
NOT_INLINE static void gather_pairs_$dtype(const $value *input, uint8_t *pairs,
    int32_t stride, const window *w, int32_t pixel, int32_t zero)
{
$reach\
        const uint32_t both = ((uint32_t)zero & 0xFFFF) * 0x10001;
        for (int32_t i = 0; i < w->kernel_rows * width / 2; ++i) {
            put_word(pairs + i * stride, both);
        }
    }
    pairs += (ys.first * width + xs.first * depth) / 2 * stride;
    for (int32_t y = ys.first; y < ys.last; ++y) {
        const $value *from = line;
        uint8_t *to = pairs;
        for (int32_t i = 0; i < blocks; ++i) {
            spread_$dtype(from, to, stride, block);
            from += step;
            to += depth / 2 * stride;
        }
        line += row_step;
        pairs += width / 2 * stride;
    }
}
#endif
"""
_SPREAD = {
    "int8": """\
        const uint32_t word = word_at(input);
        const uint32_t low = even_bytes(word), high = odd_bytes(word);
""",
    "int16": """\
        const uint32_t low = word_at(input), high = word_at(input + 2);
""",
}

_VECTOR_LIMITED = """\
#ifdef HAS_MVE
/* Brings results within narrower bounds than those of their type. */
NOT_INLINE static void limit_int8(int8_t *values, int32_t count, int32_t low,
    int32_t high)
{
    if (low == -128 && high == 127) {
        return;
    }
    __asm__ volatile("vdup.8 q1, %2\\n"
                     "vdup.8 q2, %3\\n"
                     "wlstp.8 lr, %1, 2f\\n"
                     "1: vldrb.8 q0, [%0]\\n"
                     "vmax.s8 q0, q0, q1\\n"
                     "vmin.s8 q0, q0, q2\\n"
                     "vstrb.8 q0, [%0], #16\\n"
                     "letp lr, 1b\\n"
                     "2:"
                     : "+&r"(values)
                     : "r"(count), "r"(low), "r"(high)
                     : "memory", "lr", "q0", "q1", "q2");
}
#else
$others\
#endif
"""

_LIMITED = """\
#ifdef HAS_DSP
/* Brings results within narrower bounds than those of their type, a word at a time. */
NOT_INLINE static void limit_$dtype($value *values, int32_t count, int32_t low,
    int32_t high)
{
    const uint32_t lows = ((uint32_t)low & $mask) * $repeated;
    const uint32_t highs = ((uint32_t)high & $mask) * $repeated;
    if (low == $lowest && high == $highest) {
        return;
    }
    /* What is left is counted apart: gcc 12 at -Os for Cortex-M55 forgets to ask. */
    const int32_t rest = count % $per_word;
    for ($value *const end = values + (count - rest); values != end;
         values += $per_word) {
        const uint32_t word = larger_$dtype(word_at(values), lows);
        put_word(values, smaller_$dtype(word, highs));
    }
    for (int32_t i = 0; i < rest; ++i) {
        values[i] = ($value)clamped(values[i], low, high);
    }
}
#endif
"""

_PAIRED_SUMS = """\
#ifdef HAS_DSP
/* Results of one column or four and the channels c and c + 1; the latter may lie
   outside. */
static void results_$name(const uint8_t *pairs, int32_t count, const int8_t *taps,
    int32_t step, $value *output, int32_t depth, const $scaling *s, int32_t c,
    int is_two)
{
    int32_t sums[8];
    sums[0] = s->bias[c];
    sums[1] = is_two ? s->bias[c + 1] : 0;
    if (count == 4) {
        products_4x2(pairs, taps, pairs + 8 * step, sums);
    } else {
        products_1x2(pairs, taps, pairs + 2 * step, sums);
    }
    for (int32_t i = 0; i < count; ++i) {
        output[i * depth] = ($value)rescaled(sums[i], s, c);
        if (is_two) {
            output[i * depth + 1] = ($value)rescaled(sums[count + i], s, c + 1);
        }
    }
}
#endif
"""

_PAIRED_WIDE_SUMS = """\
#ifdef HAS_DSP
/* Results of count columns of a channel, depth apart. */
static inline void put_$name(const int64_t *sums, int32_t count, $value *output,
    int32_t depth, const $scaling *s, int32_t channel)
{
    const int64_t bias = s->bias ? s->bias[channel] : 0;
    const int32_t by = s->multiplier[channel], shift = s->shift[channel];
    const int32_t low = s->low, high = s->high, zero = s->zero;
    for (int32_t i = 0; i < count; ++i) {
        const int32_t result = wrapped(shifted_product(sums[i] + bias, by, shift));
        output[i * depth] = ($value)(clamped(result, low, high) + zero);
    }
}

/* Results of one column or four and the channels c and c + 1; the latter may lie
   outside. $most products cannot overflow. */
static void results_$name(const uint8_t *pairs, int32_t count, const int8_t *taps,
    int32_t step, $value *output, int32_t depth, const $scaling *s, int32_t c,
    int is_two)
{
    int64_t sums[8];
    for (int32_t at = 0; at < step; at += $most) {
        const int32_t end = step - at < $most ? step : at + $most;
        const uint8_t *const first = pairs + 2 * count * at;
        int32_t parts[8];
        parts[0] = parts[1] = 0;
        if (count == 4) {
            products_4x2(first, taps + 2 * at, pairs + 8 * end, parts);
        } else {
            products_1x2(first, taps + 2 * at, pairs + 2 * end, parts);
        }
        for (int32_t i = 0; i < 2 * count; ++i) {
            sums[i] = (at ? sums[i] : 0) + parts[i];
        }
    }
    put_$name(sums, count, output, depth, s, c);
    if (is_two) {
        put_$name(sums + count, count, output + 1, depth, s, c + 1);
    }
}
#endif
"""

_SUMS = """\
#ifndef HAS_DSP
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
            products_2x2_$dtype(column + at, taps + 2 * at, step, count, parts);
        } else {
            products_1x2_$dtype(column + at, taps + 2 * at, count, parts);
        }
        for (int32_t i = 0; i < 4; ++i) {
            sums[i] += ($sum)parts[i];
        }
    }
}
#endif
"""

_CONVOLUTION = """\
/* Convolution, in groups where the kernel has fewer channels than the input. The input
   itself may be columns after each other. */
static void convolution_$name(const $value *input, $value *output,
    $value *scratch, int is_columns, const int8_t *weights, const window *w,
    const $scaling *s)
{
    const int32_t step =
        (w->kernel_rows * w->kernel_columns * w->kernel_channels + 3) / 4 * 4;
    const int32_t depth = w->output_channels;
    const int32_t per_group = depth / (w->channels / w->kernel_channels);
    const int32_t pixels = w->output_rows * w->output_columns;
#ifdef HAS_DSP
    const int32_t count = pixels < 4 ? 1 : 4;
#else
    const int32_t count = 2;
#endif
    for (int32_t start = 0; start < depth; start += per_group) {
        const $value *const source = input + start / per_group * w->kernel_channels;
        for (int32_t pixel = 0; pixel < pixels; pixel += count) {
            const int8_t *taps =
                weights + start / per_group * ((per_group + 1) / 2 * 2) * step;
#ifdef HAS_DSP
            uint8_t *const pairs = (uint8_t *)scratch;
            const int32_t stride = 4 * count;
            /* The last four are computed with those before them, again. */
            pixel = pixel + count > pixels ? pixels - count : pixel;
            for (int32_t i = 0; i < count; ++i) {
                if (is_columns) {
                    spread_$dtype(
                        input + (pixel + i) * step, pairs + 4 * i, stride, step);
                } else if (w->kernel_channels % 4 == 0) {
                    gather_pairs_$dtype(
                        source, pairs + 4 * i, stride, w, pixel + i, s->input_zero);
                } else {
                    $value *const column =
                        scratch + 2 * count * step / (int32_t)sizeof($value);
                    gather_$dtype(source, column, w, pixel + i, s->input_zero);
                    spread_$dtype(column, pairs + 4 * i, stride, step);
                }
            }
            int32_t c = start;
$small\
            for (; c < start + per_group; c += 2) {
                results_$name(pairs, count, taps, step, output + pixel * depth + c,
                    depth, s, c, c + 1 < start + per_group);
                taps += 2 * step;
            }
#else
            /* The last of an odd number of pixels is alone. */
            const int is_pair = pixel + 1 < pixels;
            const $value *const column = is_columns ? input + pixel * step : scratch;
            $value *first = output + pixel * depth + start;
            for (int32_t i = 0; !is_columns && i <= is_pair; ++i) {
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
#endif
        }
    }
$limit\
}
"""


def _plain_2x2(dtype: str) -> str:
    """Sixteen products, four taps after each other."""
    lines = []
    for i, at in enumerate(_ORDERS[dtype]):
        lines += [
            f"x = column[{at}], y = second[{at}];",
            f"a = taps[{2 * i}], b = taps[{2 * i + 1}];",
            "sum0 += x * a, sum1 += x * b, sum2 += y * a, sum3 += y * b;",
        ]
    return "".join(f"        {line}\n" for line in lines)


def _plain_1x2(dtype: str) -> str:
    lines = []
    for i, at in enumerate(_ORDERS[dtype]):
        lines += [
            f"x = column[{at}];",
            f"sum0 += x * taps[{2 * i}], sum1 += x * taps[{2 * i + 1}];",
        ]
    return "".join(f"        {line}\n" for line in lines)


def fragments() -> dict[str, fragment.Fragment]:
    """All kernels by name, `convolution_int8`, with what they build on."""
    found: dict[str, fragment.Fragment] = {}
    for dtype in _ORDERS:
        names = {"dtype": dtype, "value": f"{dtype}_t"}
        loops = {"plain_2x2": _plain_2x2(dtype), "plain_1x2": _plain_1x2(dtype)}
        products = literals.filled(_PLAIN_PRODUCTS, **names, **loops)
        found[f"products_{dtype}"] = Fragment(products, ("dsp", "not_inline"))
        bits = int(dtype.removeprefix("int"))
        limit = literals.filled(
            _LIMITED,
            **names,
            per_word=str(32 // bits),
            **{"lowest": f"{-(2 ** (bits - 1))}", "highest": f"{2 ** (bits - 1) - 1}"},
            **{"mask": hex(2**bits - 1), "repeated": hex((2**32 - 1) // (2**bits - 1))},
        )
        if dtype == "int8":
            limit = literals.filled(_VECTOR_LIMITED, others=limit)
        found[f"limit_{dtype}"] = Fragment(limit, ("dsp", "not_inline", "clamped"))
        both = f"{_GATHER}\n{_PAIRED_GATHER}".replace("$reach", _REACH)
        gather = literals.filled(both, **names, spread=_SPREAD[dtype])
        found[f"gather_{dtype}"] = Fragment(gather, ("inside", "dsp", "not_inline"))
    for name, types in weighted_kernels.VARIANTS.items():
        found[f"convolution_{name}"] = _convolution(name, types)
    return found


def _convolution(name: str, types: dict[str, str]) -> fragment.Fragment:
    """The kernel of a variant, and what only it needs."""
    is_wide = types["sum"] == "int64_t"
    dtype = types["value"].removesuffix("_t")
    names = {"name": name, "dtype": dtype, "most": str(MAX_PRODUCTS[dtype]), **types}
    limit = "" if is_wide else _CALL_OF_LIMIT
    texts = [_SUMS, _PAIRED_WIDE_SUMS if is_wide else _PAIRED_SUMS]
    small = "" if is_wide else _SMALL
    kernel = _CONVOLUTION.replace("$limit", limit).replace("$small", small)
    text = "\n".join(literals.filled(text, **names) for text in (*texts, kernel))
    if dtype == "int8":
        text = literals.filled(
            vector_convolutions.KERNEL,
            max_depth=str(vector_convolutions.MAX_DEPTH),
            others=text,
        )
    return Fragment(
        text,
        (
            *(("tiles",) if dtype == "int8" else ()),
            f"gather_{dtype}",
            f"products_{dtype}",
            "paired_products",
            *(
                ("wide",)
                if is_wide
                else ("narrow", f"results_{dtype}", f"limit_{dtype}")
            ),
        ),
    )


_SMALL = """\
            if (s->is_small) {
                const int32_t channels = count == 4 ? 2 : 4;
                block b = {pairs, pairs + 2 * count * step, taps, s->bias + c,
                    s->multiplier + c, s->shift + c, output + pixel * depth + c,
                    depth * (int32_t)sizeof($value), s->zero, per_group / channels};
                c += b.count * channels;
                taps += (c - start) * step;
                if (c > start) {
                    count == 4 ? results_4x2_$dtype(&b) : results_1x4_$dtype(&b);
                }
            }
"""
_CALL_OF_LIMIT = """\
#ifdef HAS_DSP
    limit_$dtype(output, pixels * depth, s->low + s->zero, s->high + s->zero);
#endif
"""
