"""The inner loops of convolutions on cores with MVE, in assembler.

Sixteen inputs of a column and the taps of a channel are multiplied and added up by one
VMLADAVA, whose sum is in an even register: eight of them hold the sums of four columns
and two channels, or of one column and eight channels. Taps of two channels lie in turn,
as for all cores: VLD20 and VLD21 take them apart. Columns have a multiple of 16 inputs,
and zeros where there are fewer; taps behind those of a channel may be anything.

Results are scaled as four integers of 32 bits. VQRDMULH is `high_product`: the upper
half of 2 * a * b + 2^31, which saturates only where both are INT32_MIN, as no
multiplier is (Armv8-M Architecture Reference Manual, DDI 0553, C2.4). VRSHL rounds
halves up; with 1 less of negative values before, away from zero, as `rounded_shift`:
-k - 1 + 2^(e - 1) over 2^e, rounded down, is the nearest integer to -k / 2^e and the
lower one of two.
"""

from export.c import fragment, literals, paired_products

Fragment = fragment.Fragment

# Registers of sums, and those of the five rows that are read.
_SUMS = ("r0", "r2", "r4", "r6", "r8", "r10", "r12", "lr")
_ROWS = ("r1", "r3", "r5", "r7", "r9")
_END = "r11"


def _taps(row: str, vectors: tuple[int, int]) -> list[str]:
    """Sixteen taps of two channels."""
    pair = "{" + ", ".join(f"q{i}" for i in vectors) + "}"
    return [f"vld20.8 {pair}, [{row}]", f"vld21.8 {pair}, [{row}]!"]


def _four_columns(multiply: str) -> list[str]:
    """Sums of the first channel come first."""
    lines = _taps(_ROWS[0], (4, 5))
    for i, row in enumerate(_ROWS[1:]):
        lines += [
            f"vldrb.8 q{i}, [{row}], #16",
            f"{multiply} {_SUMS[i]}, q{i}, q4",
            f"{multiply} {_SUMS[4 + i]}, q{i}, q5",
        ]
    return lines


def _eight_channels(multiply: str) -> list[str]:
    lines = [f"vldrb.8 q0, [{_ROWS[4]}], #16"]
    for i, row in enumerate(_ROWS[:4]):
        first = 2 + i % 2 * 2
        lines += [
            *_taps(row, (first, first + 1)),
            f"{multiply} {_SUMS[2 * i]}, q0, q{first}",
            f"{multiply} {_SUMS[2 * i + 1]}, q0, q{first + 1}",
        ]
    return lines


# The first register goes to the second place.
_MOVED = (
    *("vmov q0[2], q0[0], r0, r4", "vmov q0[3], q0[1], r2, r6"),
    *("vmov q1[2], q1[0], r8, r12", "vmov q1[3], q1[1], r10, lr"),
)

# Where the struct `tile` has what follows its rows: r2 to r8 in this order.
_TABLES, _OFFSETS = 24, 52

# The lower ones of two halves, of negative integers.
_LESS = tuple(
    line
    for one, other in (("q0", "q2"), ("q1", "q3"))
    for line in (f"vshr.s32 {other}, {one}, #31", f"vadd.i32 {one}, {one}, {other}")
)


def _scaled_columns(is_small: bool) -> list[str]:
    """A factor for each of two vectors."""
    lines = [
        *("ldrd r9, r10, [r2], #8", "vadd.i32 q0, q0, r9", "vadd.i32 q1, q1, r10"),
        *("ldrd r9, r10, [r3], #8", "ldrsb r11, [r4], #1", "ldrsb r12, [r4], #1"),
    ]
    if is_small:
        return [
            *lines,
            *("vqrdmulh.s32 q0, q0, r9", "vqrdmulh.s32 q1, q1, r10", *_LESS),
            *("vrshl.s32 q0, r11", "vrshl.s32 q1, r12"),
        ]
    return [
        *lines,
        *("vmov.i32 q6, #0", "vdup.32 q4, r11", "vdup.32 q5, r12"),
        *("vmax.s32 q2, q4, q6", "vshl.s32 q0, q0, q2", "vmax.s32 q3, q5, q6"),
        *("vshl.s32 q1, q1, q3", "vmin.s32 q4, q4, q6", "vmin.s32 q5, q5, q6"),
        *("vqrdmulh.s32 q0, q0, r9", "vqrdmulh.s32 q1, q1, r10"),
        *_shifted_to_the_right(),
    ]


def _scaled_channels(is_small: bool) -> list[str]:
    """A factor for each integer."""
    lines = [
        *("vldrw.32 q2, [r2], #16", "vadd.i32 q0, q0, q2"),
        *("vldrw.32 q3, [r2], #16", "vadd.i32 q1, q1, q3"),
        *("vldrb.s32 q4, [r4], #4", "vldrb.s32 q5, [r4], #4"),
    ]
    if not is_small:
        lines += [
            *("vmov.i32 q6, #0", "vmax.s32 q2, q4, q6", "vshl.s32 q0, q0, q2"),
            *("vmax.s32 q3, q5, q6", "vshl.s32 q1, q1, q3"),
            *("vmin.s32 q4, q4, q6", "vmin.s32 q5, q5, q6"),
        ]
    lines += [
        *("vldrw.32 q2, [r3], #16", "vqrdmulh.s32 q0, q0, q2"),
        *("vldrw.32 q3, [r3], #16", "vqrdmulh.s32 q1, q1, q3"),
    ]
    if is_small:
        return [*lines, *_LESS, "vrshl.s32 q0, q0, q4", "vrshl.s32 q1, q1, q5"]
    return [*lines, *_shifted_to_the_right()]


