"""The C of a front end: `tfpipeline.audio.integer_reference`, line by line.

No step overflows: samples of 16 bits, windowed, are at most 2^30, their transform is
divided by its length, and what is multiplied is 64 bits wide.
"""

HEADER = """\
#ifndef ${upper}_H
#define ${upper}_H

#include <stdint.h>

$described
$sizes
/* Features: real = $real. */
$quant
typedef struct {
    int32_t real, imaginary;
} ${name}_bin;

/* Memory of a front end, the caller's. The samples are of a stream. */
typedef struct {
    ${name}_bin bins[${upper}_SPECTRUM_BINS];
    int32_t log_mel[${upper}_MEL_BINS];
    int16_t samples[${upper}_LEAD_HOPS * ${upper}_HOP_SAMPLES];
    int32_t hops;
} ${name}_state;

#ifdef __cplusplus
extern "C" {
#endif

/* A clip of ${upper}_CLIP_SAMPLES samples to ${upper}_FRAMES rows of
   ${upper}_FEATURES features. */
void ${name}_clip(${name}_state *state, const int16_t *samples, $type *rows);

/* A frame of ${upper}_WINDOW_SAMPLES samples to its row. */
void ${name}_frame(${name}_state *state, const int16_t *samples, $type *row);

/* A stream begins anew; call it first of all. */
void ${name}_begin(${name}_state *state);

/* Takes the next ${upper}_HOP_SAMPLES samples of a stream. Returns 1 and writes the
   next row from the hop number ${upper}_LEAD_HOPS on, and 0 before; rows are those of
   ${name}_clip. */
int ${name}_push(${name}_state *state, const int16_t *hop, $type *row);

/* Appends a row to the latest ${upper}_FRAMES; the oldest goes. */
void ${name}_slide($type *rows, const $type *row);

#ifdef __cplusplus
}
#endif

#endif
"""

BEGIN = """\
#include "$name.h"

#include <string.h>
"""

SPECTRUM = """\
typedef ${name}_bin bin;

/* value / 2^bits, rounded to nearest, halves up. */
static int64_t shifted(int64_t value, int32_t bits)
{
    return (value + (INT64_C(1) << (bits - 1))) >> bits;
}

/* A divisor's part of a value. */
static bin part(bin value, int32_t divisor)
{
    const int64_t factor = INT32_MAX / divisor;
    const bin result = {(int32_t)shifted(value.real * factor, FFT_BITS),
        (int32_t)shifted(value.imaginary * factor, FFT_BITS)};
    return result;
}

/* by has a real and an imaginary part. */
static bin product(bin value, const int32_t *by)
{
    const int64_t real = value.real, imaginary = value.imaginary;
    const bin result = {
        (int32_t)shifted(real * by[0] - imaginary * by[1], FFT_BITS),
        (int32_t)shifted(real * by[1] + imaginary * by[0], FFT_BITS)};
    return result;
}

static bin sum(bin a, bin b)
{
    const bin result = {a.real + b.real, a.imaginary + b.imaginary};
    return result;
}

static bin difference(bin a, bin b)
{
    const bin result = {a.real - b.real, a.imaginary - b.imaginary};
    return result;
}

static void stage_of_four(bin *bins, int32_t groups, int32_t inner)
{
    for (int32_t i = 0; i < groups * inner; ++i) {
        const int32_t k = i % inner, turn = 2 * k * groups;
        bin *const at = bins + (i - k) * 4 + k;
        const bin a = part(at[0], 4);
        const bin b = product(part(at[inner], 4), twiddles + turn);
        const bin c = product(part(at[2 * inner], 4), twiddles + 2 * turn);
        const bin d = product(part(at[3 * inner], 4), twiddles + 3 * turn);
        const bin even = difference(a, c), odd = difference(b, d);
        const bin all_even = sum(a, c), all_odd = sum(b, d);
        const bin turned = {odd.imaginary, -odd.real};
        at[0] = sum(all_even, all_odd);
        at[inner] = sum(even, turned);
        at[2 * inner] = difference(all_even, all_odd);
        at[3 * inner] = difference(even, turned);
    }
}
"""

STAGE_OF_TWO = """\
/* The innermost, whose products are by 1, but for its rounding. */
static void stage_of_two(bin *bins)
{
    for (int32_t i = 0; i < HALF; i += 2) {
        const bin a = part(bins[i], 2);
        const bin b = product(part(bins[i + 1], 2), twiddles);
        bins[i] = sum(a, b);
        bins[i + 1] = difference(a, b);
    }
}
"""

