"""The inner loops of convolutions on cores with DSP instructions, in assembler.

Inputs lie in scratch memory as pairs of int16, of four columns side by side or of one;
taps are bytes, two channels in turn. Compilers find no registers for 16 products of
four columns and two channels, which take 13 instructions here: 8 multiply two pairs
each, 3 load, 2 make pairs of taps. Sums may wrap on the way; as int32 they are right
where the true sum is one.
"""

from export.c import fragment, literals

Fragment = fragment.Fragment

# Two taps of two channels, a word, with four columns: a pair of each lies side by side.
# Sums of the first channel are in r4 to r7, those of the second in r8 to r11.
_TWO_TAPS_OF_FOUR = (
    "ldr r12, [r1], #4",
    "ldrd r2, r3, [r0], #8",
    "sxtb16 lr, r12",
    "sxtb16 r12, r12, ror #8",
    *("smlad r4, r2, lr, r4", "smlad r5, r3, lr, r5"),
    *("smlad r8, r2, r12, r8", "smlad r9, r3, r12, r9"),
    "ldrd r2, r3, [r0], #8",
    *("smlad r6, r2, lr, r6", "smlad r7, r3, lr, r7"),
    *("smlad r10, r2, r12, r10", "smlad r11, r3, r12, r11"),
)
# Eight taps a round; of an odd number of fours, the first round begins in the middle.
# Every register is taken, so that the end is read from the stack.
_LOOP_OF_FOUR = (
    *("sub r12, r2, r0", "tst r12, #32", "bne 2f"),
    "1:",
    *_TWO_TAPS_OF_FOUR * 2,
    "2:",
    *_TWO_TAPS_OF_FOUR * 2,
    *("ldr r12, [sp, #4]", "cmp r0, r12", "bne 1b"),
)
_OF_FOUR = (
    "push {r2-r11, lr}",
    *("ldr r4, [r3]", "ldr r8, [r3, #4]"),
    *("mov r5, r4", "mov r6, r4", "mov r7, r4"),
    *("mov r9, r8", "mov r10, r8", "mov r11, r8"),
    *("sub sp, sp, #4", *_LOOP_OF_FOUR, "add sp, sp, #4"),
    *("pop {r2, r3}", "stm r3, {r4-r11}", "pop {r4-r11, lr}"),
)


def _four_taps_of_one(taps: str, sums: tuple[str, str]) -> tuple[str, ...]:
    """Of two channels, with one column, whose inputs are in r8 and r9."""
    return (
        f"ldrd r10, r11, [{taps}], #8",
        *("sxtb16 r12, r10", "sxtb16 r10, r10, ror #8"),
        *(
            f"smlad {one}, r8, {by}, {one}"
            for one, by in zip(sums, ("r12", "r10"), strict=True)
        ),
        *("sxtb16 r12, r11", "sxtb16 r11, r11, ror #8"),
        *(
            f"smlad {one}, r9, {by}, {one}"
            for one, by in zip(sums, ("r12", "r11"), strict=True)
        ),
    )


def _loop_of_one(*taps_and_sums: tuple[str, tuple[str, str]]) -> tuple[str, ...]:
    """Columns from r0 to r3; two rounds in one."""
    four = (
        "ldrd r8, r9, [r0], #8",
        *(line for each in taps_and_sums for line in _four_taps_of_one(*each)),
    )
    start = ("sub r12, r3, r0", "tst r12, #8", "bne 2f")
    return (*start, "1:", *four, "2:", *four, "cmp r0, r3", "bne 1b")


_OF_ONE = (
    "push {r3-r11}",
    *("ldrd r4, r5, [r3]", "mov r3, r2"),
    *_loop_of_one(("r1", ("r4", "r5"))),
    *("pop {r3}", "strd r4, r5, [r3]", "pop {r4-r11}"),
)

# Where the fields of a block lie.
_BLOCK = {
    name: f"#{4 * at}"
    for at, name in enumerate(
        (
            *("columns", "end", "taps", "bias", "multiplier", "shift"),
            *("output", "pixel_bytes", "zero", "count"),
        )
    )
}
# What stores a result of a type.
STORE = {"int8": "strb", "int16": "strh"}


