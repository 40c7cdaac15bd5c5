"""Whether buffers fit in a number of bytes: an exact search with a limit on its nodes.

The problem is packing rectangles of fixed horizontal position: time runs to the right,
the arena upwards. Three reductions keep the search small, and none loses a solution:

* A buffer that fits beside its neighbors wherever these lie is left out and placed at
  the end. In MLPerf Tiny's networks only the first few layers remain.
* What remains falls into parts that share no time; each is searched alone.
* Of the times, only those count whose set of live buffers is not contained in the set
  of another time: the columns.

A part is filled from the bottom. It is enough to look at plans in which every buffer
lies on the ground or directly on another one (lower each buffer until it does), in the
order of their offsets. At a level, for the leftmost column whose filled height is that
level, either one of the buffers that begin there lies at this level, or none does. A
branch ends when a column's height plus the bytes still to be placed in it exceed the
capacity, or when its outline (heights and buffers left) was met before.
"""

import dataclasses
import itertools
from collections.abc import Iterator, Sequence

from tfpipeline.cost import greedy_planner, liveness


@dataclasses.dataclass(frozen=True)
class Outcome:
    """Offsets that fit, or None; `is_exhausted` then says that none exist."""

    offsets: tuple[int, ...] | None
    is_exhausted: bool
    nodes: int


# The placements of a branch, innermost last: (parent, buffer, offset).
_Placements = tuple["_Placements", int, int] | None


@dataclasses.dataclass(frozen=True)
class _Item:
    """A buffer as a rectangle over the columns `first` to `last`."""

    size: int
    first: int
    last: int


@dataclasses.dataclass(frozen=True)
class _Outline:
    """A branch of the search.

    `heights` and `left` are bytes a column: filled, and still to be placed; a column
    with nothing left is out of the game and has the height 0. `closed` has a bit for
    each column that nothing may begin in at the present `level`, `unplaced` a bit for
    each item.
    """

    level: int
    heights: tuple[int, ...]
    left: tuple[int, ...]
    closed: int
    unplaced: int
    placements: _Placements


def fit(
    buffers: Sequence[liveness.Buffer], capacity: int, granule: int, max_nodes: int
) -> Outcome:
    """Looks for a plan of at most `capacity` bytes.

    Args:
        buffers: what to place.
        capacity: bytes, a multiple of `granule`.
        granule: bytes that divide every buffer's aligned size.
        max_nodes: bound on the branches looked at; the result depends on nothing else.
    """
    kept, set_aside = _set_aside(buffers, capacity, granule)
    offsets: dict[int, int] = {}
    nodes = 0
    for part in _parts(buffers, kept):
        found, used, is_exhausted = _fill(buffers, part, capacity, max_nodes - nodes)
        nodes += used
        if found is None:
            return Outcome(None, is_exhausted, nodes)
        offsets |= found
    for index in reversed(set_aside):
        spans = sorted(
            (offset, offset + buffers[other].aligned_bytes)
            for other, offset in offsets.items()
            if buffers[other].overlaps(buffers[index])
        )
        size = buffers[index].aligned_bytes
        offsets[index] = greedy_planner.lowest_gap(spans, size)
    return Outcome(tuple(offsets[i] for i in range(len(buffers))), True, nodes)


def _set_aside(
    buffers: Sequence[liveness.Buffer], capacity: int, granule: int
) -> tuple[list[int], list[int]]:
    """Splits indices into those to search and those that fit whatever the others do.

    A neighbor of s bytes takes (s + b - granule) / granule of the possible offsets of a
    buffer of b bytes, of which there are (capacity - b + granule) / granule.
    """
    neighbors = {
        i: {j for j, b in enumerate(buffers) if j != i and a.overlaps(b)}
        for i, a in enumerate(buffers)
    }
    waiting = list(neighbors)
    set_aside: list[int] = []
    kept = set(neighbors)
    while waiting:
        index = waiting.pop(0)
        size = buffers[index].aligned_bytes
        taken = sum(
            buffers[j].aligned_bytes + size - granule for j in neighbors[index] & kept
        )
        if index in kept and taken < capacity - size + granule:
            kept.remove(index)
            set_aside.append(index)
            waiting += sorted((neighbors[index] & kept) - set(waiting))
    return sorted(kept), set_aside


