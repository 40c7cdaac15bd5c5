"""Which of many overlapping boxes stay: one rule for every number format.

The rule is LFFD's (`NMS` of its predict.py): boxes are taken in the order of their
scores, and a box goes where what it shares with a taken one is more than a limit of
*its own* area, the lower-scored box's. That is not intersection over union, so that
libraries' suppression gives other boxes. The sides of what is shared count one pixel
more, those of the areas do not, as in the source.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from tfpipeline.detection import boxes as boxes_lib

# LFFD's, for its figures and for its accuracy.
OVERLAP = 0.3

Areas = npt.NDArray[Any]
Goes = Callable[[Areas, Areas], Areas]


def suppress_by_iou(
    boxes: npt.NDArray[Any], scores: npt.NDArray[Any], overlap: float
) -> npt.NDArray[np.intp]:
    """The boxes that stay by the rule of libraries, which some detectors are made for.

    Args:
        boxes: [N, 4], x1, y1, x2, y2.
        scores: [N]; of equal ones the box that stands first is taken first.
        overlap: the intersection over union with a taken box above which one goes.

    Returns:
        As `suppress`.
    """
    order = np.argsort(-scores, kind="stable")
    kept = []
    while len(order):
        best, rest = order[0], order[1:]
        kept.append(best)
        order = rest[boxes_lib.ious(boxes[[best]], boxes[rest])[0] <= overlap]
    return np.array(kept, np.intp)


def suppress(
    boxes: npt.NDArray[Any],
    scores: npt.NDArray[Any],
    overlap: float = OVERLAP,
    added: float = 1,
    goes: Goes | None = None,
) -> npt.NDArray[np.intp]:
    """The boxes that stay.

    Args:
        boxes: [N, 4], x1, y1, x2, y2; computed in their own type.
        scores: [N]. Of equal ones the box that stands first is taken first; the source
            leaves that open.
        overlap: the share of a box's area above which it goes.
        added: to the sides of what two boxes share: a pixel in the boxes' unit.
        goes: in place of `overlap`, whether boxes go for areas [M] that they share and
            their own areas [M]; for integers.

    Returns:
        intp [K], indices in descending order of their scores.
    """
    if goes is None:

        def goes(shared: Areas, own: Areas) -> Areas:
            # Not a quotient: boxes cut by the image's edge may have no area.
            result: Areas = shared > overlap * own
            return result

    order = np.argsort(-scores, kind="stable")
    areas = boxes_lib.areas(boxes)
    kept = []
    while len(order):
        best, rest = order[0], order[1:]
        kept.append(best)
        shared = boxes_lib.intersections(boxes[best : best + 1], boxes[rest], added)[0]
        order = rest[~goes(shared, areas[rest])]
    return np.array(kept, np.intp)
