"""Layers of any rank as the few axes that the loops in C have."""

import itertools
import math
from collections.abc import Sequence


def reduced(shape: Sequence[int], axes: Sequence[int]) -> list[int]:
    """Sizes of kept and reduced axes in turn, a kept one first and last.

    Axes of size 1 are left out, neighbors of one sort multiplied.
    """
    sorts = [(i in axes, size) for i, size in enumerate(shape) if size > 1]
    sizes: list[int] = []
    for is_reduced, group in itertools.groupby(sorts, key=lambda pair: pair[0]):
        if is_reduced != len(sizes) % 2:
            sizes.append(1)
        sizes.append(math.prod(size for _, size in group))
    return sizes if len(sizes) % 2 else [*sizes, 1]


def broadcast(
    first: Sequence[int], second: Sequence[int]
) -> list[tuple[int, int, int]]:
    """Size, stride of the first and stride of the second operand, for each axis.

    A stride of 0 repeats an operand. Neighbors that both operands step through in the
    same way are one axis.
    """
    rank = max(len(first), len(second))
    one, other = ((1,) * (rank - len(s)) + tuple(s) for s in (first, second))
    joined: list[tuple[int, int, int]] = []
    for i, sizes in enumerate(zip(one, other, strict=True)):
        size = max(sizes)
        if size == 1:
            continue
        strides = [
            math.prod(shape[i + 1 :]) if shape[i] > 1 else 0 for shape in (one, other)
        ]
        if joined and [s * size for s in strides] == list(joined[-1][1:]):
            size *= joined.pop()[0]
        joined.append((size, strides[0], strides[1]))
    return joined


def gathered(
    tables: Sequence[Sequence[int]], width: int
) -> tuple[list[list[int]], int]:
    """Copies by tables of offsets as fewer axes, and the bytes that lie in one piece.

    Args:
        tables: for each axis of the output, where its values lie, in bytes.
        width: bytes of a value.

    Returns:
        Tables of the axes that remain, the last one at least, and bytes of a block.
    """
    start = sum(table[0] for table in tables if len(table) == 1)
    rest = [list(table) for table in tables if len(table) > 1]
    while rest and rest[-1] == [rest[-1][0] + i * width for i in range(len(rest[-1]))]:
        block = rest.pop()
        start += block[0]
        width *= len(block)
    rest = rest or [[0]]
    rest[-1] = [start + offset for offset in rest[-1]]
    return rest, width


def padded(
    shape: Sequence[int], padding: Sequence[tuple[int, int]]
) -> list[tuple[int, int, int]]:
    """Size, what comes before and the size with padding, for each axis.

    Axes of size 1 are left out; one that is not padded joins the one in front.
    """
    joined: list[tuple[int, int, int]] = []
    for size, (before, after) in zip(shape, padding, strict=True):
        total = before + size + after
        if total == 1:
            continue
        if joined and total == size:
            outer = joined.pop()
            joined.append((outer[0] * size, outer[1] * size, outer[2] * size))
        else:
            joined.append((size, before, total))
    return joined or [(1, 0, 1)]
