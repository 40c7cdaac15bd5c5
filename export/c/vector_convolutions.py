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

/* Of the last channels, fewer than are computed at once: by way of copies. */
static void vector_rest(tile *t, int32_t count, int32_t channels, int32_t depth,
    int is_small)
{
    int32_t bias[8] = {0}, multiplier[8] = {0};
    int8_t shift[8] = {0}, results[8];
    int8_t *const output = t->output;
    for (int32_t c = 0; c < channels; ++c) {
        bias[c] = t->bias[c];
        multiplier[c] = t->multiplier[c];
        shift[c] = t->shift[c];
    }
    t->bias = bias;
    t->multiplier = multiplier;
    t->shift = shift;
    t->output = results;
    t->count = 1;
    if (count == 4) {
        for (int32_t i = 0; i < 8; ++i) {
            t->offsets[i] = (uint16_t)i;
        }
        vector_results(t, count, is_small);
        for (int32_t i = 0; i < 4; ++i) {
            output[i * depth] = results[2 * i];
        }
        return;
    }
    for (int32_t i = 0; i < 4; ++i) {
        /* A pair that does not exist is the last one again. */
        if (2 * i >= channels) {
            t->rows[i] = t->rows[i - 1];
        }
    }
    vector_results(t, count, is_small);
    memcpy(output, results, (size_t)channels);
}

static void convolution_int8(const int8_t *input, int8_t *output, int8_t *scratch,
    int is_columns, const int8_t *weights, const window *w, const scaling *s)
{
    const int32_t step =
        (w->kernel_rows * w->kernel_columns * w->kernel_channels + 3) / 4 * 4;
    const int32_t filled = (step + 15) / 16 * 16;
    const int32_t depth = w->output_channels;
    const int32_t per_group = depth / (w->channels / w->kernel_channels);
    const int32_t pixels = w->output_rows * w->output_columns;
    const int32_t count = pixels < 4 || depth > $max_depth ? 1 : 4;
    const int32_t channels = count == 4 ? 2 : 8, rest = per_group % channels;
    const int is_direct = is_columns && step == filled;
    if (!is_direct) {
        memset(scratch, 0, (size_t)(count * filled));
    }
    for (int32_t start = 0; start < depth; start += per_group) {
        const int8_t *const source = input + start / per_group * w->kernel_channels;
        const int8_t *const taps =
            weights + start / per_group * ((per_group + 1) / 2 * 2) * step;
        for (int32_t pixel = 0; pixel < pixels; pixel += count) {
            tile t;
            /* The last four are computed with those before them, again. */
            pixel = pixel + count > pixels ? pixels - count : pixel;
            for (int32_t i = 0; i < count; ++i) {
                int8_t *const column = scratch + i * filled;
                const int8_t **const row = &t.rows[5 - count + i];
                *row = column;
                if (is_direct) {
                    *row = input + (pixel + i) * step;
                } else if (is_columns) {
                    copy_bytes(column, input + (pixel + i) * step, step);
                } else {
                    gather_int8(source, column, w, pixel + i, s->input_zero);
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
            for (int32_t i = 0; i < 4; ++i) {
                t.offsets[2 * i] = (uint16_t)(count == 4 ? i * depth : i);
                t.offsets[2 * i + 1] =
                    (uint16_t)(t.offsets[2 * i] + (count == 4 ? 1 : 4));
            }
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