def scaled(sum_: str, multiplier: str, shift: str, zero: str, dtype: str) -> list[str]:
    """`scaled_down`, the zero point, and saturation."""
    return [
        f"lsl {sum_}, {sum_}, #1",
        f"smmulr {sum_}, {sum_}, {multiplier}",
        f"add {sum_}, {sum_}, {sum_}, asr #31",
        f"asr {sum_}, {sum_}, {shift}",
        f"add {sum_}, {sum_}, #1",
        f"add {sum_}, {zero}, {sum_}, asr #1",
        f"ssat {sum_}, #{dtype.removeprefix('int')}, {sum_}",
    ]


def _results_of_four(dtype: str) -> tuple[str, ...]:
    """All pairs of channels of four columns; r0 is the block, and on the stack."""
    store, width = STORE[dtype], int(dtype.removeprefix("int")) // 8
    lines = [
        *(f"ldr r1, [r0, {_BLOCK['taps']}]", f"ldr r2, [r0, {_BLOCK['end']}]"),
        *("push {r4-r11, lr}", "push {r0, r2}"),
        *("3:", "ldr lr, [sp]", "ldr r2, [sp, #4]"),
        *(f"ldr r0, [lr, {_BLOCK['columns']}]", f"ldr r3, [lr, {_BLOCK['bias']}]"),
        *("ldm r3!, {r4, r8}", f"str r3, [lr, {_BLOCK['bias']}]"),
        *("mov r5, r4", "mov r6, r4", "mov r7, r4"),
        *("mov r9, r8", "mov r10, r8", "mov r11, r8"),
        *_LOOP_OF_FOUR,
        *("ldr r2, [sp]", f"str r1, [r2, {_BLOCK['taps']}]"),
        f"ldr r1, [r2, {_BLOCK['zero']}]",
        *(
            f"ldr r12, [r2, {_BLOCK['output']}]",
            f"ldr lr, [r2, {_BLOCK['pixel_bytes']}]",
        ),
    ]
    for channel, sums in enumerate((range(4, 8), range(8, 12))):
        lines += [
            *(f"ldr r3, [r2, {_BLOCK['multiplier']}]", "ldr r0, [r3], #4"),
            f"str r3, [r2, {_BLOCK['multiplier']}]",
            *(f"ldr r3, [r2, {_BLOCK['shift']}]", f"ldrsb r3, [r3, #{channel}]"),
            "mvn r3, r3",
            *(line for i in sums for line in scaled(f"r{i}", "r0", "r3", "r1", dtype)),
            *(f"{store} r{sums[0]}, [r12]", f"{store} r{sums[1]}, [r12, lr]"),
            f"{store} r{sums[2]}, [r12, lr, lsl #1]",
            *([] if channel else [f"add r12, r12, #{width}"]),
        ]
    # The last column of both channels.
    lines += [
        *("add r12, r12, lr", f"{store} r11, [r12, lr, lsl #1]"),
        *(f"sub r12, r12, #{width}", f"{store} r7, [r12, lr, lsl #1]"),
        *("sub r12, r12, lr", f"add r12, r12, #{2 * width}"),
        f"str r12, [r2, {_BLOCK['output']}]",
        *(f"ldr r3, [r2, {_BLOCK['shift']}]", "add r3, r3, #2"),
        f"str r3, [r2, {_BLOCK['shift']}]",
        *(f"ldr r1, [r2, {_BLOCK['taps']}]", f"ldr r3, [r2, {_BLOCK['count']}]"),
        *("subs r3, r3, #1", f"str r3, [r2, {_BLOCK['count']}]", "bne 3b"),
        *("pop {r0, r2}", "pop {r4-r11, lr}"),
    ]
    return tuple(lines)


def _results_of_one(dtype: str) -> tuple[str, ...]:
    """Four channels at a time of one column; r0 is the block, and on the stack."""
    store, width = STORE[dtype], int(dtype.removeprefix("int")) // 8
    lines = [
        "push {r0, r4-r11, lr}",
        f"ldr r1, [r0, {_BLOCK['taps']}]",
        *("3:", "ldr lr, [sp]", f"ldr r0, [lr, {_BLOCK['columns']}]"),
        *(f"ldr r3, [lr, {_BLOCK['end']}]", f"ldr r12, [lr, {_BLOCK['bias']}]"),
        *("ldm r12!, {r4-r7}", f"str r12, [lr, {_BLOCK['bias']}]"),
        # A channel has as many bytes of taps as half of its pairs of inputs.
        *("sub r2, r3, r0", "add r2, r1, r2"),
        *_loop_of_one(("r1", ("r4", "r5")), ("r2", ("r6", "r7"))),
        *(f"ldr r8, [lr, {_BLOCK['multiplier']}]", f"ldr r9, [lr, {_BLOCK['shift']}]"),
        *(f"ldr r12, [lr, {_BLOCK['output']}]", f"ldr r1, [lr, {_BLOCK['zero']}]"),
    ]
    for i in range(4, 8):
        lines += [
            *("ldr r0, [r8], #4", "ldrsb r3, [r9], #1", "mvn r3, r3"),
            *scaled(f"r{i}", "r0", "r3", "r1", dtype),
            f"{store} r{i}, [r12], #{width}",
        ]
    lines += [
        *(f"str r8, [lr, {_BLOCK['multiplier']}]", f"str r9, [lr, {_BLOCK['shift']}]"),
        *(f"str r12, [lr, {_BLOCK['output']}]", "mov r1, r2"),
        *(f"ldr r3, [lr, {_BLOCK['count']}]", "subs r3, r3, #1"),
        *(f"str r3, [lr, {_BLOCK['count']}]", "bne 3b"),
        "pop {r0, r4-r11, lr}",
    ]
    return tuple(lines)


