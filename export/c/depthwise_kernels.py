"""Kernels in C for depthwise convolutions: a channel at a time, four pixels at once.

A channel is copied to scratch memory as a plane of int16 with its padding, strip by
strip of rows (`weighted_layers.strip_rows`), so that its pixels lie side by side: cores
with DSP instructions then multiply two of them with two taps, and no window is clipped.
"""

from export.c import fragment, literals, paired_products, weighted_kernels

Fragment = fragment.Fragment

# Pixels that are computed at once: the last of a line with those before them, again. Of
# a line of fewer, those that do not exist are computed too, and read behind the plane.
PIXELS = 4

# Products with int16 whose sum is an int32 for sure.
MAX_PRODUCTS = 2**9 - 4

_PLANE = """\
/* Rows of one channel, from row top on, and what lies around them: zero points.
   row_step and step lead to the next row and column. */
NOT_INLINE static void fill_plane_$dtype(const $value *input, int32_t row_step,
    int32_t step, int16_t *plane, const window *w, int32_t top, int32_t rows,
    int32_t line, int32_t zero)
{
    const int32_t left = w->left < line ? w->left : line;
    const int32_t reach = line - left < w->columns ? line - left : w->columns;
    for (int32_t row = top; row < top + rows; ++row) {
        const int is_inside = row >= 0 && row < w->rows;
        int16_t *const end = plane + line;
        for (int32_t i = is_inside ? left : line; i > 0; --i) {
            *plane++ = (int16_t)zero;
        }
        if (is_inside) {
            const $value *from = input + row * row_step;
            int32_t count = reach;
            for (; count >= 4; count -= 4) {
                plane[0] = from[0];
                plane[1] = from[step];
                plane[2] = from[2 * step];
                plane[3] = from[3 * step];
                from += 4 * step;
                plane += 4;
            }
            for (; count > 0; --count) {
                *plane++ = *from;
                from += step;
            }
        }
        while (plane < end) {
            *plane++ = (int16_t)zero;
        }
    }
}
"""

_TYPE = """\
/* A channel's taps, and how its plane is read. With DSP instructions, taps lie in
   pairs, (0, 1), (2, 3) and so on, the last with 0 if it is alone; where is_three,
   (0, 1) and (1, 2). */
typedef struct {
    const int16_t *taps;
    int32_t rows, columns, is_three; /* of the kernel */
    int32_t row_step, stride; /* in the plane */
    int32_t count, step; /* pixels of a line of results, and from one to the next */
} channel;

/* Taps of one channel of depth. */
NOT_INLINE static void spread_taps(const int8_t *weights, int32_t depth, int16_t *taps,
    const channel *c)
{
    for (int32_t row = 0; row < c->rows; ++row) {
        if (c->is_three) {
            taps[0] = weights[0];
            taps[1] = taps[2] = weights[depth];
            taps[3] = weights[2 * depth];
            taps += 4;
            weights += 3 * depth;
            continue;
        }
        for (int32_t i = 0; i < c->columns; ++i) {
            *taps++ = *weights;
            weights += depth;
        }
        if (c->columns % 2) {
            *taps++ = 0;
        }
    }
}
"""

