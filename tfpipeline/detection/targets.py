"""What a detector has to say about the objects of an image, cell by cell.

The rules are LFFD's (`multithread_dataiter_for_cross_entropy_v1.py`): a branch is
responsible for the objects of its sizes. Every cell whose center lies in such an object
is to find it; there is no matching by overlap. Cells in two such objects, and cells in
an object a little too small or too large for the branch, are gray: their score is not
trained.
"""

import dataclasses
import math
from typing import Any

import numpy as np
import numpy.typing as npt

from tfpipeline.detection import boxes as boxes_lib
from tfpipeline.detection import branches

OBJECT, BACKGROUND, GRAY = 1, 0, -1


@dataclasses.dataclass(frozen=True, eq=False)
class Targets:
    """What one branch is trained for in one image.

    Attributes:
        state: int8 [H, W]: OBJECT, BACKGROUND or GRAY.
        boxes: float32 [H, W, 4], encoded; 0 where there is none.
        has_box: bool [H, W], cells in exactly one object of the branch, also where an
            object of another size makes them gray.
    """

    state: npt.NDArray[np.int8]
    boxes: npt.NDArray[np.float32]
    has_box: npt.NDArray[np.bool_]


def assign(
    boxes: npt.NDArray[Any],
    branch: branches.Branch,
    cells: tuple[int, int],
    ignored: npt.NDArray[np.bool_] | None = None,
) -> Targets:
    """The targets of a branch.

    Args:
        boxes: float [N, 4], x1, y1, x2, y2 in pixels of the network's input; they may
            reach out of it.
        branch: the branch.
        cells: rows and columns of its map.
        ignored: bool [N], boxes of whatever size that are gray, such as crowds; None
            for none.
    """
    times = np.zeros(cells, np.int32)
    gray = np.zeros(cells, np.bool_)
    encoded = np.zeros((*cells, 4), np.float32)
    sides = boxes_lib.longer_sides(boxes)
    is_ignored = np.zeros(len(boxes), np.bool_) if ignored is None else ignored
    for box, side, is_gray in zip(boxes, sides, is_ignored, strict=True):
        place = _cells_within(box, branch, cells)
        if is_gray:
            gray[place] = True
        elif branch.smallest <= side <= branch.largest:
            times[place] += 1
            encoded[place] = encode(box, branch, cells)[place]
        elif branch.gray_smallest <= side <= branch.gray_largest:
            gray[place] = True
    has_box = times == 1
    state = has_box.astype(np.int8)
    state[gray | (times > 1)] = GRAY
    encoded[~has_box] = 0
    return Targets(state, encoded, has_box)


def encode(
    box: npt.NDArray[Any], branch: branches.Branch, cells: tuple[int, int]
) -> npt.NDArray[np.float32]:
    """How far the sides of a box are from each cell's center, in the branch's unit.

    Args:
        box: [4], x1, y1, x2, y2 in pixels.
        branch: the branch.
        cells: rows and columns of its map.

    Returns:
        float32 [H, W, 4]; the first two are positive in the box, the last two negative.
    """
    rows, columns = (branch.centers(count) for count in cells)
    result = np.empty((*cells, 4), np.float64)
    result[..., 0::2] = columns[None, :, None] - np.asarray(box[0::2], np.float64)
    result[..., 1::2] = rows[:, None, None] - np.asarray(box[1::2], np.float64)
    return (result / branch.unit).astype(np.float32)


def _cells_within(
    box: npt.NDArray[Any], branch: branches.Branch, cells: tuple[int, int]
) -> tuple[slice, slice]:
    """Rows and columns of the cells whose centers lie in a box or on its sides."""
    slices = []
    for count, low, high in zip(cells, box[[1, 0]], box[[3, 2]], strict=True):
        first = max(0, math.ceil((low - branch.first_center) / branch.stride))
        last = min(count - 1, math.floor((high - branch.first_center) / branch.stride))
        slices.append(slice(first, max(first, last + 1)))
    return slices[0], slices[1]
