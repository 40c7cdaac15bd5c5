"""How good detections are, and how those of two number formats differ."""

import contextlib
import dataclasses
import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from pycocotools import coco, cocoeval
from scipy import optimize

from tfpipeline import errors
from tfpipeline.detection import boxes as boxes_lib

# Boxes are of one object from this intersection over union on.
IOU = 0.5
# The least height of a face, in pixels, of WIDER-style levels; smaller ones neither
# count as missed nor as found. WIDER's own lists are by a proposal method's recall and
# come with its evaluation kit; heights of 50, 30 and 10 are what they amount to.
HEIGHTS: Mapping[str, float] = {"all": 0, "easy": 50, "medium": 30, "hard": 10}
# Faces in one picture of WIDER: up to 1,968.
_MOST_DETECTIONS = 2_000
# Dollar et al. 2012: nine points, evenly in the logarithm.
_FALSE_PER_IMAGE = np.logspace(-2.0, 0.0, 9)
_LEAST_MISS_RATE = 1e-10


@dataclasses.dataclass(frozen=True, eq=False)
class Image:
    """What is in one image, and what a detector says.

    Attributes:
        truth: [N, 4], x1, y1, x2, y2 in pixels.
        boxes: [M, 4], of the detector.
        scores: [M].
        ignored: bool [N], objects that neither count as missed nor as found; None for
            none.
    """

    truth: npt.NDArray[Any]
    boxes: npt.NDArray[Any]
    scores: npt.NDArray[Any]
    ignored: npt.NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        shapes = self.truth.shape[1:], self.boxes.shape, self.scores.shape
        if shapes != ((4,), (len(self.scores), 4), (len(self.scores),)):
            raise errors.DataError(
                "an image has truth [N, 4], boxes [M, 4] and scores [M]. Received: "
                f"{list(self.truth.shape)}, {list(self.boxes.shape)} and "
                f"{list(self.scores.shape)}"
            )

    @property
    def counted(self) -> npt.NDArray[np.bool_]:
        """bool [N]: objects that are not ignored."""
        if self.ignored is None:
            return np.ones(len(self.truth), np.bool_)
        return ~self.ignored


@dataclasses.dataclass(frozen=True)
class AveragePrecision:
    """COCO's average precision of one level of heights, NaN without an object.

    Attributes:
        ap: mean over IoU 0.5, 0.55 to 0.95.
        ap50, ap75: at IoU 0.5 and 0.75.
        recall: mean over the same IoUs, of all detections.
    """

    ap: float
    ap50: float
    ap75: float
    recall: float


def average_precision(
    images: Sequence[Image], heights: Mapping[str, float] = HEIGHTS
) -> dict[str, AveragePrecision]:
    """Average precision of each level, by pycocotools (101 points of recall).

    A level's objects are those of at least its height; a detection that is lower and
    matches none of them does not count, as COCO has it for areas.
    """
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation = cocoeval.COCOeval(*_coco(images), "bbox")
        evaluation.params.maxDets = [_MOST_DETECTIONS]
        evaluation.params.areaRng = [[least, np.inf] for least in heights.values()]
        evaluation.params.areaRngLbl = list(heights)
        evaluation.evaluate()
        evaluation.accumulate()
    # [IoUs, recalls, classes, levels, 1] and [IoUs, classes, levels, 1].
    precision = evaluation.eval["precision"][:, :, 0, :, 0]
    recall = evaluation.eval["recall"][:, 0, :, 0]
    return {
        name: AveragePrecision(
            ap=_mean(precision[:, :, level]),
            ap50=_mean(precision[0, :, level]),
            ap75=_mean(precision[5, :, level]),
            recall=_mean(recall[:, level]),
        )
        for level, name in enumerate(heights)
    }


def miss_rates(images: Sequence[Image]) -> npt.NDArray[np.float64]:
    """Miss rates, float64 [9], at 0.01 to 1 false positives an image.

    Each at the last point of the curve that has at most so many; 1 where none has.
    """
    objects = sum(int(image.counted.sum()) for image in images)
    parts = [_judged(image) for image in images]
    scores = np.concatenate([scores for scores, _ in parts])
    right = np.concatenate([right for _, right in parts])
    right = right[np.argsort(-scores, kind="stable")]
    false_per_image = np.cumsum(~right) / len(images)
    missed = 1 - np.cumsum(right) / objects
    places = np.searchsorted(false_per_image, _FALSE_PER_IMAGE, side="right") - 1
    return np.where(places >= 0, np.append(missed, 1.0)[places], 1.0)


