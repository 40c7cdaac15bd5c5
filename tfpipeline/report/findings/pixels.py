"""Classes of pixels: confusion and intersection over union, picture by picture."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn import metrics

from tfpipeline.report.findings import evidence as evidence_lib
from tfpipeline.report.findings import intervals
from tfpipeline.tasks import kind as kinds
from tfpipeline.tasks import segmentation

_WORST = 12

Parts = evidence_lib.Parts


def kept(
    outputs: kinds.FloatArray, examples: kinds.Examples, objective: kinds.Objective
) -> Parts:
    """Each picture's confusion of classes, int32 [N, C, C], truth in rows."""
    decide = objective.kind.decide
    assert decide is not None
    answers = decide(outputs, objective)
    numbers = np.arange(objective.data.num_classes)
    found = np.zeros((len(answers), len(numbers), len(numbers)), np.int32)
    for place, (truth, answer) in enumerate(
        zip(examples.targets, answers, strict=True)
    ):
        counted = truth != segmentation.UNLABELED
        if counted.any():
            found[place] = metrics.confusion_matrix(
                truth[counted], answer[counted], labels=numbers
            )
    return {"confusion": found}


def targets(examples: kinds.Examples) -> Parts:
    """What is right is in the confusion already."""
    return {"pictures": np.arange(len(examples), dtype=np.int64)}


def right(parts: Parts, truth: Parts) -> npt.NDArray[np.bool_] | None:
    """Pictures are right in part."""
    del parts, truth
    return None


def figure(parts: Parts, truth: Parts) -> float | None:
    """Mean intersection over union."""
    del truth
    ious = _ious(parts["confusion"].sum(axis=0, dtype=np.int64))
    return None if np.isnan(ious).all() else float(np.nanmean(ious))


def interval(parts: Parts, truth: Parts) -> intervals.Ends | None:
    """Of `figure`, pictures resampled."""
    confusion = parts["confusion"]
    return intervals.resampled(
        lambda drawn: figure({"confusion": confusion[drawn]}, truth), len(confusion)
    )


def measure(
    found: evidence_lib.Evidence, names: Sequence[str], deployed: str
) -> tuple[dict[str, Any], list[int]]:
    """All of it, as JSON values, and the positions of examples that are worth a look.

    Args:
        found: of a run.
        names: of the classes.
        deployed: the form whose mistakes are shown.
    """
    chosen = dict.fromkeys((found.reference, deployed))
    whole = {
        name: found.forms[name]["confusion"].sum(axis=0, dtype=np.int64)
        for name in chosen
    }
    pictures = found.forms[deployed]["confusion"]
    totals = np.maximum(pictures.sum(axis=(1, 2)), 1)
    shares = np.trace(pictures, axis1=1, axis2=2) / totals
    worst = np.argsort(shares, kind="stable")[:_WORST].tolist()
    count = len(pictures[0])
    record = {
        "names": [names[i] if i < len(names) else str(i) for i in range(count)],
        "deployed": deployed,
        "confusion": {name: {"matrix": each.tolist()} for name, each in whole.items()},
        "ious": {
            name: [None if np.isnan(x) else round(float(x), 5) for x in _ious(each)]
            for name, each in whole.items()
        },
        "mistakes": [
            {"example": place, "right_pixels": round(float(shares[place]), 5)}
            for place in worst
        ],
    }
    return record, worst


def _ious(confusion: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Of each class; NaN of one that nobody has."""
    both = np.diag(confusion).astype(np.float64)
    either = confusion.sum(axis=0) + confusion.sum(axis=1) - both
    return np.where(either > 0, both / np.maximum(either, 1), np.nan)
