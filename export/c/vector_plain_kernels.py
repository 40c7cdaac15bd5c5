"""Pools, means and sums of int8 on cores with MVE."""

from export.c import fragment, literals, paired_products

Fragment = fragment.Fragment


def _shifted(vector: str, shifts: str) -> tuple[str, ...]:
    """Rounded as `rounded_shift` does, by 0 or to the right."""
    return (
        *(f"vand q2, {vector}, {shifts}", "vshr.s32 q2, q2, #31"),
        *(
            f"vadd.i32 {vector}, {vector}, q2",
            f"vrshl.s32 {vector}, {vector}, {shifts}",
        ),
    )


# The struct `vector_sum` is in r1 to r12 first, then the rest of it in r0, r10 and r12.
_SUM = (
    *("push {r4-r11, lr}", "ldm r0!, {r1-r12}", "vdup.32 q3, r12", "vdup.32 q6, r10"),
    *("ldm r0, {r0, r10, r12}", "vdup.32 q4, r0", "vdup.32 q5, r10"),
    *("wlstp.32 lr, r4, 2f", "1:"),
    *("vldrb.s32 q0, [r1], #4", "vmlas.s32 q0, q3, r5", "vqrdmulh.s32 q0, q0, r7"),
    *_shifted("q0", "q4"),
    *("vldrb.s32 q1, [r2], #4", "vmlas.s32 q1, q3, r6", "vqrdmulh.s32 q1, q1, r8"),
    *_shifted("q1", "q5"),
    *("vmla.s32 q0, q1, r11", "vqrdmulh.s32 q0, q0, r9", *_shifted("q0", "q6")),
    *("vadd.i32 q0, q0, r12", "vqmovnb.s32 q0, q0", "vqmovnb.s16 q0, q0"),
    *("vstrb.32 q0, [r3], #4", "letp lr, 1b", "2:", "pop {r4-r11, lr}"),
)

_ADD_VECTORS = """\
#ifdef HAS_MVE
/* count sums of values side by side; begins are zero points times -unit, shifts are to
   the left. */
typedef struct {
    const int8_t *first, *second;
    int8_t *output;
    int32_t count, first_begin, second_begin;
    int32_t first_multiplier, second_multiplier, multiplier;
    int32_t shift, sign, unit, first_shift, second_shift, zero;
} vector_sum;

/* As addition_int8, not yet limited. */
NOT_INLINE static void add_vectors(vector_sum *v)
{
    register vector_sum *r0 __asm__("r0") = v;
    __asm__ volatile(
$lines\
        : "+r"(r0) : : "r1", "r2", "r3", "r12", "cc", "memory", "q0", "q1", "q2", "q3",
          "q4", "q5", "q6");
}
#endif
"""

ADDITION = """\
#ifdef HAS_MVE
                if (s[3] == 1 && t[3] == 1) {
                    vector_sum v = {x, y, output, n[3], -from * unit, -other * unit,
                        e->first.multiplier, e->second.multiplier, e->result.multiplier,
                        e->result.shift, sign, unit, e->first.shift, e->second.shift,
                        e->zero};
                    add_vectors(&v);
                    limit_int8(output, n[3], e->low + e->zero, e->high + e->zero);
                    output += n[3];
                    continue;
                }
#endif
"""

_LANES = """\
#ifdef HAS_MVE
/* The first count bytes of a vector. */
static inline int32_t lanes_of(int32_t count)
{
    return count < 16 ? (1 << count) - 1 : 0xFFFF;
}
#endif
"""

_LARGEST_16 = """\
#ifdef HAS_MVE
/* Largest value of each of 16 channels in rows of pixels, not yet limited. */
static inline void largest_16_int8(const int8_t *input, int32_t rows, int32_t columns,
    int32_t row_step, int32_t step, int8_t *output, int32_t lanes)
{
    const int8_t *pixel;
    __asm__ volatile("vmsr p0, %[lanes]\\n"
                     "vmov.i8 q0, #0x80\\n"
                     "1: mov %[pixel], %[input]\\n"
                     "wls lr, %[columns], 3f\\n"
                     "2: vpst\\n"
                     "vldrbt.8 q1, [%[pixel]]\\n"
                     "add %[pixel], %[pixel], %[step]\\n"
                     "vmax.s8 q0, q0, q1\\n"
                     "le lr, 2b\\n"
                     "3: add %[input], %[input], %[row_step]\\n"
                     "subs %[rows], %[rows], #1\\n"
                     "bne 1b\\n"
                     "vpst\\n"
                     "vstrbt.8 q0, [%[output]]"
                     : [pixel] "=&r"(pixel), [input] "+&r"(input), [rows] "+&r"(rows)
                     : [columns] "r"(columns), [step] "r"(step),
                       [row_step] "r"(row_step), [output] "r"(output),
                       [lanes] "r"(lanes)
                     : "cc", "memory", "lr", "q0", "q1");
}
#endif
"""

