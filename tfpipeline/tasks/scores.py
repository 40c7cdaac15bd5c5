"""scikit-learn's figures, where examples can give them."""

import numpy as np
from sklearn import metrics

from tfpipeline.tasks import kind as kinds


def area_under_curve(
    answers: kinds.Array | None,
    scores: kinds.FloatArray,
    max_fpr: float | None = None,
) -> float | None:
    """Area under the ROC curve of scores [N]; None without both answers.

    Args:
        answers: [N], 0 and 1.
        scores: higher for 1.
        max_fpr: share of false alarms that the curve goes to; the area is standardized
            then, a half for chance.
    """
    if answers is None or len(np.unique(answers)) < 2:
        return None
    return float(metrics.roc_auc_score(answers, scores, max_fpr=max_fpr))


def f1(answers: kinds.Array, decided: kinds.Array) -> float:
    """F1 of the answer 1; 0 where it neither is nor was decided."""
    return float(metrics.f1_score(answers, decided, zero_division=0.0))


def macro_f1(answers: kinds.Array, decided: kinds.Array) -> float:
    """Mean over the labels, [N, K], of each one's F1."""
    return float(metrics.f1_score(answers, decided, average="macro", zero_division=0.0))


def mean_average_precision(
    answers: kinds.Array, scores: kinds.FloatArray
) -> float | None:
    """Mean average precision over the labels, of [N, K], that an example has."""
    known = np.asarray(answers.any(axis=0))
    if not known.any():
        return None
    return float(metrics.average_precision_score(answers[:, known], scores[:, known]))


def of_values(
    targets: kinds.FloatArray, outputs: kinds.FloatArray
) -> dict[str, float | None]:
    """Errors of outputs [N, K], means over the K; R2 needs two examples."""
    r2 = metrics.r2_score(targets, outputs) if len(targets) > 1 else None
    return {
        "rmse": float(metrics.root_mean_squared_error(targets, outputs)),
        "mae": float(metrics.mean_absolute_error(targets, outputs)),
        "r2": None if r2 is None else float(r2),
    }
