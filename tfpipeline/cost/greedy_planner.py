"""The plan that TensorFlow Lite Micro itself makes: its GreedyMemoryPlanner's rule.

The rule, read in tensorflow/lite/micro/memory_planner/greedy_memory_planner.cc:

1. Buffers are placed in descending order of their aligned size; of two of one size, the
   one that was added later (the later tensor of the file) comes first.
2. A buffer goes to the lowest offset at which it fits between, or else after, the
   buffers already placed that are alive at one of its times (first fit).

Nothing that was placed is moved again, which is what leaves memory unused: 73,728 bytes
for MLPerf Tiny's visual wake words where 55,296 are enough.
"""

from collections.abc import Mapping, Sequence

from tfpipeline.cost import alive, liveness, memory_plan

NAME = "tflm_greedy"


def plan_greedily(buffers: Sequence[liveness.Buffer]) -> memory_plan.Plan:
    """Plans `buffers`, given in the order of the file's tensors, as TFLM does.

    Offsets are in bytes, multiples of 16. Plans made offline
    (`OfflineMemoryAllocation` metadata) are not taken into account.
    """
    order = sorted(
        range(len(buffers)), key=lambda i: (buffers[i].aligned_bytes, i), reverse=True
    )
    return memory_plan.Plan(NAME, tuple(buffers), first_fit(buffers, order))


def first_fit(
    buffers: Sequence[liveness.Buffer],
    order: Sequence[int],
    fixed: Mapping[int, int] | None = None,
) -> tuple[int, ...]:
    """Gives each buffer the lowest offset that is free at all its times.

    Args:
        buffers: what to place.
        order: every index of `buffers` once; earlier ones choose first.
        fixed: indices that `order` leaves out -> their offsets, which others avoid.

    Returns:
        Offsets in bytes, in the order of `buffers`.
    """
    offsets = [0] * len(buffers)
    sizes = [buffer.aligned_bytes for buffer in buffers]
    placed = alive.Alive[tuple[int, int]]()
    for index, offset in (fixed or {}).items():
        offsets[index] = offset
        span = (offset, offset + sizes[index])
        placed.add(span, buffers[index].first_use, buffers[index].last_use)
    for index in order:
        first, last = buffers[index].first_use, buffers[index].last_use
        spans = sorted(placed.during(first, last))
        offset = offsets[index] = lowest_gap(spans, sizes[index])
        placed.add((offset, offset + sizes[index]), first, last)
    return tuple(offsets)


def lowest_gap(spans: Sequence[tuple[int, int]], size: int) -> int:
    """Returns the lowest offset of `size` free bytes.

    Args:
        spans: start and end in bytes of what is taken, sorted; they may overlap.
        size: bytes wanted, more than 0.
    """
    offset = 0
    for start, end in spans:
        if start - offset >= size:
            break
        offset = max(offset, end)
    return offset


def head_bytes(buffers: Sequence[liveness.Buffer], offsets: Mapping[str, int]) -> int:
    """The head where some buffers lie as planned and the runtime places the others.

    It places the largest first, of one size the later, at the lowest offset that is
    free.

    Args:
        buffers: all.
        offsets: of those that have a place already, by name.
    """
    placed = [
        (buffer, offsets[buffer.name]) for buffer in buffers if buffer.name in offsets
    ]
    others = [buffer for buffer in buffers if buffer.name not in offsets]
    for buffer in sorted(
        reversed(others), key=lambda each: each.aligned_bytes, reverse=True
    ):
        spans = sorted(
            (offset, offset + other.aligned_bytes)
            for other, offset in placed
            if other.overlaps(buffer)
        )
        placed.append((buffer, lowest_gap(spans, buffer.aligned_bytes)))
    return max((offset + buffer.aligned_bytes for buffer, offset in placed), default=0)