CALL_OF_TWO = "    stage_of_two(bins);\n"

TRANSFORM = """\
static int32_t windowed(const int16_t *samples, int32_t i)
{
    if (i >= ${upper}_WINDOW_SAMPLES) {
        return 0;
    }
    return (int32_t)shifted((int64_t)samples[i] * window[i], WINDOW_SHIFT);
}

/* The spectrum of a frame, divided by FFT_LENGTH: that of pairs of samples, parted. */
static void transform(bin *bins, const int16_t *samples)
{
    for (int32_t i = 0; i < HALF; ++i) {
        bins[i].real = windowed(samples, 2 * order[i]);
        bins[i].imaginary = windowed(samples, 2 * order[i] + 1);
    }
$innermost    for (int32_t inner = $begin; inner < HALF; inner *= 4) {
        stage_of_four(bins, HALF / (4 * inner), inner);
    }
    const bin first = part(bins[0], 2);
    bins[0].real = first.real + first.imaginary;
    bins[0].imaginary = 0;
    bins[HALF].real = first.real - first.imaginary;
    bins[HALF].imaginary = 0;
    for (int32_t k = 1; k <= HALF / 2; ++k) {
        const bin conjugate = {bins[HALF - k].real, -bins[HALF - k].imaginary};
        const bin low = part(bins[k], 2), high = part(conjugate, 2);
        const bin even = sum(low, high);
        const bin odd = product(difference(low, high), splits + 2 * (k - 1));
        bins[k].real = (even.real + odd.real) >> 1;
        bins[k].imaginary = (even.imaginary + odd.imaginary) >> 1;
        bins[HALF - k].real = (even.real - odd.real) >> 1;
        bins[HALF - k].imaginary = (odd.imaginary - even.imaginary) >> 1;
    }
}
"""

LOG_MEL = """\
/* The square root, rounded to nearest; of 32 bits it has no more than 16. */
static uint32_t root(uint64_t square)
{
    uint64_t rest = square, result = 0, bit = UINT64_C(1) << 62;
    while (bit > square) {
        bit >>= 2;
    }
    for (; bit; bit >>= 2) {
        if (rest >= result + bit) {
            rest -= result + bit;
            result = (result >> 1) + bit;
        } else {
            result >>= 1;
        }
    }
    if (rest > result && (square > UINT32_MAX || result < UINT16_MAX)) {
        ++result;
    }
    return (uint32_t)result;
}

static uint32_t magnitude(bin value)
{
    const int64_t real = value.real, imaginary = value.imaginary;
    return root((uint64_t)(real * real + imaginary * imaginary));
}

/* The natural logarithm of a positive number, LOG_BITS of it behind the point. */
static int64_t natural(uint64_t value)
{
    int32_t whole = 0;
    while (value >> whole > 1) {
        ++whole;
    }
    const uint64_t above = value - (UINT64_C(1) << whole);
    const int32_t fraction = (int32_t)(whole < LOG_BITS
        ? above << (LOG_BITS - whole) : above >> (whole - LOG_BITS));
    const int32_t segment = fraction >> (LOG_BITS - LOG_SEGMENT_BITS);
    const int32_t within = fraction - (segment << (LOG_BITS - LOG_SEGMENT_BITS));
    const int32_t low = log_lead[segment], high = log_lead[segment + 1];
    /* As TensorFlow Lite Micro's log.cc has it: nearly a staircase. */
    const int32_t between = ((high - low) * within) >> LOG_BITS;
    const int64_t binary = ((int64_t)whole << LOG_BITS) + fraction + low + between;
    return shifted(binary * LOG_OF_2, LOG_BITS);
}

/* A bin gives what falls to the band below, and the rest to the band above. */
static void find_log_mel(${name}_state *state)
{
    const int16_t *weight = falling;
    const bin *at = state->bins + FIRST_BIN;
    uint64_t rising = 0;
    for (int32_t i = 0; i <= ${upper}_MEL_BINS; ++i) {
        uint64_t band = rising;
        rising = 0;
        for (int32_t j = 0; j < span_widths[i]; ++j, ++at, ++weight) {
            const uint64_t value = magnitude(*at);
            band += (uint64_t)*weight * value;
            rising += (uint64_t)((1 << WEIGHT_BITS) - *weight) * value;
        }
        if (i > 0) {
            state->log_mel[i - 1] = (int32_t)(natural(band + LOG_OFFSET) - LOG_OF_ONE);
        }
    }
}
"""

