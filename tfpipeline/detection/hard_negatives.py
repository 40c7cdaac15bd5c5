"""Which background cells are trained on: the hardest, a few for each object cell.

Background is nearly everything, so that all of it would leave nothing to the objects.
LFFD's rule (`cross_entropy_with_hnm_for_one_class_detection.py`), but for its slip that
object cells take places among the selected: here so many negatives are kept as it says.
"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from tfpipeline.detection import targets

# Background cells for each object cell.
RATIO = 5
# Share of all cells that is kept in a batch where a branch has no object.
SHARE_WITHOUT_OBJECTS = 0.1


def select(
    background: npt.NDArray[Any],
    state: npt.NDArray[np.integer[Any]],
    ratio: int = RATIO,
) -> npt.NDArray[np.bool_]:
    """The cells of a branch that the score is trained on.

    Args:
        background: what the network takes for the chance of background, of any shape:
            one batch. Logits do as well, as only their order counts.
        state: of the same shape, of `targets.Targets`.
        ratio: background cells for each object cell.

    Returns:
        bool, of the same shape: every object cell, and the background cells with the
        lowest values, of equal ones the first. Gray cells never.
    """
    is_object = state == targets.OBJECT
    candidates = np.flatnonzero(state == targets.BACKGROUND)
    objects = int(is_object.sum())
    count = (
        ratio * objects if objects else math.floor(SHARE_WITHOUT_OBJECTS * state.size)
    )
    order = np.argsort(background.reshape(-1)[candidates], kind="stable")
    kept = np.array(is_object, np.bool_, order="C")
    kept.reshape(-1)[candidates[order[:count]]] = True
    return kept
