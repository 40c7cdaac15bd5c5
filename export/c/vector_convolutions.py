"""Convolutions of int8 on cores with MVE: four columns and two channels at a time.

Columns lie in scratch memory as bytes, filled up with zeros to a multiple of 16, or are
the input itself. Where there are fewer pixels than four, as in a dense layer, eight
channels of one column are computed together.
"""

# Most channels whose results, of four pixels, offsets of 16 bits can reach.
MAX_DEPTH = (2**16 - 2) // 3
# Inputs of a column that are multiplied at once.
LANES = 16

KERNEL = """\
#ifdef HAS_MVE
/* Results of a tile of count pixels; all of step taps a channel. */
static void vector_results(tile *t, int32_t count, int is_small)
{
    if (count == 4) {
        is_small ? tile_4x2_small(t) : tile_4x2(t);
    } else {
        is_small ? tile_1x8_small(t) : tile_1x8(t);
    }
}

/* Of the last channels, fewer than are computed at once: by way of eight results. A
   pair that does not exist is the first one again; tables may be read behind their
   ends. */
static void vector_rest(tile *t, int32_t count, int32_t channels, int32_t depth,
    int is_small)
{
    static const uint16_t after_each_other[8] = {0, 1, 2, 3, 4, 5, 6, 7};
    int8_t results[8];
    int8_t *const output = t->output;
    t->output = results;
    t->count = 1;
    if (count == 4) {
        t->offsets = after_each_other;
        vector_results(t, count, is_small);
        for (int32_t i = 0; i < 4; ++i) {
            output[i * depth] = results[2 * i];
        }
        return;
    }
    for (int32_t i = 1; i < 4; ++i) {
        t->rows[i] = t->rows[2 * i < channels ? i : 0];
    }
    vector_results(t, count, is_small);
    for (int32_t c = 0; c < channels; ++c) {
        output[c] = results[c];
    }
}

/* count rows of width bytes, step bytes apart, one after the other. */
static inline void copy_rows(int8_t *to, const int8_t *from, int32_t width,
    int32_t step, int32_t count)
{
    const int8_t *source;
    int8_t *target;
    __asm__ volatile("1: mov %0, %3\\n"
                     "mov %1, %2\\n"
                     "wlstp.8 lr, %5, 3f\\n"
                     "2: vldrb.8 q0, [%0], #16\\n"
                     "vstrb.8 q0, [%1], #16\\n"
                     "letp lr, 2b\\n"
                     "3: add %2, %2, %5\\n"
                     "add %3, %3, %6\\n"
                     "subs %4, %4, #1\\n"
                     "bne 1b"
                     : "=&r"(source), "=&r"(target), "+&r"(to), "+&r"(from),
                       "+&r"(count)
                     : "r"(width), "r"(step)
                     : "cc", "memory", "lr", "q0");
}

static void convolution_int8(const int8_t *input, int8_t *output, int8_t *scratch,
    int is_columns, const int8_t *weights, const window *w, const scaling *s)
{
    const int32_t width = w->kernel_columns * w->kernel_channels;
    const int32_t step = (w->kernel_rows * width + 3) / 4 * 4;
    const int32_t filled = (step + 15) / 16 * 16;
    const int32_t depth = w->output_channels;
    const int32_t per_group = depth / (w->channels / w->kernel_channels);
    const int32_t pixels = w->output_rows * w->output_columns;
    const int32_t count = pixels < 4 || depth > $max_depth ? 1 : 4;
    const int32_t channels = count == 4 ? 2 : 8, rest = per_group % channels;
    const int is_direct = is_columns && step == filled;
    /* Inputs below a row of taps lie side by side. */
    const int is_dense = w->row_dilation == 1
        && (w->kernel_columns == 1 || (w->column_dilation == 1 && per_group == depth));
    const int32_t row_step = w->columns * w->channels;
    uint16_t offsets[8];
    for (int32_t i = 0; i < 4; ++i) {
        offsets[2 * i] = (uint16_t)(count == 4 ? i * depth : i);
        offsets[2 * i + 1] = (uint16_t)(count == 4 ? i * depth + 1 : i + 4);
    }
    if (!is_direct && (w->kernel_rows * width) % 16 != 0) {
        memset(scratch, 0, (size_t)(count * filled));
    }
    for (int32_t start = 0; start < depth; start += per_group) {
        const int8_t *const source = input + start / per_group * w->kernel_channels;
        const int8_t *const taps =
            weights + start / per_group * ((per_group + 1) / 2 * 2) * step;
        int32_t row = 0, column = 0;
        for (int32_t pixel = 0; pixel < pixels; pixel += count) {
            tile t;
            if (pixel + count > pixels) {
                /* The last four are computed with those before them, again. */
                pixel = pixels - count;
                row = pixel / w->output_columns;
                column = pixel - row * w->output_columns;
            }
            for (int32_t i = 0; i < count; ++i) {
                int8_t *const to = scratch + i * filled;
                if (is_direct) {
                    t.rows[5 - count + i] = input + (pixel + i) * step;
                    continue;
                }
                t.rows[5 - count + i] = to;
                if (is_columns) {
                    copy_bytes(to, input + (pixel + i) * step, step);
                    continue;
                }
                const int32_t y = row * w->row_stride - w->top;
                const int32_t x = column * w->column_stride - w->left;
                if (is_dense && y >= 0 && x >= 0 && y + w->kernel_rows <= w->rows
                    && x + w->kernel_columns <= w->columns) {
                    copy_rows(to, source + y * row_step + x * w->channels, width,
                        row_step, w->kernel_rows);
                } else {
                    gather_int8(source, to, w, pixel + i, s->input_zero);
                }
                if (++column == w->output_columns) {
                    column = 0;
                    ++row;
                }
            }
            for (int32_t i = 0; i < 5 - count; ++i) {
                t.rows[i] = taps + (2 * i < per_group ? 2 * i : 0) * step;
            }
            t.end = t.rows[5 - count] + filled;
            t.bias = s->bias + start;
            t.multiplier = s->multiplier + start;
            t.shift = s->shift + start;
            t.output = output + pixel * depth + start;
            t.next = channels * step - 2 * filled;
            t.zero = s->zero;
            t.count = per_group / channels;
            t.offsets = offsets;
            if (t.count) {
                vector_results(&t, count, s->is_small);
            }
            if (rest) {
                vector_rest(&t, count, rest, depth, s->is_small);
            }
        }
    }
    limit_int8(output, pixels * depth, s->low + s->zero, s->high + s->zero);
}
#else
$others\
#endif
"""