# The value of feature `i` in Q16, of `log_mel`.
LOGARITHM = """\
        const int64_t value = state->log_mel[i];
"""
MFCC = """\
        const int16_t *const by = cosines + i * ${upper}_MEL_BINS;
        int64_t total = 0;
        for (int32_t j = 0; j < ${upper}_MEL_BINS; ++j) {
            total += (int64_t)state->log_mel[j] * by[j];
        }
        const int64_t value = shifted(total, COSINE_BITS);
"""

KEPT = """\
        row[i] = (int32_t)value;
"""
QUANTIZED = """\
        const int64_t step = shifted(value * MULTIPLIER, SHIFT) + ZERO_POINT;
        row[i] = ($type)(step < LOWEST ? LOWEST : step > HIGHEST ? HIGHEST : step);
"""

FRAME = """\
void ${name}_frame(${name}_state *state, const int16_t *samples, $type *row)
{
    transform(state->bins, samples);
    find_log_mel(state);
    for (int32_t i = 0; i < ${upper}_FEATURES; ++i) {
$values$written    }
}
"""

STREAM = """\
void ${name}_clip(${name}_state *state, const int16_t *samples, $type *rows)
{
    for (int32_t i = 0; i < ${upper}_FRAMES; ++i) {
        ${name}_frame(state, samples + i * ${upper}_HOP_SAMPLES,
            rows + i * ${upper}_FEATURES);
    }
}

void ${name}_begin(${name}_state *state)
{
    memset(state, 0, sizeof *state);
}

int ${name}_push(${name}_state *state, const int16_t *hop, $type *row)
{
    enum { KEPT = (${upper}_LEAD_HOPS - 1) * ${upper}_HOP_SAMPLES };
    memmove(state->samples, state->samples + ${upper}_HOP_SAMPLES,
        KEPT * sizeof(int16_t));
    memcpy(state->samples + KEPT, hop, ${upper}_HOP_SAMPLES * sizeof(int16_t));
    if (state->hops < ${upper}_LEAD_HOPS) {
        ++state->hops;
    }
    if (state->hops < ${upper}_LEAD_HOPS) {
        return 0;
    }
    ${name}_frame(state, state->samples, row);
    return 1;
}

void ${name}_slide($type *rows, const $type *row)
{
    enum { KEPT = (${upper}_FRAMES - 1) * ${upper}_FEATURES };
    memmove(rows, rows + ${upper}_FEATURES, KEPT * sizeof *rows);
    memcpy(rows + KEPT, row, ${upper}_FEATURES * sizeof *rows);
}
"""

TEST = """\
/* Known answers of $name: exits with 0 if all are met, with 1 if those of a clip are
   not, with 2 if those of its hops are not. */
#include "$name.h"

#include <string.h>

$answers
static ${name}_state state;
static int16_t samples[${upper}_CLIP_SAMPLES];
static $type rows[${upper}_FRAMES * ${upper}_FEATURES];

/* Noise that grows louder again and again. */
static void draw(void)
{
    uint32_t seed = 1;
    for (int32_t i = 0; i < ${upper}_CLIP_SAMPLES; ++i) {
        seed = seed * UINT32_C($multiplier) + $increment;
        const int32_t noise = (int32_t)(seed >> 16) - 32768;
        samples[i] = (int16_t)(noise >> (15 - i % 4096 / 256));
    }
}

int main(void)
{
    draw();
    ${name}_clip(&state, samples, rows);
    if (memcmp(rows, answers, sizeof answers) != 0) {
        return 1;
    }
    memset(rows, 0, sizeof rows);
    ${name}_begin(&state);
    int32_t count = 0;
    for (int32_t i = 0; i + ${upper}_HOP_SAMPLES <= ${upper}_CLIP_SAMPLES;
         i += ${upper}_HOP_SAMPLES) {
        $type row[${upper}_FEATURES];
        if (${name}_push(&state, samples + i, row)) {
            ${name}_slide(rows, row);
            ++count;
        }
    }
    /* The last frames of a clip may end within a hop. */
    const int32_t size = count * ${upper}_FEATURES;
    return memcmp(rows + ${upper}_FRAMES * ${upper}_FEATURES - size, answers,
               (size_t)size * sizeof *rows) == 0 ? 0 : 2;
}
"""
