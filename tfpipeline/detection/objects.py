"""The objects of pictures as an array of numbers, so that they go where targets go.

A row a box: x1, y1, x2, y2 in pixels of the network's input, what it is, and how many
pixels of the picture are one of them. Pictures of fewer objects than others have rows
of none.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

COLUMNS = 6
NONE, IGNORED, OBJECT = -1, 0, 1
_KIND, _SCALE = 4, 5

Rows = npt.NDArray[np.float32]


def rows(boxes: npt.NDArray[Any], ignored: npt.NDArray[np.bool_], scale: float) -> Rows:
    """The rows of one picture, float32 [max(N, 1), 6].

    Args:
        boxes: [N, 4], in pixels of the network's input.
        ignored: bool [N].
        scale: pixels of the picture for one of the input.
    """
    result = np.zeros((max(len(boxes), 1), COLUMNS), np.float32)
    result[:, _KIND], result[:, _SCALE] = NONE, scale
    if len(boxes):
        result[:, :4] = boxes
        result[:, _KIND] = np.where(ignored, IGNORED, OBJECT)
    return result


def joined(pictures: Sequence[Rows], most: int) -> Rows:
    """Rows of several pictures, [N, most, 6]."""
    result = np.zeros((len(pictures), most, COLUMNS), np.float32)
    result[..., _KIND] = NONE
    for place, each in enumerate(pictures):
        result[place, : len(each)] = each
    return result


def count(pictures: Rows) -> int:
    """Objects that count, in rows of any number of pictures."""
    return int(np.count_nonzero(pictures[..., _KIND] == OBJECT))


def of_picture(
    values: npt.NDArray[np.floating[Any]],
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_], float]:
    """Boxes [N, 4], which of them are ignored [N], and the scale of one picture.

    Args:
        values: [rows, 6].
    """
    some = values[values[:, _KIND] != NONE]
    return (
        np.asarray(some[:, :4], np.float64),
        np.asarray(some[:, _KIND] == IGNORED),
        float(values[0, _SCALE]),
    )
