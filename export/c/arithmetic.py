"""Fixed-point arithmetic in C: `tfpipeline.simulate.fixed_point`, line by line.

No step overflows: what TFLite lets wrap is computed in uint32, and 32-bit products in
int64. Results are clamped before the zero point is added.
"""

from export.c import fragment, literals

Fragment = fragment.Fragment

_RIGHT_SHIFTS = """\
/* Negative integers must be shifted to the right arithmetically: C leaves it open. */
typedef char right_shifts_round_down[(-1 >> 1) == -1 ? 1 : -1];
"""

_WRAPPED = """\
/* The int32 of the same bits. */
static int32_t wrapped(uint32_t bits)
{
    return bits <= (uint32_t)INT32_MAX ? (int32_t)bits
                                       : -1 - (int32_t)(UINT32_MAX - bits);
}
"""

_CLAMPED = """\
static int32_t clamped(int32_t value, int32_t low, int32_t high)
{
    return value < low ? low : value > high ? high : value;
}
"""

_FACTOR = """\
/* A real number, multiplier * 2^(shift - 31). */
typedef struct {
    int32_t multiplier, shift;
} factor;
"""

_HIGH_PRODUCT = """\
/* High half of 2 * a * b, rounded to nearest; not both are INT32_MIN. */
static int32_t high_product(int32_t a, int32_t b)
{
    return (int32_t)(((int64_t)a * b + (INT32_C(1) << 30)) >> 31);
}
"""

_HALF_PRODUCT = """\
/* As high_product, of a value that can be doubled. */
static inline int32_t half_product(int32_t value, int32_t multiplier)
{
#ifdef HAS_DSP
    return rounded_high_product(2 * value, multiplier);
#else
    const int64_t product = (int64_t)(2 * value) * multiplier;
    return (int32_t)(product >> 32) + (int32_t)((uint32_t)product >> 31);
#endif
}
"""

_ROUNDED_SHIFT = """\
/* value / 2^exponent, rounded to nearest, halves away from zero. */
static int32_t rounded_shift(int32_t value, int32_t exponent)
{
    const int32_t mask = (int32_t)((UINT32_C(1) << exponent) - 1);
    const int32_t threshold = (mask >> 1) + (value < 0 ? 1 : 0);
    return (value >> exponent) + ((value & mask) > threshold ? 1 : 0);
}
"""

_SCALED = """\
/* value * by, rounded twice. */
static int32_t scaled(int32_t value, factor by)
{
    const int32_t left = by.shift > 0 ? by.shift : 0;
    const int32_t right = by.shift > 0 ? 0 : -by.shift;
    return rounded_shift(
        high_product(wrapped((uint32_t)value << left), by.multiplier), right);
}
"""

_NARROW = """\
/* From sums to integers of the output; a bias, if any, and a factor a channel.
   low and high bound the result before the zero point is added. is_small: all factors
   shift to the right, and no sum with its bias reaches 2^30. */
typedef struct {
    const int32_t *bias;
    const int32_t *multiplier;
    const int8_t *shift;
    int32_t input_zero, zero, low, high, is_small;
} scaling;

/* value * multiplier * 2^(-32 - shift), rounded twice, as scaled does with a factor
   that shifts to the right by shift + 1; value is less than 2^30. */
static inline int32_t scaled_down(int32_t value, int32_t multiplier, int32_t shift)
{
    int32_t high = half_product(value, multiplier);
    high += high >> 31;
    return ((high >> shift) + 1) >> 1;
}

static inline int32_t rescaled(int32_t sum, const scaling *s, int32_t channel)
{
    const factor by = {s->multiplier[channel], s->shift[channel]};
    const int32_t result =
        s->is_small ? scaled_down(sum, by.multiplier, ~by.shift) : scaled(sum, by);
    return clamped(result, s->low, s->high) + s->zero;
}

static inline int32_t requantized(uint32_t sum, const scaling *s, int32_t channel)
{
    if (s->bias) {
        sum += (uint32_t)s->bias[channel];
    }
    return rescaled(wrapped(sum), s, channel);
}
"""

_WIDE = """\
/* As scaling, for sums of 64 bits: multiplier * 2^-shift, rounded once. */
typedef struct {
    const int64_t *bias;
    const int16_t *multiplier;
    const int8_t *shift;
    int32_t input_zero, zero, low, high;
} wide_scaling;

/* The lower 32 bits of a * b / 2^shift, rounded to nearest, halves up: by halves of the
   product, as a shift of 64 bits takes long where registers have 32. b is positive. */
static inline uint32_t shifted_product(int64_t a, int32_t b, int32_t shift)
{
    const uint64_t part = (uint64_t)(uint32_t)a * (uint32_t)b;
    const int32_t high = (int32_t)(a >> 32) * b + (int32_t)(part >> 32);
    const uint32_t low = (uint32_t)part;
    if (shift < 32) {
        return (low >> shift | (uint32_t)high << (32 - shift))
            + (low >> (shift - 1) & 1);
    }
    if (shift == 32) {
        return (uint32_t)high + (low >> 31);
    }
    return (uint32_t)(high >> (shift - 32)) + (uint32_t)(high >> (shift - 33) & 1);
}

static inline int32_t wide_requantized(int64_t sum, const wide_scaling *s,
    int32_t channel)
{
    const int32_t shift = s->shift[channel];
    if (s->bias) {
        sum += s->bias[channel];
    }
    return clamped(wrapped(shifted_product(sum, s->multiplier[channel], shift)), s->low,
        s->high) + s->zero;
}
"""