LARGEST = """\
#ifdef HAS_MVE
            for (int32_t c = 0; c < step; c += 16) {
                largest_16_int8(source + c, ys.last - ys.first, xs.last - xs.first,
                    row_step, step, output + c, lanes_of(step - c));
            }
            limit_int8(output, step, low, high);
            output += step;
            continue;
#endif
"""

# Sums of even channels in q0, of odd ones in q1.
_SUMS_16 = """\
#ifdef HAS_MVE
/* Sums of each of 16 channels in rows of pixels, at most 256. */
static inline void sums_16_int8(const int8_t *input, int32_t rows, int32_t columns,
    int32_t row_step, int32_t step, int16_t *sums, int32_t lanes)
{
    const int8_t *pixel;
    __asm__ volatile("vmsr p0, %[lanes]\\n"
                     "vmov.i32 q0, #0\\n"
                     "vmov.i32 q1, #0\\n"
                     "1: mov %[pixel], %[input]\\n"
                     "wls lr, %[columns], 3f\\n"
                     "2: vpst\\n"
                     "vldrbt.8 q2, [%[pixel]]\\n"
                     "add %[pixel], %[pixel], %[step]\\n"
                     "vmovlb.s8 q3, q2\\n"
                     "vadd.i16 q0, q0, q3\\n"
                     "vmovlt.s8 q2, q2\\n"
                     "vadd.i16 q1, q1, q2\\n"
                     "le lr, 2b\\n"
                     "3: add %[input], %[input], %[row_step]\\n"
                     "subs %[rows], %[rows], #1\\n"
                     "bne 1b\\n"
                     "vst20.16 {q0, q1}, [%[sums]]\\n"
                     "vst21.16 {q0, q1}, [%[sums]]"
                     : [pixel] "=&r"(pixel), [input] "+&r"(input), [rows] "+&r"(rows)
                     : [columns] "r"(columns), [step] "r"(step), [sums] "r"(sums),
                       [row_step] "r"(row_step), [lanes] "r"(lanes)
                     : "cc", "memory", "lr", "q0", "q1", "q2", "q3");
}
#endif
"""

AVERAGE = """\
#ifdef HAS_MVE
            for (int32_t c = 0; rows * columns <= 256 && c < step; c += 16) {
                int16_t sums[16];
                sums_16_int8(source + c, rows, columns, row_step, step, sums,
                    lanes_of(step - c));
                for (int32_t i = 0; i < 16 && c + i < step; ++i) {
                    const int32_t mean = mean_of(sums[i], rows * columns);
                    *output++ = (int8_t)clamped(mean, low, high);
                }
            }
            if (rows * columns <= 256) {
                continue;
            }
#endif
"""

MEAN = """\
#ifdef HAS_MVE
            for (int32_t e = 0; n[1] * n[3] <= 256 && e < n[4]; e += 16) {
                int16_t sums[16];
                sums_16_int8(input + (a * n[1] * n[2] + c) * n[3] * n[4] + e, n[1],
                    n[3], n[2] * n[3] * n[4], n[4], sums, lanes_of(n[4] - e));
                for (int32_t i = 0; i < 16 && e + i < n[4]; ++i) {
                    const int32_t sum = sums[i] - m->input_zero * n[1] * n[3];
                    const int32_t value = scaled(sum, m->by);
                    *output++ = (int8_t)(clamped(value, m->low, m->high) + m->zero);
                }
            }
            if (n[1] * n[3] <= 256) {
                continue;
            }
#endif
"""


def fragments() -> dict[str, fragment.Fragment]:
    """What kernels of int8 call where there is MVE."""
    lines = paired_products.assembled(_SUM)
    return {
        "lanes_of": Fragment(_LANES, ("mve",)),
        "add_vectors": Fragment(
            literals.filled(_ADD_VECTORS, lines=lines), ("mve", "not_inline")
        ),
        "largest_16": Fragment(_LARGEST_16, ("lanes_of",)),
        "sums_16": Fragment(_SUMS_16, ("lanes_of",)),
    }
