"""Depthwise convolutions of int8 on cores with MVE: sixteen channels at a time.

Sixteen channels are copied to scratch memory with their padding, tile by tile of the
image, and before them their taps. Products of two taps are added as int16 before they
become int32: without weights of -128 no sum of two is larger than 2 * 128 * 127.
VMULLB takes even bytes and VMULLT odd ones, VMOVLB and VMOVLT even and odd halves, so
that of four vectors of sums the first one has the channels 0, 4, 8, 12, the second one
1, 5, 9, 13 and so on; bytes of results are put together again in the same way.
"""

from export.c import fragment, literals, paired_products

Fragment = fragment.Fragment

# Channels that are computed at once.
LANES = 16

# Where the fields of `depthwise_line` lie.
_FIELDS = {
    name: 4 * at
    for at, name in enumerate(
        (
            *("pixel", "taps", "rows", "pairs", "is_odd", "jump", "stride", "count"),
            *("output", "pixel_bytes", "zero", "lanes", "bias"),
        )
    )
}
_BIAS = _FIELDS["bias"]
_MULTIPLIER, _SHIFT = _BIAS + 4 * LANES, _BIAS + 8 * LANES


def _loaded(register: str, field: str) -> str:
    return f"ldr {register}, [r0, #{_FIELDS[field]}]"


# Products of even channels are in q6, of odd ones in q7.
_ONE_TAP = (
    *("vldrb.8 q4, [r3], #16", "vldrb.8 q5, [r4], #16"),
    *("vmullb.s8 q6, q4, q5", "vmullt.s8 q7, q4, q5"),
)
_ANOTHER_TAP = (
    *("vldrb.8 q4, [r3], #16", "vldrb.8 q5, [r4], #16"),
    *("vmullb.s8 q5, q4, q5", "vadd.i16 q6, q6, q5"),
    *("vldrb.8 q5, [r4, #-16]", "vmullt.s8 q4, q4, q5", "vadd.i16 q7, q7, q4"),
)
_ADDED = (
    *("vmovlb.s16 q4, q6", "vadd.i32 q0, q0, q4"),
    *("vmovlb.s16 q5, q7", "vadd.i32 q1, q1, q5"),
    *("vmovlt.s16 q6, q6", "vadd.i32 q2, q2, q6"),
    *("vmovlt.s16 q7, q7", "vadd.i32 q3, q3, q7"),
)


def _scaled() -> tuple[str, ...]:
    """As `vector_products` does where the scaling is_small."""
    lines = []
    for i in range(4):
        lines += [
            *(f"vldrw.32 q4, [r0, #{_MULTIPLIER + 16 * i}]",),
            f"vldrw.32 q5, [r0, #{_SHIFT + 16 * i}]",
            f"vqrdmulh.s32 q{i}, q{i}, q4",
            *(f"vshr.s32 q6, q{i}, #31", f"vadd.i32 q{i}, q{i}, q6"),
            f"vrshl.s32 q{i}, q{i}, q5",
        ]
    return (
        *lines,
        *("vqmovnb.s32 q0, q0", "vqmovnt.s32 q0, q2", "vqadd.s16 q0, q0, r11"),
        *("vqmovnb.s32 q1, q1", "vqmovnt.s32 q1, q3", "vqadd.s16 q1, q1, r11"),
        *("vqmovnb.s16 q0, q0", "vqmovnt.s16 q0, q1"),
    )


# All pixels of a line of results.
_LINE = (
    "push {r0, r4-r11, lr}",
    *(_loaded("r1", "pixel"), _loaded("r2", "taps"), _loaded("r6", "pairs")),
    *(_loaded("r7", "is_odd"), _loaded("r8", "jump"), _loaded("r9", "output")),
    *(_loaded("r10", "count"), _loaded("r11", "zero")),
    *(_loaded("r12", "lanes"), "vmsr p0, r12"),
    *("3:", "mov r3, r1", "mov r4, r2", _loaded("r5", "rows")),
    *(f"vldrw.32 q{i}, [r0, #{_BIAS + 16 * i}]" for i in range(4)),
    *("1:", "wls lr, r6, 5f"),
    *("2:", *_ONE_TAP, *_ANOTHER_TAP, *_ADDED, "le lr, 2b"),
    *("5:", "cmp r7, #0", "beq 6f", *_ONE_TAP, *_ADDED),
    *("6:", "add r3, r3, r8", "subs r5, r5, #1", "bne 1b"),
    *(*_scaled(), "vpst", "vstrbt.8 q0, [r9]"),
    *(_loaded("r12", "stride"), "add r1, r1, r12"),
    *(_loaded("r12", "pixel_bytes"), "add r9, r9, r12"),
    *("subs r10, r10, #1", "bne 3b", "pop {r0, r4-r11, lr}"),
)