_MVE = """\
/* Cortex-M55, M85 and the like compute 16 int8 at once; the same text for all cores has
   their taps in another order, and bytes behind them that may be read. */
#if defined(__ARM_FEATURE_MVE) && (__ARM_FEATURE_MVE & 1) && defined(__GNUC__) \\
    && !defined(__ARM_BIG_ENDIAN)
#define HAS_MVE
enum { BEHIND = 24, MORE = 7 };
#define TAPS(a, b, c, d, e, f, g, h) a, b, c, d, e, f, g, h
#else
enum { BEHIND = 0, MORE = 0 };
#define TAPS(a, b, c, d, e, f, g, h) a, b, e, f, c, d, g, h
#endif
"""

_WORDS = """\
static inline uint32_t word_at(const void *bytes)
{
    uint32_t word;
    memcpy(&word, bytes, 4);
    return word;
}

static inline void put_word(void *bytes, uint32_t word)
{
    memcpy(bytes, &word, 4);
}

/* memcpy of a few bytes, without a call; the last word may overlap the one before. */
static inline void copy_bytes(void *to, const void *from, int32_t count)
{
#ifdef HAS_MVE
    __asm__ volatile("wlstp.8 lr, %2, 2f\\n"
                     "1: vldrb.8 q0, [%1], #16\\n"
                     "vstrb.8 q0, [%0], #16\\n"
                     "letp lr, 1b\\n"
                     "2:"
                     : "+&r"(to), "+&r"(from)
                     : "r"(count)
                     : "memory", "lr", "q0");
#else
    uint8_t *const target = to;
    const uint8_t *const source = from;
    if (count < 4) {
        for (int32_t i = 0; i < count; ++i) {
            target[i] = source[i];
        }
        return;
    }
    for (int32_t i = 0; i < count - 4; i += 4) {
        put_word(target + i, word_at(source + i));
    }
    put_word(target + count - 4, word_at(source + count - 4));
#endif
}
"""

_EXTREME = """\
static inline uint32_t $name(uint32_t a, uint32_t b)
{
    uint32_t word;
    __asm__("$subtract %0, %1, %2\\n\\tsel %0, $chosen" : "=&r"(word) : "r"(a), "r"(b));
    return word;
}
"""


def _extremes() -> str:
    """SEL takes, of each part, the first word's where it is not the smaller one."""
    chosen = {"larger": "%1, %2", "smaller": "%2, %1"}
    return "\n".join(
        literals.filled(
            _EXTREME, name=f"{which}_int{bits}", subtract=f"ssub{bits}", chosen=words
        )
        for bits in (8, 16)
        for which, words in chosen.items()
    )


_DSP = """\
/* Words of weights are loaded two at a time. */
#if defined(__GNUC__)
#define ALIGNED __attribute__((aligned(4)))
#else
#define ALIGNED
#endif

/* Cortex-M4, M7, M33 and the like multiply pairs of int16. */
#if defined(__ARM_FEATURE_DSP) && defined(__thumb2__) && defined(__GNUC__) \\
    && !defined(__ARM_BIG_ENDIAN)
#define HAS_DSP

/* Bytes 0 and 2 of a word of int8 as a pair of int16. */
static inline uint32_t even_bytes(uint32_t word)
{
    uint32_t pair;
    __asm__("sxtb16 %0, %1" : "=r"(pair) : "r"(word));
    return pair;
}

/* Bytes 1 and 3. */
static inline uint32_t odd_bytes(uint32_t word)
{
    uint32_t pair;
    __asm__("sxtb16 %0, %1, ror #8" : "=r"(pair) : "r"(word));
    return pair;
}

/* Adds both products of two pairs; the lower half of a times the upper one of b; the
   other way round. */
static inline int32_t add_pair(int32_t sum, uint32_t a, uint32_t b)
{
    __asm__("smlad %0, %1, %2, %0" : "+r"(sum) : "r"(a), "r"(b));
    return sum;
}

static inline int32_t add_low_high(int32_t sum, uint32_t a, uint32_t b)
{
    __asm__("smlabt %0, %1, %2, %0" : "+r"(sum) : "r"(a), "r"(b));
    return sum;
}

static inline int32_t add_high_low(int32_t sum, uint32_t a, uint32_t b)
{
    __asm__("smlatb %0, %1, %2, %0" : "+r"(sum) : "r"(a), "r"(b));
    return sum;
}

/* a * b / 2^32, rounded to nearest. */
static inline int32_t rounded_high_product(int32_t a, int32_t b)
{
    int32_t high;
    __asm__("smmulr %0, %1, %2" : "=r"(high) : "r"(a), "r"(b));
    return high;
}

/* The larger and the smaller one of each byte, or each half, of two words. */
$extremes\
#endif
"""

FRAGMENTS = {
    "mve": Fragment(_MVE),
    "words": Fragment(_WORDS, ("mve",)),
    "dsp": Fragment(_DSP.replace("$extremes", _extremes()), ("words",)),
    "right_shifts": Fragment(_RIGHT_SHIFTS),
    "wrapped": Fragment(_WRAPPED),
    "clamped": Fragment(_CLAMPED),
    "factor": Fragment(_FACTOR),
    "high_product": Fragment(_HIGH_PRODUCT, ("right_shifts",)),
    "half_product": Fragment(_HALF_PRODUCT, ("right_shifts", "dsp")),
    "rounded_shift": Fragment(_ROUNDED_SHIFT, ("right_shifts",)),
    "scaled": Fragment(_SCALED, ("factor", "high_product", "rounded_shift", "wrapped")),
    "narrow": Fragment(_NARROW, ("half_product", "scaled", "clamped")),
    "wide": Fragment(_WIDE, ("right_shifts", "wrapped", "clamped")),
}
