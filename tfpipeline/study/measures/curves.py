"""The ROC of scores, and the points of it that products are judged by."""

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import interpolate, optimize
from sklearn import metrics

from tfpipeline import errors

Array = npt.NDArray[Any]


def roc(scores: Array, same: npt.NDArray[np.bool_]) -> tuple[Array, Array, Array]:
    """False and true positive rates, and the scores from which they hold.

    Args:
        scores: [M], higher for what is more alike.
        same: bool [M].

    Raises:
        DataError: there are no pairs of one of the two kinds.
    """
    if not 0 < same.sum() < len(same):
        raise errors.DataError(
            "a curve needs pairs of one person and of two; found "
            f"{same.sum()} and {len(same) - same.sum()}"
        )
    false_rates, true_rates, thresholds = metrics.roc_curve(same, scores)
    return false_rates, true_rates, thresholds


def area(scores: Array, same: npt.NDArray[np.bool_]) -> float:
    """Area under the ROC; ties count half."""
    return float(metrics.roc_auc_score(same, scores))


def equal_error_rate(scores: Array, same: npt.NDArray[np.bool_]) -> float:
    """Where as many strangers are accepted as friends are refused.

    The ROC is interpolated linearly between its points.
    """
    false_rates, true_rates, _ = roc(scores, same)
    curve = interpolate.interp1d(false_rates, true_rates)
    return float(optimize.brentq(lambda x: 1.0 - x - float(curve(x)), 0.0, 1.0))


def true_accept_rate(
    scores: Array, same: npt.NDArray[np.bool_], false_accept_rate: float
) -> tuple[float, float]:
    """The rate at the largest false accept rate that is allowed, and its score.

    Nothing is interpolated: a threshold of the ROC is taken.

    Returns:
        The true accept rate, and the score from which pairs are accepted (infinite
        where none may be).
    """
    false_rates, true_rates, thresholds = metrics.roc_curve(
        same, scores, drop_intermediate=False
    )
    place = int(np.flatnonzero(false_rates <= false_accept_rate)[-1])
    return float(true_rates[place]), float(thresholds[place])


def separation(scores: Array, same: npt.NDArray[np.bool_]) -> float:
    """d': the distance of the two means in units of the spread of both kinds.

    Standard deviations are of the population. 0 where all scores are alike.
    """
    genuine, impostor = scores[same], scores[~same]
    spread = np.sqrt((np.var(genuine) + np.var(impostor)) / 2)
    gap = float(np.mean(genuine) - np.mean(impostor))
    return gap / float(spread) if spread else (np.sign(gap) * np.inf if gap else 0.0)