def _parts(
    buffers: Sequence[liveness.Buffer], kept: Sequence[int]
) -> Iterator[list[int]]:
    """Groups of buffers between which no time is shared."""
    part: list[int] = []
    end = -1
    for index in sorted(kept, key=lambda i: (buffers[i].first_use, i)):
        if part and buffers[index].first_use > end:
            yield part
            part = []
        part.append(index)
        end = max(end, buffers[index].last_use)
    if part:
        yield part


def _columns(buffers: Sequence[liveness.Buffer]) -> list[int]:
    """The times whose live set no other time's contains."""
    starts = sorted({b.first_use for b in buffers})
    ends = sorted({b.last_use for b in buffers})
    return [
        time
        for time, later in itertools.zip_longest(starts, starts[1:])
        if later is None or any(time <= end < later for end in ends)
    ]


def _fill(
    buffers: Sequence[liveness.Buffer], part: list[int], capacity: int, max_nodes: int
) -> tuple[dict[int, int] | None, int, bool]:
    """Searches one part: offsets by buffer or None, nodes, whether all was searched."""
    times = _columns([buffers[i] for i in part])
    # Large buffers first: the first branch of each node takes the largest that fits.
    part = sorted(part, key=lambda i: (-buffers[i].aligned_bytes, i))
    items = [_item(buffers[index], times) for index in part]
    left = tuple(
        sum(item.size for item in items if item.first <= column <= item.last)
        for column in range(len(times))
    )
    if max(left) > capacity:
        return None, 0, True
    ground = (0,) * len(times)
    start = _Outline(0, ground, left, 0, (1 << len(items)) - 1, None)
    stack: list[Iterator[_Outline]] = [iter([start])]
    seen = set()
    nodes = 0
    while stack:
        outline = next(stack[-1], None)
        if outline is None:
            stack.pop()
            continue
        if not outline.unplaced:
            return _offsets(part, outline.placements), nodes, True
        key = (outline.unplaced, outline.heights, outline.closed)
        if key in seen:
            continue
        if nodes == max_nodes:
            return None, nodes, False
        nodes += 1
        seen.add(key)
        stack.append(_branches(outline, items, capacity))
    return None, nodes, True


def _item(buffer: liveness.Buffer, times: Sequence[int]) -> _Item:
    covered = [
        column
        for column, time in enumerate(times)
        if buffer.first_use <= time <= buffer.last_use
    ]
    return _Item(buffer.aligned_bytes, covered[0], covered[-1])


def _branches(
    outline: _Outline, items: Sequence[_Item], capacity: int
) -> Iterator[_Outline]:
    """What can come next, the largest item first and the empty column last."""
    column = next(
        c
        for c, height in enumerate(outline.heights)
        if height == outline.level and outline.left[c] and not outline.closed >> c & 1
    )
    tried = set()
    for number, item in enumerate(items):
        if (
            outline.unplaced >> number & 1
            and item.first == column
            and item not in tried
            and max(outline.heights[item.first : item.last + 1]) == outline.level
        ):
            tried.add(item)
            placed = _raise(_place(outline, number, item), capacity)
            if placed is not None:
                yield placed
    closed = dataclasses.replace(outline, closed=outline.closed | 1 << column)
    raised = _raise(closed, capacity)
    if raised is not None:
        yield raised


def _place(outline: _Outline, number: int, item: _Item) -> _Outline:
    """Puts an item on the level."""
    heights = list(outline.heights)
    left = list(outline.left)
    for column in range(item.first, item.last + 1):
        left[column] -= item.size
        heights[column] = outline.level + item.size if left[column] else 0
    return dataclasses.replace(
        outline,
        heights=tuple(heights),
        left=tuple(left),
        unplaced=outline.unplaced & ~(1 << number),
        placements=(outline.placements, number, outline.level),
    )


def _raise(outline: _Outline, capacity: int) -> _Outline | None:
    """Goes to the next level if this one has no open column; None at a dead end."""
    active = [c for c, left in enumerate(outline.left) if left]
    low = [c for c in active if outline.heights[c] == outline.level]
    if not active or any(not outline.closed >> c & 1 for c in low):
        return outline
    higher = [outline.heights[c] for c in active if outline.heights[c] > outline.level]
    if not higher:
        return None
    level = min(higher)
    if any(level + outline.left[c] > capacity for c in low):
        return None
    heights = list(outline.heights)
    for column in low:
        heights[column] = level
    return dataclasses.replace(outline, level=level, heights=tuple(heights), closed=0)


def _offsets(part: Sequence[int], placements: _Placements) -> dict[int, int]:
    offsets = {}
    while placements is not None:
        placements, number, offset = placements
        offsets[part[number]] = offset
    return offsets
