"""Kernels in C for transposed convolutions, and what all windows need.

Each comes in three variants: int8; int16 with sums of 32 bits; int16 with sums of 64.
"""

from export.c import fragment, literals

Fragment = fragment.Fragment

WINDOW = """\
/* A window that slides over rows x columns x channels. */
typedef struct {
    int32_t rows, columns, channels;
    int32_t kernel_rows, kernel_columns, kernel_channels;
    int32_t output_rows, output_columns, output_channels;
    int32_t row_stride, column_stride;
    int32_t row_dilation, column_dilation;
    int32_t top, left; /* padding */
} window;
"""

NOT_INLINE = """\
/* An inner loop by itself has all registers; not all cores use it. */
#if defined(__GNUC__)
#define NOT_INLINE __attribute__((noinline, unused))
#else
#define NOT_INLINE
#endif
"""

SPAN = """\
/* Taps first to last - 1 of a kernel lie inside the input along one axis; tap 0 lies
   at start. */
typedef struct {
    int32_t start, first, last;
} span;

static span inside(int32_t start, int32_t taps, int32_t dilation, int32_t size)
{
    span s = {start, 0, taps};
    while (s.first < taps && start + s.first * dilation < 0) {
        ++s.first;
    }
    while (s.last > s.first && start + (s.last - 1) * dilation >= size) {
        --s.last;
    }
    return s;
}
"""

INSIDE = (
    SPAN
    + """
static span row_span(const window *w, int32_t row)
{
    return inside(row * w->row_stride - w->top, w->kernel_rows, w->row_dilation,
                  w->rows);
}

static span column_span(const window *w, int32_t column)
{
    return inside(column * w->column_stride - w->left, w->kernel_columns,
                  w->column_dilation, w->columns);
}
"""
)

_PRODUCTS = """\
/* Adds the products of count inputs and the taps of one channel. */
static $sum add_products_$name($sum sum, const $value *input,
    const int8_t *taps, int32_t count, int32_t zero)
{
    for (int32_t i = 0; i < count; ++i) {
        sum += ($sum)((input[i] - zero) * taps[i]);
    }
    return sum;
}
"""

_TRANSPOSED = """\
/* Each output pixel gathers the inputs whose kernels reach it. */
static void transposed_$name(const $value *input, $value *output,
    const int8_t *weights, const window *w, const $scaling *s)
{
    for (int32_t row = 0; row < w->output_rows; ++row) {
        for (int32_t column = 0; column < w->output_columns; ++column) {
            for (int32_t c = 0; c < w->output_channels; ++c) {
                $sum sum = 0;
                for (int32_t y = 0; y < w->kernel_rows; ++y) {
                    const int32_t down = row + w->top - y;
                    if (down < 0 || down % w->row_stride != 0
                        || down / w->row_stride >= w->rows) {
                        continue;
                    }
                    for (int32_t x = 0; x < w->kernel_columns; ++x) {
                        const int32_t across = column + w->left - x;
                        if (across < 0 || across % w->column_stride != 0
                            || across / w->column_stride >= w->columns) {
                            continue;
                        }
                        const int32_t at = down / w->row_stride * w->columns
                            + across / w->column_stride;
                        const int32_t tap =
                            (c * w->kernel_rows + y) * w->kernel_columns + x;
                        sum = add_products_$name(sum, input + at * w->channels,
                            weights + tap * w->channels, w->channels, s->input_zero);
                    }
                }
                *output++ = ($value)$requantized(sum, s, c);
            }
        }
    }
}
"""

# Variant -> what its texts name.
VARIANTS = {
    "int8": {
        "value": "int8_t",
        "sum": "uint32_t",
        "scaling": "scaling",
        "requantized": "requantized",
    },
    "int16": {
        "value": "int16_t",
        "sum": "uint32_t",
        "scaling": "scaling",
        "requantized": "requantized",
    },
    "int16_wide": {
        "value": "int16_t",
        "sum": "int64_t",
        "scaling": "wide_scaling",
        "requantized": "wide_requantized",
    },
}


def fragments() -> dict[str, fragment.Fragment]:
    """All kernels by name, `convolution_int8`, with what they build on."""
    found = {"window": Fragment(WINDOW), "inside": Fragment(INSIDE, ("window",))}
    found["not_inline"] = Fragment(NOT_INLINE)
    for name, types in VARIANTS.items():
        scaling = "wide" if types["sum"] == "int64_t" else "narrow"
        products = f"add_products_{name}"
        for kernel, text, needs in (
            ("add_products", _PRODUCTS, ()),
            ("transposed", _TRANSPOSED, ("window", products, scaling)),
        ):
            found[f"{kernel}_{name}"] = Fragment(
                literals.filled(text, name=name, **types), needs
            )
    return found
