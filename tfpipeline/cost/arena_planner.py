"""Our plan of the arena: the smallest that a bounded search finds.

First every buffer is placed by first fit in several orders. Where none of these plans
reaches the liveness lower bound, an exact search (`offset_search`) asks whether some
plan has a given peak, for the bound first and then halving what lies between. The
search is bounded by a number of nodes, not by time, so that the same network has the
same plan on every machine. A plan says whether it is proven to be the smallest.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence

from tfpipeline.cost import greedy_planner, liveness, memory_plan, offset_search

NAME = "tfpipeline"

# Nodes of the exact search in total. A node takes 0.1 to 0.4 ms on a slow core with up
# to 110 buffers, so that the search ends within 2 s. MLPerf Tiny's networks need none.
MAX_NODES = 5_000

# Of each order where many buffers are planned around others.
_ROUNDS = 4

# Orders of first fit, each of which is the best on some networks: by size (TFLite
# Micro's own order and its mirror image in time), by size times lifetime, and by time
# from either end.
_ORDERS: tuple[Callable[[liveness.Buffer], tuple[int, ...]], ...] = (
    lambda b: (-b.aligned_bytes, -b.first_use),
    lambda b: (-b.aligned_bytes, b.first_use),
    lambda b: (-b.aligned_bytes * (b.last_use - b.first_use + 1), b.first_use),
    lambda b: (b.first_use - b.last_use, -b.aligned_bytes),
    lambda b: (b.first_use, -b.aligned_bytes),
    lambda b: (-b.last_use, -b.aligned_bytes),
)


def plan_arena(
    buffers: Sequence[liveness.Buffer], *, max_nodes: int = MAX_NODES
) -> memory_plan.Plan:
    """Plans `buffers` in as few bytes as the search finds.

    Never worse than TensorFlow Lite Micro's own plan. Deterministic: the result depends
    on the buffers, their order, and `max_nodes` alone.

    Returns:
        A plan with offsets in bytes, multiples of 16; `is_optimal` where its peak is
        the lower bound or everything below it was searched.
    """
    buffers = tuple(buffers)
    low = liveness.lower_bound_bytes(buffers)
    tried: list[tuple[int, int, tuple[int, ...]]] = []
    for best in _first_fits(buffers):
        tried.append((_peak(buffers, best), len(tried), best))
        if tried[-1][0] == low:
            break
    # The first of equals.
    high, _, best = min(tried)
    granule = math.gcd(*(b.aligned_bytes for b in buffers))
    is_proven = True
    probe = low
    while low < high:
        # A share for each probe, so that a hard one leaves some for the easier ones.
        share = -(-max_nodes // 4)
        outcome = offset_search.fit(buffers, probe, granule, share)
        max_nodes -= outcome.nodes
        if outcome.offsets is not None:
            best = outcome.offsets
            high = _peak(buffers, best)
        else:
            is_proven &= outcome.is_exhausted
            low = probe + granule
        probe = low + (high - low) // (2 * granule) * granule
    return memory_plan.Plan(NAME, buffers, best, is_optimal=is_proven)


def plan_around(
    buffers: Sequence[liveness.Buffer], fixed: Mapping[int, int]
) -> memory_plan.Plan:
    """Plans `buffers` around some that have their places, by first fit alone.

    Of each order there are more: what ends at the peak comes first in the next one.
    That suits hundreds of buffers, for which the exact search is too slow.

    Args:
        buffers: what to place.
        fixed: index of a buffer -> its offset in bytes, a multiple of 16; no two of
            them that hold data at one time overlap.

    Returns:
        The best plan; `is_optimal` where its peak is the lower bound.
    """
    buffers = tuple(buffers)
    low = liveness.lower_bound_bytes(buffers)
    best: tuple[int, ...] = ()
    high = -1
    for key in _ORDERS:
        order = sorted(set(range(len(buffers))) - fixed.keys())
        order.sort(key=lambda i: key(buffers[i]))
        for _ in range(_ROUNDS):
            offsets = greedy_planner.first_fit(buffers, order, fixed)
            peak = _peak(buffers, offsets)
            if not best or peak < high:
                best, high = offsets, peak
            highest = [
                i for i in order if offsets[i] + buffers[i].aligned_bytes == peak
            ]
            if high == low or not highest:
                break
            order = [*highest, *(i for i in order if i not in highest)]
        if high == low:
            break
    return memory_plan.Plan(NAME, buffers, best, is_optimal=high == low)


def _first_fits(buffers: tuple[liveness.Buffer, ...]) -> Iterator[tuple[int, ...]]:
    yield greedy_planner.plan_greedily(buffers).offsets
    for key in _ORDERS:
        order = sorted(range(len(buffers)), key=lambda i: key(buffers[i]))
        yield greedy_planner.first_fit(buffers, order)


def _peak(buffers: Sequence[liveness.Buffer], offsets: Sequence[int]) -> int:
    ends = (
        offset + b.aligned_bytes for b, offset in zip(buffers, offsets, strict=True)
    )
    return max(ends, default=0)
