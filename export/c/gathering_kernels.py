"""Kernels in C that move integers, interpolate between them and choose among them."""

from export.c import fragment, literals

Fragment = fragment.Fragment

# Axes of copies by tables, beside what lies in one piece.
MAX_AXES = 5

_BLOCKS = """\
/* Copies count blocks of bytes that lie apart by the given steps. */
static void copy_blocks(const void *from, int32_t from_step, void *to, int32_t to_step,
    int32_t bytes, int32_t count)
{
    for (int32_t i = 0; i < count; ++i) {
        memcpy((uint8_t *)to + i * to_step, (const uint8_t *)from + i * from_step,
            (size_t)bytes);
    }
}
"""

_PAD = """\
/* Puts four axes, the last one in bytes, inside of larger ones. */
typedef struct {
    int32_t sizes[4], before[4], padded[4];
} border;

static void pad(const void *input, void *output, const border *p)
{
    const int32_t *const n = p->sizes, *const m = p->padded;
    const uint8_t *from = input;
    for (int32_t a = 0; a < n[0]; ++a) {
        for (int32_t b = 0; b < n[1]; ++b) {
            for (int32_t c = 0; c < n[2]; ++c) {
                int32_t at = (a + p->before[0]) * m[1] + b + p->before[1];
                at = (at * m[2] + c + p->before[2]) * m[3] + p->before[3];
                memcpy((uint8_t *)output + at, from, (size_t)n[3]);
                from += n[3];
            }
        }
    }
}
"""

_FILL = """\
static void fill_int16(int16_t *output, int32_t count, int32_t value)
{
    for (int32_t i = 0; i < count; ++i) {
        output[i] = (int16_t)value;
    }
}
"""

_GATHER = """\
/* Copies blocks of bytes. Where each lies in the input is the sum of one entry of each
   of five tables. */
typedef struct {
    int32_t sizes[5];
    const int32_t *from[5];
    int32_t bytes;
} gathering;

static void gather(const void *input, void *output, const gathering *g)
{
    const int32_t *const n = g->sizes;
    uint8_t *to = output;
    for (int32_t a = 0; a < n[0]; ++a) {
        for (int32_t b = 0; b < n[1]; ++b) {
            for (int32_t c = 0; c < n[2]; ++c) {
                for (int32_t d = 0; d < n[3]; ++d) {
                    const int32_t start = g->from[0][a] + g->from[1][b] + g->from[2][c]
                        + g->from[3][d];
                    const uint8_t *const from = (const uint8_t *)input + start;
                    for (int32_t e = 0; e < n[4]; ++e) {
                        memcpy(to, from + g->from[4][e], (size_t)g->bytes);
                        to += g->bytes;
                    }
                }
            }
        }
    }
}
"""

_RESIZE_BILINEAR = """\
/* Between rows, then between columns; the second neighbors' weights are of 1024. */
typedef struct {
    int32_t rows, columns, channels;
    const int32_t *upper, *lower, *down;
    const int32_t *left, *right, *across;
} resizing;

static void resize_bilinear_int8(const int8_t *input, int8_t *output,
    const resizing *r)
{
    for (int32_t y = 0; y < r->rows; ++y) {
        const int8_t *const above = input + r->upper[y];
        const int8_t *const below = input + r->lower[y];
        const int32_t down = r->down[y], up = 1024 - down;
        for (int32_t x = 0; x < r->columns; ++x) {
            const int32_t left = r->left[x], right = r->right[x];
            const int32_t across = r->across[x], back = 1024 - across;
            for (int32_t c = 0; c < r->channels; ++c) {
                const int32_t first = above[left + c] * up + below[left + c] * down;
                const int32_t second = above[right + c] * up + below[right + c] * down;
                const int32_t value = first * back + second * across;
                const int32_t half = value > 0 ? 1 << 19 : -(1 << 19);
                /* C's division rounds towards zero. */
                *output++ = (int8_t)((value + half) / (1 << 20));
            }
        }
    }
}
"""

_REDUCE = """\
/* The $which value over two of five axes, the second and the fourth. */
static void reduce_${which}_int8(const int8_t *input, int8_t *output, const int32_t *n)
{
    for (int32_t a = 0; a < n[0]; ++a) {
        for (int32_t c = 0; c < n[2]; ++c) {
            for (int32_t e = 0; e < n[4]; ++e) {
                int32_t found = $worst;
                for (int32_t b = 0; b < n[1]; ++b) {
                    for (int32_t d = 0; d < n[3]; ++d) {
                        const int32_t at = ((a * n[1] + b) * n[2] + c) * n[3] + d;
                        const int32_t value = input[at * n[4] + e];
                        found = value $better found ? value : found;
                    }
                }
                *output++ = (int8_t)found;
            }
        }
    }
}
"""

_POSITION = """\
/* Where the $which of some values, steps apart, stands first. */
static void position_of_${which}_int8(const int8_t *input, int32_t *output,
    int32_t blocks, int32_t values, int32_t step)
{
    for (int32_t block = 0; block < blocks; ++block) {
        for (int32_t i = 0; i < step; ++i) {
            int32_t found = 0;
            for (int32_t at = 1; at < values; ++at) {
                if (input[at * step + i] $better input[found * step + i]) {
                    found = at;
                }
            }
            *output++ = found;
        }
        input += values * step;
    }
}
"""


def fragments() -> dict[str, fragment.Fragment]:
    """All kernels by name, `gather`."""
    found = {
        "copy_blocks": Fragment(_BLOCKS),
        "pad": Fragment(_PAD),
        "fill_int16": Fragment(_FILL),
        "gather": Fragment(_GATHER),
        "resize_bilinear_int8": Fragment(_RESIZE_BILINEAR),
    }
    for which, better, worst in (
        ("largest", ">", "INT8_MIN"),
        ("smallest", "<", "INT8_MAX"),
    ):
        names = {"which": which, "better": better}
        reduced = literals.filled(_REDUCE, **names, worst=worst)
        found[f"reduce_{which}_int8"] = Fragment(reduced)
        position = literals.filled(_POSITION, **names)
        found[f"position_of_{which}_int8"] = Fragment(position)
    return found