def log_average_miss_rate(images: Sequence[Image]) -> float:
    """Geometric mean of `miss_rates` (Dollar et al. 2012), each at least 1e-10."""
    return float(
        np.exp(np.mean(np.log(np.maximum(miss_rates(images), _LEAST_MISS_RATE))))
    )


def pairs(
    first: npt.NDArray[Any], second: npt.NDArray[Any], iou: float = IOU
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Boxes of two sets that are of one object, each box at most once.

    As many as can be with at least `iou`, of these the ones with the largest sum
    (Hungarian method).

    Returns:
        Places in `first`, ascending, and those of their partners in `second`.
    """
    shares = boxes_lib.ious(first, second)
    # A pair more is worth more than any two IoUs.
    worth = np.where(shares >= iou, 2 + shares, 0)
    rows, columns = optimize.linear_sum_assignment(worth, maximize=True)
    paired = shares[rows, columns] >= iou
    return rows[paired], columns[paired]


@dataclasses.dataclass(frozen=True, eq=False)
class Comparison:
    """Detections of a format beside those of the reference, over all images.

    Attributes:
        matched: boxes that both have.
        missing, extra: boxes that only the reference, or only the format has.
        true_positives, false_positives, missed: of the format, by the truth.
        shared_false_positives: those that the reference has, too.
        areas: float64 [matched], of the reference's boxes in square pixels, descending:
            the nearest face first.
        ious: float64 [matched], of both boxes.
        center_shifts: float64 [matched], distance of their centers, as a share of the
            longer side of the reference's box.
        confidence_errors: float64 [matched], |score - reference's| / reference's.
    """

    matched: int
    missing: int
    extra: int
    true_positives: int
    false_positives: int
    missed: int
    shared_false_positives: int
    areas: npt.NDArray[np.float64]
    ious: npt.NDArray[np.float64]
    center_shifts: npt.NDArray[np.float64]
    confidence_errors: npt.NDArray[np.float64]

    def record(self) -> dict[str, Any]:
        """Counts and means, as JSON values; None of what no box has."""
        values: dict[str, Any] = {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if field.type is int
        }
        some = bool(self.matched)
        values["mean_iou"] = float(self.ious.mean()) if some else None
        values["min_iou"] = float(self.ious.min()) if some else None
        for name in ("center_shifts", "confidence_errors"):
            array = getattr(self, name)
            values[f"mean_{name}"] = float(array.mean()) if some else None
            values[f"max_{name}"] = float(array.max()) if some else None
        return values


def compare(reference: Sequence[Image], other: Sequence[Image]) -> Comparison:
    """Compares two formats of one detector, image by image in the same order.

    Raises:
        DataError: they are not of the same images.
    """
    if len(reference) != len(other) or any(
        not np.array_equal(a.truth, b.truth)
        for a, b in zip(reference, other, strict=False)
    ):
        raise errors.DataError("two formats are compared on the same images")
    counts = np.zeros(7, np.int64)
    columns: list[npt.NDArray[np.float64]] = []
    for a, b in zip(reference, other, strict=True):
        mine, theirs = pairs(a.boxes, b.boxes)
        false_a, false_b = false_positives(a), false_positives(b)
        found = int((pairs_with_truth(b)[1]).sum())
        shared = len(pairs(a.boxes[false_a], b.boxes[false_b])[0])
        counts += [
            len(mine),
            len(a.boxes) - len(mine),
            len(b.boxes) - len(mine),
            found,
            int(false_b.sum()),
            int(b.counted.sum()) - found,
            shared,
        ]
        columns.append(_differences(a, b, mine, theirs))
    rows = np.concatenate(columns) if columns else np.empty((0, 4))
    rows = rows[np.argsort(-rows[:, 0], kind="stable")]
    numbers: list[Any] = [*counts.tolist(), *rows.T]
    return Comparison(*numbers)


def pairs_with_truth(
    image: Image,
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Which detections are of an object, and of one that counts; both bool [M]."""
    truth, found = pairs(image.truth, image.boxes)
    is_object = np.zeros(len(image.boxes), np.bool_)
    is_object[found] = True
    counts = np.zeros(len(image.boxes), np.bool_)
    counts[found] = image.counted[truth]
    return is_object, counts


def false_positives(image: Image) -> npt.NDArray[np.bool_]:
    """bool [M]: detections of no object. Further ones of an ignored object are none."""
    is_object, _ = pairs_with_truth(image)
    near = boxes_lib.ious(image.truth[~image.counted], image.boxes) >= IOU
    return ~is_object & ~near.any(axis=0)


def _differences(
    a: Image,
    b: Image,
    mine: npt.NDArray[np.intp],
    theirs: npt.NDArray[np.intp],
) -> npt.NDArray[np.float64]:
    """Area, IoU, shift of the center and error of the confidence; [pairs, 4]."""
    ours = np.asarray(a.boxes[mine], np.float64)
    others = np.asarray(b.boxes[theirs], np.float64)
    moved = (others[:, :2] + others[:, 2:] - ours[:, :2] - ours[:, 2:]) / 2
    scores = np.asarray(a.scores[mine], np.float64)
    return np.stack(
        [
            boxes_lib.areas(ours),
            boxes_lib.ious(ours, others)[np.arange(len(ours)), np.arange(len(ours))],
            np.hypot(*moved.T) / boxes_lib.longer_sides(ours),
            np.abs(np.asarray(b.scores[theirs], np.float64) - scores) / scores,
        ],
        axis=1,
    )


def _judged(image: Image) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_]]:
    """Scores of detections in descending order, and whether each is right.

    A detection takes the free object that it covers best; one of an ignored object is
    left out.
    """
    order = np.argsort(-image.scores, kind="stable")
    shares = boxes_lib.ious(image.boxes[order], image.truth)
    free = np.ones(len(image.truth), np.bool_)
    counted = image.counted
    scores, right = [], []
    for row, score in zip(shares, image.scores[order], strict=True):
        fitting = np.where(free & (row >= IOU), row, -1.0)
        # Objects that count are taken first.
        best = max(
            range(len(row)),
            key=lambda k: (fitting[k] >= 0 and counted[k], fitting[k]),
            default=None,
        )
        is_match = best is not None and fitting[best] >= 0
        if is_match and not counted[best]:
            continue
        if is_match:
            free[best] = False
        scores.append(score)
        right.append(is_match)
    return np.array(scores, np.float64), np.array(right, np.bool_)


