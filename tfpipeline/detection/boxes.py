"""Boxes and how far two of them cover each other.

A box is x1, y1, x2, y2 in pixels from the upper left corner of the image: left, top,
right, bottom. Data sets of this project store ymin, xmin, ymax, xmax; see
`from_rows_first`.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

Boxes = npt.NDArray[Any]


def from_rows_first(boxes: Boxes) -> Boxes:
    """x1, y1, x2, y2 of ymin, xmin, ymax, xmax, or the reverse; [N, 4]."""
    swapped: Boxes = boxes[:, [1, 0, 3, 2]]
    return swapped


def areas(boxes: Boxes) -> Boxes:
    """Areas [N] of boxes [N, 4], in square pixels."""
    sides = boxes[:, 2:] - boxes[:, :2]
    products: Boxes = sides[:, 0] * sides[:, 1]
    return products


def longer_sides(boxes: Boxes) -> Boxes:
    """Longer sides [N] of boxes [N, 4], in pixels."""
    sides: Boxes = (boxes[:, 2:] - boxes[:, :2]).max(axis=1)
    return sides


def intersections(first: Boxes, second: Boxes, added: float = 0) -> Boxes:
    """Areas that each of the first boxes shares with each of the second.

    Args:
        first: [N, 4].
        second: [M, 4].
        added: to both sides of what is shared; 1 counts pixels, whose last one belongs
            to a box.

    Returns:
        [N, M], in square pixels.
    """
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    sides = np.maximum(high - low + np.asarray(added, high.dtype), 0)
    shared: Boxes = sides[..., 0] * sides[..., 1]
    return shared


def ious(first: Boxes, second: Boxes) -> npt.NDArray[np.float64]:
    """Intersection over union of each pair, float64 [N, M]; 0 of boxes without area."""
    first, second = np.asarray(first, np.float64), np.asarray(second, np.float64)
    shared = intersections(first, second)
    union = areas(first)[:, None] + areas(second)[None, :] - shared
    shares = np.zeros(shared.shape, np.float64)
    np.divide(shared, union, out=shares, where=union > 0)
    return shares
