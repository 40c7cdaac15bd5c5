"""Answers that are classes or labels: confusion, precision, calibration, mistakes."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn import calibration, metrics

from tfpipeline.report.findings import evidence as evidence_lib
from tfpipeline.report.findings import intervals
from tfpipeline.study.measures import agreement
from tfpipeline.tasks import head as head_lib
from tfpipeline.tasks import kind as kinds
from tfpipeline.tasks import scores

# Probabilities of all classes are kept up to so many; of more, the answer's alone.
_MOST_KEPT = 20
_MOST_IN_MATRIX = 60
_MOST_CURVES = 12
_POINTS = 60
_BINS = 10
_MISTAKES = 20
_CHANGES = 12
_CONFUSED = 20

Evidence = evidence_lib.Evidence
Parts = evidence_lib.Parts


def kept(
    outputs: kinds.FloatArray, examples: kinds.Examples, objective: kinds.Objective
) -> Parts:
    """Answers, how sure they are, and probabilities where there are few classes."""
    decide = objective.kind.decide
    assert decide is not None
    answers = decide(outputs, objective).astype(np.int32)
    if objective.kind.name == "classification":
        probabilities = (
            outputs.astype(np.float64)
            if objective.head.function == head_lib.SOFTMAX
            else np.exp(head_lib.log_softmax(outputs))
        )
        parts = {
            "answers": answers,
            "confidence": probabilities.max(axis=-1).astype(np.float32),
        }
        if probabilities.shape[-1] <= _MOST_KEPT:
            parts["probabilities"] = probabilities.astype(np.float32)
        return parts
    yes = objective.head.probabilities(outputs).reshape(answers.shape)
    sure = np.where(answers == 1, yes, 1 - yes)
    return {
        "answers": answers,
        "confidence": sure.astype(np.float32),
        "probabilities": yes.astype(np.float32),
    }


def targets(examples: kinds.Examples) -> Parts:
    """What is right."""
    return {"answers": examples.targets.astype(np.int32)}


def right(parts: Parts, truth: Parts) -> npt.NDArray[np.bool_]:
    """bool [N]: of several labels, whether all are."""
    same = np.asarray(parts["answers"] == truth["answers"])
    return same if same.ndim == 1 else np.asarray(same.all(axis=1))


def figure(parts: Parts, truth: Parts) -> float:
    """Accuracy; of several labels the mean of their F1."""
    if parts["answers"].ndim == 1:
        return float(np.mean(right(parts, truth)))
    return scores.macro_f1(truth["answers"], parts["answers"])


def interval(parts: Parts, truth: Parts) -> intervals.Ends | None:
    """Of `figure`."""
    if parts["answers"].ndim == 1:
        return intervals.of_share(right(parts, truth))
    return intervals.resampled(
        lambda drawn: scores.macro_f1(truth["answers"][drawn], parts["answers"][drawn]),
        len(truth["answers"]),
    )


def measure(
    found: Evidence, names: Sequence[str], deployed: str
) -> tuple[dict[str, Any], list[int]]:
    """All of it, as JSON values, and the positions of examples that are worth a look.

    Args:
        found: of a run.
        names: of the classes or labels.
        deployed: the form whose mistakes are shown.
    """
    truth = found.targets["answers"]
    count = _count(found, names)
    titles = [names[i] if i < len(names) else str(i) for i in range(count)]
    reference = found.forms[found.reference]
    chosen = dict.fromkeys((found.reference, deployed))
    record: dict[str, Any] = {
        "names": titles,
        "deployed": deployed,
        "by_class": {
            name: _by_class(truth, found.forms[name]["answers"], count)
            for name in chosen
        },
        "calibration": {
            name: _calibration(truth, found.forms[name]) for name in chosen
        },
        "curves": _curves(truth, found.forms[deployed], titles),
    }
    if truth.ndim == 1:
        record["confusion"] = {
            name: _confusion(truth, found.forms[name]["answers"], count)
            for name in chosen
        }
    record["changes"] = {
        name: _changes(reference, parts, found.targets)
        for name, parts in found.forms.items()
        if name != found.reference
    }
    record["mistakes"] = _mistakes(truth, found.forms[deployed])
    shown = [each["example"] for each in record["mistakes"]]
    changes = record["changes"].get(deployed)
    if changes is not None:
        shown += [each["example"] for each in changes["examples"]]
    return record, shown


def _count(found: Evidence, names: Sequence[str]) -> int:
    truth = found.targets["answers"]
    if truth.ndim == 2:
        return int(truth.shape[1])
    answers = [parts["answers"].max(initial=0) for parts in found.forms.values()]
    return int(max(len(names), truth.max(initial=0) + 1, *(a + 1 for a in answers)))


def _by_class(truth: kinds.Array, answers: kinds.Array, count: int) -> dict[str, Any]:
    labels = None if truth.ndim == 2 else np.arange(count)
    values = metrics.precision_recall_fscore_support(
        truth, answers, labels=labels, average=None, zero_division=0.0
    )
    return {
        name: each.tolist()
        for name, each in zip(
            ("precision", "recall", "f1", "examples"), values, strict=True
        )
    }


def _confusion(truth: kinds.Array, answers: kinds.Array, count: int) -> dict[str, Any]:
    """The matrix, of many classes what is confused most."""
    matrix = metrics.confusion_matrix(truth, answers, labels=np.arange(count))
    if count <= _MOST_IN_MATRIX:
        return {"matrix": matrix.tolist()}
    np.fill_diagonal(matrix, 0)
    order = np.argsort(-matrix, axis=None, kind="stable")[:_CONFUSED]
    pairs = [divmod(int(each), count) for each in order]
    return {"pairs": [[a, b, int(matrix[a, b])] for a, b in pairs if matrix[a, b]]}


def _calibration(truth: kinds.Array, parts: Parts) -> dict[str, Any]:
    """Bins of equal width of the confidence; the mean gap weighs the examples."""
    is_right = (parts["answers"] == truth).ravel()
    sure = np.clip(parts["confidence"].astype(np.float64).ravel(), 0.0, 1.0)
    shares, means = calibration.calibration_curve(is_right, sure, n_bins=_BINS)
    # The bins of scikit-learn, which leaves out empty ones.
    places = np.searchsorted(np.linspace(0.0, 1.0, _BINS + 1)[1:-1], sure)
    counts = np.bincount(places, minlength=_BINS)
    counts = counts[counts > 0]
    return {
        "confidence": means.tolist(),
        "right": shares.tolist(),
        "examples": counts.tolist(),
        "expected_calibration_error": float(
            np.sum(counts * np.abs(shares - means)) / len(sure)
        ),
    }


def _curves(
    truth: kinds.Array, parts: Parts, titles: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """ROC and precision-recall: of yes and no, or of each class against others."""
    probabilities = parts.get("probabilities")
    if probabilities is None:
        return {}
    if probabilities.ndim == 1:
        return _curve_of("yes" if len(titles) < 2 else titles[1], truth, probabilities)
    if probabilities.shape[1] > _MOST_CURVES:
        return {}
    curves: dict[str, dict[str, Any]] = {}
    for place, title in enumerate(titles):
        answers = truth[:, place] if truth.ndim == 2 else truth == place
        curves |= _curve_of(title, answers, probabilities[:, place])
    return curves


def _curve_of(
    title: str, answers: kinds.Array, probabilities: kinds.Array
) -> dict[str, dict[str, Any]]:
    if len(np.unique(answers)) < 2:
        return {}
    return {title: rates(answers, probabilities)}


def rates(answers: kinds.Array, values: kinds.Array) -> dict[str, Any]:
    """Points of ROC and precision-recall, and both areas.

    Args:
        answers: [N], 0 and 1, both of them.
        values: [N], higher for 1.
    """
    false_rates, true_rates, _ = metrics.roc_curve(answers, values)
    precision, recall, _ = metrics.precision_recall_curve(answers, values)
    return {
        "false_rates": thinned(false_rates),
        "true_rates": thinned(true_rates),
        "recall": thinned(recall),
        "precision": thinned(precision),
        "auc": float(metrics.roc_auc_score(answers, values)),
        "average_precision": float(metrics.average_precision_score(answers, values)),
    }


def thinned(values: kinds.Array) -> list[float]:
    """So many evenly spaced points as a picture shows, both ends among them."""
    places = np.unique(np.linspace(0, len(values) - 1, _POINTS).round().astype(int))
    return [round(float(each), 5) for each in values[places]]


def _changes(reference: Parts, parts: Parts, truth: Parts) -> dict[str, Any]:
    """Who answers otherwise than the float network, the surest first."""
    before, after = reference["answers"], parts["answers"]
    differing = before != after
    if differing.ndim == 2:
        differing = differing.any(axis=1)
    compared = agreement.compare(right(reference, truth), right(parts, truth))
    places = np.flatnonzero(differing)
    sure = parts["confidence"]
    sure = sure if sure.ndim == 1 else sure.min(axis=1)
    places = places[np.argsort(-sure[places], kind="stable")]
    return {
        **compared.record(),
        "changed": len(places),
        "examples": [
            {
                "example": int(place),
                "truth": truth["answers"][place].tolist(),
                "float": before[place].tolist(),
                "answer": after[place].tolist(),
            }
            for place in places[:_CHANGES]
        ],
    }


def _mistakes(truth: kinds.Array, parts: Parts) -> list[dict[str, Any]]:
    """Wrong answers, the surest first; of labels one each."""
    wrong = parts["answers"] != truth
    sure = np.where(wrong, parts["confidence"], -1.0)
    if sure.ndim == 2:
        sure, label = sure.max(axis=1), sure.argmax(axis=1)
    else:
        label = None
    order = np.argsort(-sure, kind="stable")[: min(_MISTAKES, int((sure >= 0).sum()))]
    found = []
    for place in order.tolist():
        at = place if label is None else (place, int(label[place]))
        mistake = {
            "example": place,
            "truth": int(truth[at]),
            "answer": int(parts["answers"][at]),
            "confidence": round(float(sure[place]), 5),
        }
        if label is not None:
            mistake["label"] = int(label[place])
        found.append(mistake)
    return found