_WINDOW = """\
/* begin and the products of rows of the kernel, from first on: four sums. */
#ifdef HAS_DSP
static inline void add_window(const int16_t *pixel, const channel *c,
    int32_t first, int32_t rows, int32_t begin, uint32_t *sums)
{
    const int32_t stride = c->stride;
    const int16_t *taps = c->taps + (c->columns + 1) / 2 * 2 * first;
    int32_t sum0 = begin, sum1 = begin, sum2 = begin, sum3 = begin;
    pixel += first * c->row_step;
    if (c->is_three && stride == 1) {
        for (; rows > 0; --rows) {
            const uint32_t a = word_at(taps), b = word_at(taps + 2);
            const uint32_t x = word_at(pixel), y = word_at(pixel + 2);
            const uint32_t z = word_at(pixel + 4);
            sum0 = add_low_high(add_pair(sum0, x, a), y, b);
            sum1 = add_pair(add_high_low(sum1, x, a), y, b);
            sum2 = add_low_high(add_pair(sum2, y, a), z, b);
            sum3 = add_pair(add_high_low(sum3, y, a), z, b);
            pixel += c->row_step;
            taps += 4;
        }
    } else if (c->is_three) {
        for (; rows > 0; --rows) {
            const uint32_t a = word_at(taps), b = word_at(taps + 2);
            const uint32_t x = word_at(pixel), y = word_at(pixel + 2);
            const uint32_t z = word_at(pixel + 4), u = word_at(pixel + 6);
            sum0 = add_low_high(add_pair(sum0, x, a), y, b);
            sum1 = add_low_high(add_pair(sum1, y, a), z, b);
            sum2 = add_low_high(add_pair(sum2, z, a), u, b);
            sum3 = add_low_high(add_pair(sum3, u, a), word_at(pixel + 8), b);
            pixel += c->row_step;
            taps += 4;
        }
    } else {
        for (; rows > 0; --rows) {
            const int16_t *at = pixel;
            for (int32_t i = c->columns; i > 0; i -= 2) {
                const uint32_t pair = word_at(taps);
                sum0 = add_pair(sum0, word_at(at), pair);
                sum1 = add_pair(sum1, word_at(at + stride), pair);
                sum2 = add_pair(sum2, word_at(at + 2 * stride), pair);
                sum3 = add_pair(sum3, word_at(at + 3 * stride), pair);
                taps += 2;
                at += 2;
            }
            pixel += c->row_step;
        }
    }
    sums[0] = (uint32_t)sum0;
    sums[1] = (uint32_t)sum1;
    sums[2] = (uint32_t)sum2;
    sums[3] = (uint32_t)sum3;
}
#else
static inline void add_window(const int16_t *pixel, const channel *c,
    int32_t first, int32_t rows, int32_t begin, uint32_t *sums)
{
    const int32_t stride = c->stride;
    const int16_t *taps = c->taps + (c->columns + 1) / 2 * 2 * first;
    uint32_t sum0 = (uint32_t)begin, sum1 = sum0, sum2 = sum0, sum3 = sum0;
    pixel += first * c->row_step;
    for (; c->columns == 3 && rows > 0; --rows) {
        const int16_t *const at1 = pixel + stride, *const at2 = at1 + stride,
                      *const at3 = at2 + stride;
        const int32_t x = taps[0], y = taps[1], z = taps[2];
        sum0 += (uint32_t)(pixel[0] * x + pixel[1] * y + pixel[2] * z);
        sum1 += (uint32_t)(at1[0] * x + at1[1] * y + at1[2] * z);
        sum2 += (uint32_t)(at2[0] * x + at2[1] * y + at2[2] * z);
        sum3 += (uint32_t)(at3[0] * x + at3[1] * y + at3[2] * z);
        taps += 4;
        pixel += c->row_step;
    }
    for (; rows > 0; --rows) {
        const int16_t *at = pixel;
        for (int32_t i = c->columns; i > 0; --i) {
            const int32_t tap = *taps++;
            sum0 += (uint32_t)(at[0] * tap);
            sum1 += (uint32_t)(at[stride] * tap);
            sum2 += (uint32_t)(at[2 * stride] * tap);
            sum3 += (uint32_t)(at[3 * stride] * tap);
            ++at;
        }
        taps += c->columns % 2;
        pixel += c->row_step;
    }
    sums[0] = sum0;
    sums[1] = sum1;
    sums[2] = sum2;
    sums[3] = sum3;
}
#endif
"""

_LINE = """\
/* A line of results of one channel, which may have to be limited yet. */
NOT_INLINE static void depthwise_line_$name(const int16_t *pixel, $value *output,
    const channel *c, const $scaling *s, int32_t number)
{
    int32_t i = 0;
$begin\
    while (i < c->count) {
        /* The last four are computed with those before them, again. */
        const int32_t last = c->count - 4, count = c->count < 4 ? c->count : 4;
        i = i > last && last > 0 ? last : i;
$sums\
        for (int32_t k = 0; k < count; ++k) {
$results\
        }
        i += 4;
    }
}
"""

# Bytes that are stored may be those of the scaling, for all that compilers know.
_NARROW_BEGIN = """\
    const int32_t by = s->multiplier[number], right = ~s->shift[number];
    const int32_t low = s->low, high = s->high, zero = s->zero, is_small = s->is_small;
#ifdef HAS_DSP
    if (c->is_three && is_small && c->count >= 4) {
        line_of_three l = {pixel, c->taps, c->rows,
            c->row_step * (int32_t)sizeof(int16_t), s->bias[number],
            by, right, zero, output,
            c->step * (int32_t)sizeof($value), c->count / 4};
        c->stride == 1 ? line_of_three_1_$dtype(&l) : line_of_three_2_$dtype(&l);
        if (c->count % 4) {
            i = c->count - 4;
            l.pixel = pixel + i * c->stride;
            l.output = output + i * c->step;
            l.count = 1;
            c->stride == 1 ? line_of_three_1_$dtype(&l) : line_of_three_2_$dtype(&l);
        }
        return;
    }
#endif
"""

_NARROW_SUMS = """\
        uint32_t sums[4];
        add_window(pixel + i * c->stride, c, 0, c->rows, s->bias[number], sums);
"""

