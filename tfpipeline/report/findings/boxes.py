"""Boxes of objects: which boxes are of one, precision over recall, what was missed."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn import metrics

from tfpipeline.detection import objects
from tfpipeline.report.findings import classes, intervals
from tfpipeline.report.findings import evidence as evidence_lib
from tfpipeline.study.measures import detections
from tfpipeline.tasks import detection
from tfpipeline.tasks import kind as kinds

_WORST = 12
# Objects that no box is of end the curve at the share that was found.
_LEAST_SHOWN = 0.3

Parts = evidence_lib.Parts


def kept(
    outputs: kinds.FloatArray, examples: kinds.Examples, objective: kinds.Objective
) -> Parts:
    """Boxes, [M, 4] in pixels of the network's input, scores and pictures, both [M]."""
    del examples
    found = detection.detect(outputs, objective)
    counts = [len(each.scores) for each in found]
    return {
        "boxes": np.concatenate([each.boxes for each in found]).astype(np.float32),
        "scores": np.concatenate([each.scores for each in found]).astype(np.float32),
        "pictures": np.repeat(np.arange(len(found)), counts),
    }


def targets(examples: kinds.Examples) -> Parts:
    """Boxes [M, 4], which of them do not count, and their pictures, both [M]."""
    rows = [objects.of_picture(values) for values in examples.targets]
    counts = [len(boxes) for boxes, _, _ in rows]
    return {
        "boxes": np.concatenate([boxes for boxes, _, _ in rows]).astype(np.float32),
        "ignored": np.concatenate([ignored for _, ignored, _ in rows]).astype(bool),
        "pictures": np.repeat(np.arange(len(rows)), counts),
        "count": np.array(len(rows)),
    }


def right(parts: Parts, truth: Parts) -> npt.NDArray[np.bool_] | None:
    """Pictures are right in part."""
    del parts, truth
    return None


def figure(parts: Parts, truth: Parts) -> float | None:
    """AP50."""
    images = _images(parts, truth)
    if not any(image.counted.any() for image in images):
        return None
    return detections.average_precision(images, {"all": 0})["all"].ap50


def interval(parts: Parts, truth: Parts) -> intervals.Ends | None:
    """Left out: average precision of resampled pictures takes minutes."""
    del parts, truth
    return None


def measure(
    found: evidence_lib.Evidence, names: Sequence[str], deployed: str
) -> tuple[dict[str, Any], list[int]]:
    """All of it, as JSON values, and the positions of examples that are worth a look.

    Args:
        found: of a run.
        names: of classes; not used.
        deployed: the form whose mistakes are shown.
    """
    del names
    truth = found.targets
    curves = {}
    for name in dict.fromkeys((found.reference, deployed)):
        curve = _curve(_images(found.forms[name], truth))
        if curve is not None:
            curves[name] = curve
    images = _images(found.forms[deployed], truth)
    faults = []
    for image in images:
        sure = image.scores >= detection.SURE
        told = detections.Image(
            image.truth, image.boxes[sure], image.scores[sure], image.ignored
        )
        _, hit = detections.pairs_with_truth(told)
        missed = int(told.counted.sum()) - int(hit.sum())
        faults.append((missed, int(detections.false_positives(told).sum())))
    order = sorted(range(len(faults)), key=lambda place: (-sum(faults[place]), place))
    worst = [place for place in order[:_WORST] if sum(faults[place])]
    record = {
        "deployed": deployed,
        "precision_recall": curves,
        "mistakes": [
            {
                "example": place,
                "missed": faults[place][0],
                "false": faults[place][1],
                "truth": images[place].truth.round(1).tolist(),
                "boxes": [
                    [*np.round(box, 1).tolist(), round(float(score), 3)]
                    for box, score in zip(
                        images[place].boxes, images[place].scores, strict=True
                    )
                    if score >= _LEAST_SHOWN
                ],
            }
            for place in worst
        ],
    }
    return record, worst


def _curve(images: Sequence[detections.Image]) -> dict[str, Any] | None:
    """Precision and recall as the score falls, boxes of ignored objects left out."""
    total = sum(int(image.counted.sum()) for image in images)
    scores, hits = [], []
    for image in images:
        _, hit = detections.pairs_with_truth(image)
        judged = hit | detections.false_positives(image)
        hits.append(hit[judged])
        scores.append(image.scores[judged])
    answers = np.concatenate(hits)
    if not answers.any():
        return None
    precision, recall, _ = metrics.precision_recall_curve(
        answers, np.concatenate(scores)
    )
    found = int(answers.sum()) / total
    return {
        "precision": classes.thinned(precision),
        "recall": classes.thinned(recall * found),
    }


def _images(parts: Parts, truth: Parts) -> list[detections.Image]:
    images = []
    for place in range(int(truth["count"])):
        mine, theirs = parts["pictures"] == place, truth["pictures"] == place
        images.append(
            detections.Image(
                truth["boxes"][theirs],
                parts["boxes"][mine],
                parts["scores"][mine],
                truth["ignored"][theirs],
            )
        )
    return images
