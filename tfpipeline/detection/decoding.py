"""From the maps of a detector to boxes with scores."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tfpipeline import errors
from tfpipeline.detection import branches as branches_lib
from tfpipeline.detection import suppression

# LFFD's: 0.3 for its figures, with all boxes; 0.8 is its program's default.
THRESHOLD = 0.3
MOST_BOXES = 10_000


@dataclasses.dataclass(frozen=True, eq=False)
class Detections:
    """Boxes of one image in descending order of their scores.

    Attributes:
        boxes: float32 [N, 4], x1, y1, x2, y2 in pixels.
        scores: float32 [N], 0 to 1.
    """

    boxes: npt.NDArray[np.float32]
    scores: npt.NDArray[np.float32]


@dataclasses.dataclass(frozen=True, eq=False)
class Maps:
    """What a network says in one branch.

    Attributes:
        logits: [H, W, 2], of the object and of the background, before softmax.
        boxes: [H, W, 4], encoded as `targets.encode` does.
    """

    logits: npt.NDArray[Any]
    boxes: npt.NDArray[Any]

    def __post_init__(self) -> None:
        cells = self.logits.shape[:2]
        if self.logits.shape != (*cells, 2) or self.boxes.shape != (*cells, 4):
            raise errors.UsageError(
                "a branch gives logits [H, W, 2] and boxes [H, W, 4]. Received: "
                f"{list(self.logits.shape)} and {list(self.boxes.shape)}"
            )


def detect(
    maps: Sequence[Maps],
    branches: Sequence[branches_lib.Branch],
    size: tuple[int, int],
    *,
    threshold: float = THRESHOLD,
    overlap: float = suppression.OVERLAP,
    most: int = MOST_BOXES,
) -> Detections:
    """The objects in one image.

    Args:
        maps: of each branch.
        branches: in the same order.
        size: height and width of the network's input, which boxes are cut to.
        threshold: boxes stay whose score is above it.
        overlap: as for `suppression.suppress`.
        most: so many boxes of the highest scores enter suppression.

    Raises:
        UsageError: there are other branches than maps.
    """
    if len(maps) != len(branches):
        raise errors.UsageError(
            f"{len(branches)} branches need as many maps. Received: {len(maps)}"
        )
    parts = [
        _candidates(each, branch, size, threshold)
        for each, branch in zip(maps, branches, strict=True)
    ]
    boxes = np.concatenate([part.boxes for part in parts])
    scores = np.concatenate([part.scores for part in parts])
    order = np.argsort(-scores, kind="stable")[:most]
    kept = order[suppression.suppress(boxes[order], scores[order], overlap)]
    return Detections(boxes[kept], scores[kept])


def confidences(logits: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """The softmax's share of the object, float32 [...], of logits [..., 2]."""
    wide = np.asarray(logits, np.float64)
    with np.errstate(over="ignore"):
        shares = 1 / (1 + np.exp(wide[..., 1] - wide[..., 0]))
    return shares.astype(np.float32)


def decode(
    encoded: npt.NDArray[Any], branch: branches_lib.Branch
) -> npt.NDArray[np.float32]:
    """Boxes in pixels, float32 [H, W, 4], of encoded ones of all cells."""
    rows, columns = (branch.centers(count) for count in encoded.shape[:2])
    pixels = np.asarray(encoded, np.float64) * branch.unit
    result = np.empty(encoded.shape, np.float64)
    result[..., 0::2] = columns[None, :, None] - pixels[..., 0::2]
    result[..., 1::2] = rows[:, None, None] - pixels[..., 1::2]
    return result.astype(np.float32)


def _candidates(
    maps: Maps,
    branch: branches_lib.Branch,
    size: tuple[int, int],
    threshold: float,
) -> Detections:
    scores = confidences(maps.logits)
    chosen = scores > threshold
    boxes = decode(maps.boxes, branch)[chosen]
    height, width = size
    limits = np.array([width, height, width, height], np.float32)
    return Detections(np.clip(boxes, 0, limits), scores[chosen])