_NARROW_RESULTS = """\
            const int32_t sum = wrapped(sums[k]);
            output[(i + k) * c->step] = ($value)(is_small
                ? clamped(scaled_down(sum, by, right), low, high) + zero
                : rescaled(sum, s, number));
"""

_WIDE_BEGIN = """\
    const int64_t bias = s->bias ? s->bias[number] : 0;
    const int32_t by = s->multiplier[number], shift = s->shift[number];
    const int32_t low = s->low, high = s->high, zero = s->zero;
"""

_WIDE_RESULTS = """\
            const int32_t result = wrapped(shifted_product(sums[k] + bias, by, shift));
            output[(i + k) * c->step] = ($value)(clamped(result, low, high) + zero);
"""

# As many rows at once as have an int32 as their sum.
_WIDE_SUMS = """\
        const int32_t most = $most / ((c->columns + 1) / 2 * 2);
        int64_t sums[4] = {0, 0, 0, 0};
        for (int32_t row = 0; row < c->rows; row += most) {
            const int32_t rows = c->rows - row < most ? c->rows - row : most;
            uint32_t parts[4];
            add_window(pixel + i * c->stride, c, row, rows, 0, parts);
            for (int32_t k = 0; k < 4; ++k) {
                sums[k] += wrapped(parts[k]);
            }
        }
"""

# Fields of a line of three, as the assembler finds them.
_LINE_OF_THREE = """\
#ifdef HAS_DSP
/* Pixels of a kernel of three columns whose scaling is_small, in fours. */
typedef struct {
    const int16_t *pixel, *taps;
    int32_t rows, row_bytes, bias, multiplier, shift, zero;
    void *output;
    int32_t pixel_bytes, count;
} line_of_three;
#endif
"""

_LINES_OF_THREE = """\
#ifdef HAS_DSP
NOT_INLINE static void line_of_three_1_$dtype(line_of_three *l)
{
    register line_of_three *r0 __asm__("r0") = l;
    __asm__ volatile(
$one\
        : "+r"(r0) : : "r1", "r2", "r3", "r12", "cc", "memory");
}

NOT_INLINE static void line_of_three_2_$dtype(line_of_three *l)
{
    register line_of_three *r0 __asm__("r0") = l;
    __asm__ volatile(
$two\
        : "+r"(r0) : : "r1", "r2", "r3", "r12", "cc", "memory");
}
#endif
"""

# Pixels of a row in r10 and on, taps (0, 1) in r8 and (1, 2) in r9; sums in r4 to r7.
_ROW_OF_THREE = {
    1: (
        *("ldr r10, [r0]", "ldr r11, [r0, #4]", "ldr r12, [r0, #8]"),
        *("smlad r4, r10, r8, r4", "smlabt r4, r11, r9, r4"),
        *("smlatb r5, r10, r8, r5", "smlad r5, r11, r9, r5"),
        *("smlad r6, r11, r8, r6", "smlabt r6, r12, r9, r6"),
        *("smlatb r7, r11, r8, r7", "smlad r7, r12, r9, r7"),
    ),
    2: (
        *("ldr r10, [r0]", "ldr r11, [r0, #4]", "ldr r12, [r0, #8]"),
        *("smlad r4, r10, r8, r4", "smlabt r4, r11, r9, r4"),
        *("smlad r5, r11, r8, r5", "smlabt r5, r12, r9, r5"),
        *("ldr r10, [r0, #12]", "ldr r11, [r0, #16]"),
        *("smlad r6, r12, r8, r6", "smlabt r6, r10, r9, r6"),
        *("smlad r7, r10, r8, r7", "smlabt r7, r11, r9, r7"),
    ),
}


def _line_of_three(stride: int, dtype: str) -> tuple[str, ...]:
    """Four pixels at a time; r0 is the struct, and on the stack."""
    store = paired_products.STORE[dtype]
    return (
        "push {r0, r4-r11, lr}",
        *("2:", "ldr lr, [sp]", "ldm lr, {r0-r4}"),
        *("mov r5, r4", "mov r6, r4", "mov r7, r4"),
        *("1:", "ldrd r8, r9, [r1], #8", *_ROW_OF_THREE[stride]),
        *("add r0, r0, r3", "subs r2, r2, #1", "bne 1b"),
        *("add lr, lr, #20", "ldm lr, {r0-r3, r8}"),
        *(
            line
            for i in range(4, 8)
            for line in paired_products.scaled(f"r{i}", "r0", "r1", "r2", dtype)
        ),
        *(f"{store} r4, [r3]", f"{store} r5, [r3, r8]"),
        *(f"{store} r6, [r3, r8, lsl #1]", "add r9, r3, r8"),
        *(f"{store} r7, [r9, r8, lsl #1]", "add r3, r3, r8, lsl #2"),
        *("str r3, [lr, #12]", "ldr r0, [lr, #-20]", f"add r0, r0, #{8 * stride}"),
        *("str r0, [lr, #-20]", "ldr r2, [lr, #20]", "subs r2, r2, #1"),
        *("str r2, [lr, #20]", "bne 2b", "pop {r0, r4-r11, lr}"),
    )