def _shifted_to_the_right() -> list[str]:
    """By q4 and q5, negative or 0; only what is shifted is rounded."""
    return [
        *("vand q2, q0, q4", "vshr.s32 q2, q2, #31", "vadd.i32 q0, q0, q2"),
        *("vand q3, q1, q5", "vshr.s32 q3, q3, #31", "vadd.i32 q1, q1, q3"),
        *("vrshl.s32 q0, q0, q4", "vrshl.s32 q1, q1, q5"),
    ]


# Integers of the first vector and of the second one, in turn.
_STORED = (
    *("vqmovnb.s32 q0, q0", "vqmovnt.s32 q0, q1", "vqadd.s16 q0, q0, r7"),
    *("vqmovnb.s16 q0, q0", "vstrb.16 q0, [r5, q7]"),
)


def _loop(first: list[str], others: list[str], row: str) -> list[str]:
    """Sixteen taps and more; two rounds in one, the first of which sets the sums."""
    return [
        # Whether there is one round only, and whether there is an odd number.
        *(f"sub r12, {_END}, {row}", "lsrs r12, r12, #5"),
        *(*first, "beq 4f", "bcc 2f"),
        *("1:", *others, "2:", *others, f"cmp {row}, {_END}", "bne 1b", "4:"),
    ]


def _results(columns: int, is_small: bool) -> tuple[str, ...]:
    """All channels of a tile; r0 is the tile, and on the stack."""
    rows: tuple[str, ...]
    if columns == 4:
        block, scaled, step = _four_columns, _scaled_columns(is_small), 2
        rows, moving, row = _ROWS[:1], "str r1, [lr]", _ROWS[1]
    else:
        block, scaled, step = _eight_channels, _scaled_channels(is_small), 8
        rows, moving, row = _ROWS[:4], "stm lr, {r1, r3, r5, r7}", _ROWS[4]
    registers = f"{{{', '.join((*_ROWS, _END))}}}"
    return (
        *("push {r0, r4-r11, lr}", f"ldr r1, [r0, #{_OFFSETS}]", "vldrh.16 q7, [r1]"),
        *("3:", "ldr lr, [sp]", f"ldm lr, {registers}"),
        *_loop(block("vmladav.s8"), block("vmladava.s8"), row),
        *(*_MOVED, "ldr lr, [sp]", f"add r0, lr, #{_TABLES}", "ldr r6, [lr, #40]"),
        *(*(f"add {each}, {each}, r6" for each in rows), moving),
        *("ldm r0, {r2-r8}", *scaled, *_STORED, f"add r5, r5, #{step}"),
        *("subs r8, r8, #1", "stm r0, {r2-r8}", "bne 3b", "pop {r0, r4-r11, lr}"),
    )


_TILE = """\
#ifdef HAS_MVE
/* What is multiplied: the taps of two channels and four columns, or the taps of eight
   channels, two in turn, and one column, up to end. next is from the end of taps to
   those of the next channels; offsets are of results, in turn of the first and the
   second four. */
typedef struct {
    const int8_t *rows[5], *end;
    const int32_t *bias, *multiplier;
    const int8_t *shift;
    int8_t *output;
    int32_t next, zero, count;
    const uint16_t *offsets;
} tile;
#endif
"""

_RESULTS = """\
/* count times $what$where;
   not yet limited. */
NOT_INLINE static void $name(tile *t)
{
    register tile *r0 __asm__("r0") = t;
    __asm__ volatile(
$lines\
        : "+r"(r0) : : "r1", "r2", "r3", "r12", "cc", "memory", "q0", "q1", "q2", "q3",
          "q4", "q5", "q6", "q7");
}
"""


def fragments() -> dict[str, fragment.Fragment]:
    """The loops by name."""
    texts = []
    for columns, what in ((4, "two channels of four columns"), (1, "eight channels")):
        for is_small in (True, False):
            name = f"tile_{columns}x{8 // columns}"
            lines = _results(columns, is_small)
            texts.append(
                literals.filled(
                    _RESULTS,
                    what=what,
                    where=", where the scaling is_small" if is_small else "",
                    name=f"{name}_small" if is_small else name,
                    lines=paired_products.assembled(lines),
                )
            )
    functions = "\n".join(texts)
    return {
        "tile": Fragment(_TILE, ("mve",)),
        "tiles": Fragment(
            f"#ifdef HAS_MVE\n{functions}#endif\n", ("tile", "mve", "not_inline")
        ),
    }
