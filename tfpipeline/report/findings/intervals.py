"""How far a figure would be another one on other examples of the same kind: 95 %.

A share of right answers has Wilson's interval; any other figure the percentiles of
resampled examples. All forms of a network are resampled alike, so that their
differences are paired.
"""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats
from statsmodels.stats import proportion

CONFIDENCE = 0.95
# Enough for two digits of an interval's ends; more would take longer than all the rest.
RESAMPLES = 200
_SEED = 0

Ends = tuple[float, float]


def of_share(right: npt.NDArray[np.bool_]) -> Ends:
    """Wilson's interval of the share of [N] that is true."""
    low, high = proportion.proportion_confint(
        int(right.sum()), len(right), alpha=1 - CONFIDENCE, method="wilson"
    )
    return float(low), float(high)


def resampled(
    figure: Callable[[npt.NDArray[np.intp]], float | None], count: int
) -> Ends | None:
    """Percentiles of a figure of examples that are drawn with replacement.

    Args:
        figure: of positions [count]; None where these examples cannot give it.
        count: of the examples.
    """
    positions = np.arange(count)

    def statistic(drawn: npt.NDArray[np.intp]) -> float:
        value = figure(drawn)
        return np.nan if value is None else value

    if count < 2:
        return None
    with warnings.catch_warnings():
        # Of draws that cannot give the figure; what is left of them is asked below.
        warnings.simplefilter("ignore", stats.DegenerateDataWarning)
        found: Any = stats.bootstrap(
            (positions,),
            statistic,
            n_resamples=RESAMPLES,
            vectorized=False,
            confidence_level=CONFIDENCE,
            method="percentile",
            rng=np.random.default_rng(_SEED),
        )
    values = found.bootstrap_distribution
    values = values[np.isfinite(values)]
    if len(values) < RESAMPLES // 2:
        return None
    tail = 50 * (1 - CONFIDENCE)
    low, high = np.percentile(values, [tail, 100 - tail])
    return float(low), float(high)
