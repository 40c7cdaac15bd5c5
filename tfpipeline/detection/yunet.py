"""YuNet's boxes and landmarks (Wu et al. 2023; ShiqiYu/libfacedetection.train, onnx/).

Three strides, a cell a face. A cell says a class and an objectness, whose geometric
mean is the score; a box as the shift of its center and the logarithms of its sides, in
strides; and five points as shifts, in strides: the eyes, the tip of the nose and the
corners of the mouth, each the one to the left in the picture first. Cells count from
the corner of the picture, so that cell 0 has its reference at pixel 0.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tfpipeline import errors
from tfpipeline.detection import suppression

STRIDES = (8, 16, 32)
POINTS = 5
# Of the published program (src/facedetectcnn: confidence and overlap of its demo); the
# rule is intersection over union.
THRESHOLD = 0.6
OVERLAP = 0.3
# The heads, one output a stride each, in this order.
_WIDTHS = {"class": 1, "object": 1, "box": 4, "points": 2 * POINTS}


@dataclasses.dataclass(frozen=True, eq=False)
class Faces:
    """Faces of one picture in descending order of their scores.

    Attributes:
        boxes: float32 [N, 4], x1, y1, x2, y2 in pixels; they may reach out.
        scores: float32 [N], 0 to 1.
        landmarks: float32 [N, 5, 2], x and y in pixels.
    """

    boxes: npt.NDArray[np.float32]
    scores: npt.NDArray[np.float32]
    landmarks: npt.NDArray[np.float32]


def detect(
    outputs: Sequence[npt.NDArray[Any]],
    size: tuple[int, int],
    *,
    threshold: float = THRESHOLD,
    overlap: float = OVERLAP,
) -> Faces:
    """The faces in one picture.

    Args:
        outputs: class, object, box and points of strides 8, 16 and 32, in this order:
            12 arrays [cells, width]; classes and objects as probabilities.
        size: height and width of the network's input, multiples of 32.
        threshold: faces stay whose score is at least this.
        overlap: the intersection over union above which the lower-scored one goes.

    Raises:
        UsageError: the outputs are not those of YuNet at this size.
    """
    _require_fitting(outputs, size)
    parts = []
    for place, stride in enumerate(STRIDES):
        chosen = [
            np.asarray(each, np.float64) for each in outputs[place :: len(STRIDES)]
        ]
        parts.append(_of_stride(chosen, stride, size[1] // stride, threshold))
    rows = np.concatenate(parts)
    kept = suppression.suppress_by_iou(rows[:, :4], rows[:, 4], overlap)
    faces: npt.NDArray[np.float32] = rows[kept].astype(np.float32)
    return Faces(faces[:, :4], faces[:, 4], faces[:, 5:].reshape(-1, POINTS, 2))


def _of_stride(
    heads: Sequence[npt.NDArray[np.float64]],
    stride: int,
    columns: int,
    threshold: float,
) -> npt.NDArray[np.float64]:
    """Rows of box, score and points of the cells above the threshold."""
    classes, objects, boxes, points = heads
    scores = np.sqrt(np.clip(classes[:, 0], 0, 1) * np.clip(objects[:, 0], 0, 1))
    cells = np.flatnonzero(scores >= threshold)
    corner = np.stack([cells % columns, cells // columns], axis=1)
    center = (corner + boxes[cells, :2]) * stride
    half = np.exp(boxes[cells, 2:]) * stride / 2
    marks = (corner[:, None] + points[cells].reshape(-1, POINTS, 2)) * stride
    return np.concatenate(
        [
            *(center - half, center + half),
            scores[cells, None],
            marks.reshape(-1, 2 * POINTS),
        ],
        axis=1,
    )


def _require_fitting(
    outputs: Sequence[npt.NDArray[Any]], size: tuple[int, int]
) -> None:
    expected = [
        (size[0] // stride * (size[1] // stride), width)
        for width in _WIDTHS.values()
        for stride in STRIDES
    ]
    found = [tuple(each.shape) for each in outputs]
    if found != expected or any(side % STRIDES[-1] for side in size):
        raise errors.UsageError(
            "YuNet gives class, object, box and points at strides 8, 16 and 32 of "
            f"sides that are multiples of 32. Received: {errors.listed(found)} of "
            f"{size[0]}x{size[1]}"
        )
