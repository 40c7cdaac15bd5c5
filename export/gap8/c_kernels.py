"""The kernels of `tfpipeline.targets.gap8.kernels` as portable C.

Data are `value`, `[channels][rows][columns]`. Accumulators are uint32_t, in which C
defines wrapping, and results are taken out of them as two's complement.
"""

from export.c import arithmetic, fragment, weighted_kernels

Fragment = fragment.Fragment

_SETTLED = """\
/* An accumulator of 32 bits, rounded, shifted and saturated. */
static value settled(uint32_t sum, int32_t norm)
{
    const uint32_t half = (UINT32_C(1) << norm) >> 1;
    return (value)clamped(wrapped(sum + half) >> norm, LOWEST, HIGHEST);
}
"""

_RECTIFIED = """\
static void rectify(value *data, int32_t count)
{
    for (int32_t i = 0; i < count; ++i) {
        data[i] = data[i] < 0 ? 0 : data[i];
    }
}
"""

_WINDOW = (
    """\
/* A window that slides over planes of rows x columns. */
typedef struct {
    int32_t rows, columns;
    int32_t window_rows, window_columns;
    int32_t output_rows, output_columns;
    int32_t row_stride, column_stride;
    int32_t row_dilation, column_dilation;
    int32_t top, left; /* padding */
} window;

"""
    + weighted_kernels.SPAN
    + """
static span row_span(const window *w, int32_t row)
{
    return inside(row * w->row_stride - w->top, w->window_rows, w->row_dilation,
                  w->rows);
}

static span column_span(const window *w, int32_t column)
{
    return inside(column * w->column_stride - w->left, w->window_columns,
                  w->column_dilation, w->columns);
}
"""
)

_CONVOLUTION = """\
typedef struct {
    window w;
    int32_t outputs;
    int32_t channels, per_group; /* of a kernel; outputs that share their inputs */
    int32_t norm, bias_norm;
} convolution;

/* Adds the products under the window at one place of one input channel. */
static uint32_t add_products(uint32_t sum, const value *plane, const value *taps,
                             const window *w, span ys, span xs)
{
    for (int32_t y = ys.first; y < ys.last; ++y) {
        const value *const line = plane + (ys.start + y * w->row_dilation) * w->columns;
        const value *const row = taps + y * w->window_columns;
        for (int32_t x = xs.first; x < xs.last; ++x) {
            const int32_t found = line[xs.start + x * w->column_dilation];
            sum += (uint32_t)(found * row[x]);
        }
    }
    return sum;
}

/* Single precision: the output is rounded, shifted and saturated after every input
   channel. One output channel. */
static void convolve_single(const value *input, value *output, const value *taps,
                            value bias, const convolution *c)
{
    const window *const w = &c->w;
    const int32_t size = w->output_rows * w->output_columns;
    for (int32_t i = 0; i < size; ++i) {
        output[i] = bias;
    }
    for (int32_t channel = 0; channel < c->channels; ++channel) {
        value *result = output;
        for (int32_t row = 0; row < w->output_rows; ++row) {
            const span ys = row_span(w, row);
            for (int32_t column = 0; column < w->output_columns; ++column) {
                const uint32_t sum = (uint32_t)*result << c->norm;
                *result++ = settled(
                    add_products(sum, input, taps, w, ys, column_span(w, column)),
                    c->norm);
            }
        }
        input += w->rows * w->columns;
        taps += w->window_rows * w->window_columns;
    }
}

/* Double precision: the output is rounded, shifted and saturated once. */
static void convolve_double(const value *input, value *output, const value *taps,
                            value bias, const convolution *c)
{
    const window *const w = &c->w;
    const int32_t area = w->window_rows * w->window_columns;
    for (int32_t row = 0; row < w->output_rows; ++row) {
        const span ys = row_span(w, row);
        for (int32_t column = 0; column < w->output_columns; ++column) {
            const span xs = column_span(w, column);
            uint32_t sum = (uint32_t)bias << c->bias_norm;
            for (int32_t channel = 0; channel < c->channels; ++channel) {
                sum = add_products(sum, input + channel * w->rows * w->columns,
                                   taps + channel * area, w, ys, xs);
            }
            *output++ = settled(sum, c->norm);
        }
    }
}

/* One output channel, by the rule of the precision. */
static void convolve(const value *input, value *output, const value *weights,
                     const value *bias, const convolution *c, int32_t channel,
                     int is_double)
{
    const window *const w = &c->w;
    const int32_t step = c->channels * w->window_rows * w->window_columns;
    const value *const source =
        input + channel / c->per_group * c->channels * w->rows * w->columns;
    if (is_double) {
        convolve_double(source, output, weights + channel * step, bias[channel], c);
    } else {
        convolve_single(source, output, weights + channel * step, bias[channel], c);
    }
}
"""

_CONV = """\
static void conv(const value *input, value *output, const value *weights,
                 const value *bias, const convolution *c, int is_double)
{
    const int32_t size = c->w.output_rows * c->w.output_columns;
    for (int32_t channel = 0; channel < c->outputs; ++channel) {
        convolve(input, output + channel * size, weights, bias, c, channel, is_double);
    }
}
"""