_DEPTHWISE = """\
/* Each output channel from one input channel; strip rows of results at a time. Where
   is_turned, rows are the columns of input and output. */
NOT_INLINE static void depthwise_$name(const $value *input, $value *output,
    int16_t *scratch, int32_t strip, int is_turned, const int8_t *weights,
    const window *w, const $scaling *s)
{
    const int32_t depth = w->output_channels;
    const int32_t multiplier = depth / w->channels;
    const int32_t stride = w->column_stride;
    const int32_t paired = (w->kernel_columns + 1) / 2 * 2;
    const int32_t line = ((w->output_columns - 1) * stride + paired + 1) / 2 * 2;
    const int32_t from_row = (is_turned ? 1 : w->columns) * w->channels;
    const int32_t from_column = (is_turned ? w->rows : 1) * w->channels;
    const int32_t to_row = (is_turned ? 1 : w->output_columns) * depth;
    int16_t *const plane = scratch + w->kernel_rows * paired;
    channel c = {scratch, w->kernel_rows, w->kernel_columns, 0, w->row_dilation * line,
        stride, w->output_columns, (is_turned ? w->output_rows : 1) * depth};
#ifdef HAS_DSP
    c.is_three = w->kernel_columns == 3 && stride <= 2;
#endif
    for (int32_t first = 0; first < w->output_rows; first += strip) {
        const int32_t rows =
            w->output_rows - first < strip ? w->output_rows - first : strip;
        for (int32_t number = 0; number < depth; ++number) {
            if (number % multiplier == 0) {
                fill_plane_$dtype(input + number / multiplier, from_row, from_column,
                    plane, w, first * w->row_stride - w->top,
                    (rows - 1) * w->row_stride
                        + (w->kernel_rows - 1) * w->row_dilation + 1,
                    line, s->input_zero);
            }
            spread_taps(weights + number, depth, scratch, &c);
            for (int32_t row = 0; row < rows; ++row) {
                depthwise_line_$name(plane + row * w->row_stride * line,
                    output + (first + row) * to_row + number, &c, s, number);
            }
        }
    }
$limit\
}
"""

_LIMIT = """\
#ifdef HAS_DSP
    limit_$dtype(output, w->output_rows * w->output_columns * depth,
        s->low + s->zero, s->high + s->zero);
#endif
"""


def fragments() -> dict[str, fragment.Fragment]:
    """All kernels by name, `depthwise_int8`, with what they build on."""
    found = {
        "channel": Fragment(_TYPE, ("dsp", "not_inline")),
        "add_window": Fragment(_WINDOW, ("channel",)),
        "line_of_three": Fragment(_LINE_OF_THREE, ("dsp", "not_inline")),
    }
    for dtype in paired_products.STORE:
        names = {"dtype": dtype, "value": f"{dtype}_t"}
        plane = literals.filled(_PLANE, **names)
        found[f"fill_plane_{dtype}"] = Fragment(plane, ("window", "not_inline"))
        lines = {
            name: paired_products.assembled(_line_of_three(stride, dtype))
            for name, stride in (("one", 1), ("two", 2))
        }
        three = literals.filled(_LINES_OF_THREE, dtype=dtype, **lines)
        found[f"lines_of_three_{dtype}"] = Fragment(three, ("line_of_three",))
    for name, types in weighted_kernels.VARIANTS.items():
        found[f"depthwise_{name}"] = _depthwise(name, types)
    return found


def _depthwise(name: str, types: dict[str, str]) -> fragment.Fragment:
    """The kernel of a variant."""
    dtype = types["value"].removesuffix("_t")
    needs = [f"fill_plane_{dtype}", "add_window"]
    if types["sum"] == "int64_t":
        line = _LINE.replace("$begin", _WIDE_BEGIN).replace("$sums", _WIDE_SUMS)
        line = line.replace("$results", _WIDE_RESULTS)
        kernel = _DEPTHWISE.replace("$limit", "")
        needs += ["wide"]
    else:
        line = _LINE.replace("$begin", _NARROW_BEGIN).replace("$sums", _NARROW_SUMS)
        line = line.replace("$results", _NARROW_RESULTS)
        kernel = _DEPTHWISE.replace("$limit", _LIMIT)
        needs += ["narrow", f"limit_{dtype}", f"lines_of_three_{dtype}"]
    names = {"name": name, "dtype": dtype, "most": str(MAX_PRODUCTS), **types}
    return Fragment(literals.filled(f"{line}\n{kernel}", **names), tuple(needs))
