"""What a detector's training minimizes, in float64; training computes it in TensorFlow.

LFFD's losses: of each branch the mean cross entropy of the cells that
`hard_negatives.select` keeps of a batch, and half of the squared difference of the
boxes of cells in one object, over 4 x cells of the map, whatever the number of objects
(MXNet's LinearRegressionOutput). Nothing weighs branches or the two against each other
in the source; `box_weight` does here.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tfpipeline.detection import hard_negatives, layout, targets


def total(
    outputs: npt.NDArray[np.floating[Any]],
    expected: Sequence[Sequence[targets.Targets]],
    maps: layout.Layout,
    box_weight: float,
) -> float:
    """The loss of a batch.

    Args:
        outputs: [N, values], see `layout`.
        expected: of each image, of each branch.
        maps: of the detector.
        box_weight: of the boxes' part.
    """
    result = 0.0
    by_image = [maps.maps(each) for each in outputs]
    for branch in range(len(maps.branches)):
        logits = np.stack([each[branch].logits for each in by_image])
        boxes = np.stack([each[branch].boxes for each in by_image])
        wanted = [each[branch] for each in expected]
        state = np.stack([each.state for each in wanted])
        has_box = np.stack([each.has_box for each in wanted])
        encoded = np.stack([each.boxes for each in wanted])
        result += _scores(logits.astype(np.float64), state)
        squares = np.square(boxes.astype(np.float64) - encoded).sum(axis=-1)
        result += box_weight * float(
            (squares * has_box).sum() / 2 / (4 * state[0].size) / len(outputs)
        )
    return result


def _scores(logits: npt.NDArray[np.float64], state: npt.NDArray[np.int8]) -> float:
    background = logits[..., 1] - logits[..., 0]
    kept = hard_negatives.select(background, state)
    if not kept.any():
        return 0.0
    # -log of the softmax' share of the right one of two.
    signed = np.where(state == targets.OBJECT, background, -background)
    return float(np.logaddexp(0.0, signed)[kept].mean())