_BLOCK_TYPE = """\
#ifdef HAS_DSP
/* Columns as pairs, and channels whose results are wanted. */
typedef struct {
    const void *columns, *end;
    const int8_t *taps;
    const int32_t *bias, *multiplier;
    const int8_t *shift;
    void *output;
    int32_t pixel_bytes, zero, count;
} block;
#endif
"""

_PAIRED_RESULTS = """\
#ifdef HAS_DSP
/* Results of four columns and count pairs of channels, or of one column and count times
   four channels, where the scaling is_small; not yet limited. */
NOT_INLINE static void results_4x2_$dtype(block *b)
{
    register block *r0 __asm__("r0") = b;
    __asm__ volatile(
$four\
        : "+r"(r0) : : "r1", "r2", "r3", "r12", "cc", "memory");
}

NOT_INLINE static void results_1x4_$dtype(block *b)
{
    register block *r0 __asm__("r0") = b;
    __asm__ volatile(
$one\
        : "+r"(r0) : : "r1", "r2", "r3", "r12", "cc", "memory");
}
#endif
"""

_PAIRED_PRODUCTS = """\
#ifdef HAS_DSP
/* Adds products of four columns and the taps of two channels to sums[0] of the first
   channel, sums[1] of the second, which become eight: those of the first channel come
   first. Pairs of inputs from columns to end, a multiple of 4 a column. Registers are
   saved here, as compilers do not give away all of them. */
NOT_INLINE static void products_4x2(const void *columns, const int8_t *taps,
    const void *end, int32_t *sums)
{
    register const void *r0 __asm__("r0") = columns;
    register const int8_t *r1 __asm__("r1") = taps;
    register const void *r2 __asm__("r2") = end;
    register int32_t *r3 __asm__("r3") = sums;
    __asm__ volatile(
$of_four\
        : "+r"(r0), "+r"(r1), "+r"(r2), "+r"(r3) : : "r12", "cc", "memory");
}

/* The same of one column, and two sums. */
NOT_INLINE static void products_1x2(const void *column, const int8_t *taps,
    const void *end, int32_t *sums)
{
    register const void *r0 __asm__("r0") = column;
    register const int8_t *r1 __asm__("r1") = taps;
    register const void *r2 __asm__("r2") = end;
    register int32_t *r3 __asm__("r3") = sums;
    __asm__ volatile(
$of_one\
        : "+r"(r0), "+r"(r1), "+r"(r2), "+r"(r3) : : "r12", "cc", "memory");
}
#endif
"""


def assembled(lines: tuple[str, ...]) -> str:
    """Assembler as strings of C."""
    return "".join(f'        "{line}\\n"\n' for line in lines)


def fragments() -> dict[str, fragment.Fragment]:
    """The loops by name: products alone, and with results of a type."""
    products = literals.filled(
        _PAIRED_PRODUCTS, of_four=assembled(_OF_FOUR), of_one=assembled(_OF_ONE)
    )
    found = {
        "block": Fragment(_BLOCK_TYPE, ("dsp",)),
        "paired_products": Fragment(products, ("dsp", "not_inline")),
    }
    for dtype in STORE:
        results = literals.filled(
            _PAIRED_RESULTS,
            dtype=dtype,
            four=assembled(_results_of_four(dtype)),
            one=assembled(_results_of_one(dtype)),
        )
        found[f"results_{dtype}"] = Fragment(results, ("block", "dsp", "not_inline"))
    return found