_LARGEST = """\
/* The largest value of each window over one plane, the padding left out. */
static void largest(const value *input, value *output, const window *w)
{
    for (int32_t row = 0; row < w->output_rows; ++row) {
        const span ys = row_span(w, row);
        for (int32_t column = 0; column < w->output_columns; ++column) {
            const span xs = column_span(w, column);
            value found = LOWEST;
            for (int32_t y = ys.first; y < ys.last; ++y) {
                const value *const line =
                    input + (ys.start + y) * w->columns + xs.start;
                for (int32_t x = xs.first; x < xs.last; ++x) {
                    found = line[x] > found ? line[x] : found;
                }
            }
            *output++ = found;
        }
    }
}
"""

_CONV_POOL = """\
/* A plane before its pool: what the chip holds in L1, a tile at a time. */
static value plane[PLANE_SIZE];

static void conv_pool(const value *input, value *output, const value *weights,
                      const value *bias, const convolution *c, const window *pool,
                      int is_double)
{
    const int32_t size = pool->output_rows * pool->output_columns;
    for (int32_t channel = 0; channel < c->outputs; ++channel) {
        convolve(input, plane, weights, bias, c, channel, is_double);
        largest(plane, output + channel * size, pool);
    }
}
"""

_MAX_POOL = """\
static void max_pool(const value *input, value *output, int32_t channels,
                     const window *w)
{
    for (int32_t channel = 0; channel < channels; ++channel) {
        largest(input + channel * w->rows * w->columns,
                output + channel * w->output_rows * w->output_columns, w);
    }
}
"""

_AVERAGE_POOL = """\
/* Sums times a factor, shifted. half is what is added first. */
static void average_pool(const value *input, value *output, int32_t channels,
                         const window *w, uint32_t factor, uint32_t half,
                         int32_t shift)
{
    for (int32_t channel = 0; channel < channels; ++channel) {
        for (int32_t row = 0; row < w->output_rows; ++row) {
            const span ys = row_span(w, row);
            for (int32_t column = 0; column < w->output_columns; ++column) {
                const span xs = column_span(w, column);
                uint32_t sum = 0;
                for (int32_t y = ys.first; y < ys.last; ++y) {
                    const value *const line =
                        input + (ys.start + y) * w->columns + xs.start;
                    for (int32_t x = xs.first; x < xs.last; ++x) {
                        const int32_t found = line[x];
                        sum += (uint32_t)found;
                    }
                }
                *output++ = (value)clamped(wrapped(sum * factor + half) >> shift,
                                           LOWEST, HIGHEST);
            }
        }
        input += w->rows * w->columns;
    }
}
"""

_LINEAR = """\
static void linear(const value *input, value *output, const value *weights,
                   const value *bias, int32_t inputs, int32_t outputs, int32_t norm,
                   int32_t bias_norm)
{
    for (int32_t i = 0; i < outputs; ++i) {
        uint32_t sum = (uint32_t)bias[i] << bias_norm;
        for (int32_t j = 0; j < inputs; ++j) {
            sum += (uint32_t)((int32_t)input[j] * *weights++);
        }
        output[i] = settled(sum, norm);
    }
}
"""

_ALIGNED = """\
/* A value with norm fraction bits less. */
static int32_t aligned(value from, int32_t norm)
{
    return (from + (int32_t)((UINT32_C(1) << norm) >> 1)) >> norm;
}
"""

_COPY = """\
static void copy(const value *input, value *output, int32_t count, int32_t norm)
{
    for (int32_t i = 0; i < count; ++i) {
        output[i] = (value)aligned(input[i], norm);
    }
}
"""

_ADD = """\
static void add(const value *first, const value *second, value *output, int32_t count,
                int32_t first_norm, int32_t second_norm)
{
    for (int32_t i = 0; i < count; ++i) {
        const int32_t sum =
            aligned(first[i], first_norm) + aligned(second[i], second_norm);
        output[i] = (value)clamped(sum, LOWEST, HIGHEST);
    }
}
"""

FRAGMENTS = {
    **arithmetic.FRAGMENTS,
    "settled": Fragment(_SETTLED, ("right_shifts", "wrapped", "clamped")),
    "rectify": Fragment(_RECTIFIED),
    "window": Fragment(_WINDOW),
    "convolution": Fragment(_CONVOLUTION, ("settled", "window")),
    "conv": Fragment(_CONV, ("convolution",)),
    "largest": Fragment(_LARGEST, ("window",)),
    "conv_pool": Fragment(_CONV_POOL, ("convolution", "largest")),
    "max_pool": Fragment(_MAX_POOL, ("largest",)),
    "average_pool": Fragment(
        _AVERAGE_POOL, ("window", "right_shifts", "wrapped", "clamped")
    ),
    "linear": Fragment(_LINEAR, ("settled",)),
    "aligned": Fragment(_ALIGNED, ("right_shifts",)),
    "copy": Fragment(_COPY, ("aligned",)),
    "add": Fragment(_ADD, ("aligned", "clamped")),
}