_TEXT = """\
#ifdef HAS_MVE
/* A line of results of at most 16 channels: rows of pairs of taps, and of one more
   where is_odd; jump and stride are bytes from a row to the next and from a pixel to
   the next. Of biases, multipliers and shifts, the first four are those of the channels
   0, 4, 8 and 12, the next ones those of 1, 5, 9, 13. */
typedef struct {
    const int8_t *pixel, *taps;
    int32_t rows, pairs, is_odd, jump, stride, count;
    int8_t *output;
    int32_t pixel_bytes, zero, lanes;
    int32_t bias[16], multiplier[16], shift[16];
} vector_line;

NOT_INLINE static void depthwise_vector_line(vector_line *l)
{
    register vector_line *r0 __asm__("r0") = l;
    __asm__ volatile(
$line\
        : "+r"(r0) : : "r1", "r2", "r3", "r12", "cc", "memory", "q0", "q1", "q2", "q3",
          "q4", "q5", "q6", "q7");
}

/* Vectors of 16 bytes, or of those of the lower bits of lanes, step bytes apart. */
static inline int8_t *copy_vectors(int8_t *to, const int8_t *from, int32_t step,
    int32_t count, int32_t lanes)
{
    __asm__ volatile("vmsr p0, %4\\n"
                     "wls lr, %3, 2f\\n"
                     "1: vpst\\n"
                     "vldrbt.8 q0, [%1]\\n"
                     "add %1, %1, %2\\n"
                     "vstrb.8 q0, [%0], #16\\n"
                     "le lr, 1b\\n"
                     "2:"
                     : "+&r"(to), "+&r"(from)
                     : "r"(step), "r"(count), "r"(lanes)
                     : "memory", "lr", "q0");
    return to;
}

static inline int8_t *fill_vectors(int8_t *to, int32_t value, int32_t count)
{
    __asm__ volatile("vdup.8 q0, %1\\n"
                     "wls lr, %2, 2f\\n"
                     "1: vstrb.8 q0, [%0], #16\\n"
                     "le lr, 1b\\n"
                     "2:"
                     : "+&r"(to)
                     : "r"(value), "r"(count)
                     : "memory", "lr", "q0");
    return to;
}

/* Rows of 16 channels, from row top and column begin on, and what lies around them:
   zero points. row_step and step lead to the next row and column. */
NOT_INLINE static void fill_vector_plane(const int8_t *input, int32_t row_step,
    int32_t step, int8_t *plane, const window *w, int32_t top, int32_t rows,
    int32_t begin, int32_t line, int32_t zero, int32_t lanes)
{
    const int32_t outside = begin < 0 ? -begin : 0;
    const int32_t left = outside < line ? outside : line;
    const int32_t inside_right = w->columns - (begin + left);
    const int32_t some = line - left < inside_right ? line - left : inside_right;
    const int32_t reach = some > 0 ? some : 0;
    input += (begin + left) * step;
    for (int32_t row = top; row < top + rows; ++row) {
        if (row < 0 || row >= w->rows) {
            plane = fill_vectors(plane, zero, line);
            continue;
        }
        plane = fill_vectors(plane, zero, left);
        plane = copy_vectors(plane, input + row * row_step, step, reach, lanes);
        plane = fill_vectors(plane, zero, line - left - reach);
    }
}
#endif

/* As depthwise_int8, of one output channel an input channel, without weights of -128,
   where the scaling is_small. Tiles of 16 channels are computed at a time. */
static void vector_depthwise_int8(const int8_t *input, int8_t *output, int16_t *scratch,
    int32_t strip, int32_t tile_rows, int32_t tile_columns, int is_turned,
    const int8_t *weights, const window *w, const scaling *s)
{
#ifdef HAS_MVE
    const int32_t depth = w->output_channels, taps = w->kernel_rows * w->kernel_columns;
    const int32_t from_row = (is_turned ? 1 : w->columns) * depth;
    const int32_t from_column = (is_turned ? w->rows : 1) * depth;
    const int32_t to_row = (is_turned ? 1 : w->output_columns) * depth;
    int8_t *const packed = (int8_t *)scratch, *const plane = packed + 16 * taps;
    const int32_t to_column = (is_turned ? w->output_rows : 1) * depth;
    vector_line l = {plane, packed, w->kernel_rows, w->kernel_columns / 2,
        w->kernel_columns % 2, 0, w->column_stride * 16, 0, output, to_column, s->zero,
        0, {0}, {0}, {0}};
    (void)strip;
    for (int32_t start = 0; start < depth; start += 16) {
        const int32_t lanes = depth - start < 16 ? (1 << (depth - start)) - 1 : 0xFFFF;
        l.lanes = lanes;
        copy_vectors(packed, weights + start, depth, taps, 0xFFFF);
        for (int32_t i = 0; i < 16 && start + i < depth; ++i) {
            const int32_t at = i % 4 * 4 + i / 4;
            l.bias[at] = s->bias[start + i];
            l.multiplier[at] = s->multiplier[start + i];
            l.shift[at] = s->shift[start + i];
        }
        for (int32_t row = 0; row < w->output_rows; row += tile_rows) {
            const int32_t below = w->output_rows - row;
            const int32_t rows = below < tile_rows ? below : tile_rows;
            for (int32_t column = 0; column < w->output_columns;
                 column += tile_columns) {
                const int32_t left = w->output_columns - column;
                const int32_t columns = left < tile_columns ? left : tile_columns;
                const int32_t line =
                    (columns - 1) * w->column_stride + w->kernel_columns;
                fill_vector_plane(input + start, from_row, from_column, plane, w,
                    row * w->row_stride - w->top,
                    (rows - 1) * w->row_stride
                        + (w->kernel_rows - 1) * w->row_dilation + 1,
                    column * w->column_stride - w->left, line, s->input_zero, lanes);
                l.jump = (w->row_dilation * line - w->kernel_columns) * 16;
                l.count = columns;
                for (int32_t i = 0; i < rows; ++i) {
                    l.pixel = plane + i * w->row_stride * line * 16;
                    l.output = output + (row + i) * to_row + column * to_column + start;
                    depthwise_vector_line(&l);
                }
            }
        }
    }
    limit_int8(output, w->output_rows * w->output_columns * depth, s->low + s->zero,
        s->high + s->zero);
#else
    (void)tile_rows;
    (void)tile_columns;
    depthwise_int8(input, output, scratch, strip, is_turned, weights, w, s);
#endif
}
"""


def fragments() -> dict[str, fragment.Fragment]:
    """The kernel by name."""
    text = literals.filled(_TEXT, line=paired_products.assembled(_LINE))
    return {"vector_depthwise_int8": Fragment(text, ("depthwise_int8", "mve"))}