def _coco(images: Sequence[Image]) -> tuple[Any, Any]:
    """Truth and detections as pycocotools takes them; areas are heights."""
    truth, found = coco.COCO(), coco.COCO()
    truths: list[dict[str, Any]] = []
    detections: list[dict[str, Any]] = []
    for number, image in enumerate(images):
        for box, counts in zip(image.truth, image.counted, strict=True):
            truths.append(_annotation(number, len(truths) + 1, box, int(not counts)))
        for box, score in zip(image.boxes, image.scores, strict=True):
            entry = _annotation(number, len(detections) + 1, box, 0)
            detections.append({**entry, "score": float(score)})
    for dataset, annotations in ((truth, truths), (found, detections)):
        dataset.dataset = {
            "images": [{"id": number} for number in range(len(images))],
            "categories": [{"id": 1}],
            "annotations": annotations,
        }
        dataset.createIndex()
    return truth, found


def _annotation(
    image: int, number: int, box: npt.NDArray[Any], crowd: int
) -> dict[str, Any]:
    x1, y1, x2, y2 = (float(each) for each in box)
    return {
        "id": number,
        "image_id": image,
        "category_id": 1,
        "bbox": [x1, y1, x2 - x1, y2 - y1],
        "area": y2 - y1,
        "iscrowd": crowd,
    }


def _mean(values: npt.NDArray[Any]) -> float:
    """Mean, NaN where there is no object (which COCO marks by -1)."""
    values = values[values > -1]
    return float(values.mean()) if values.size else float("nan")
