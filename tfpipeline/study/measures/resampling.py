"""Intervals by resampling people, not pairs: pairs share people and their pictures."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from tfpipeline import errors

# A figure of weights [M] of the pairs; a pair that is drawn twice weighs 2.
Statistic = Callable[[npt.NDArray[np.float64]], float]


@dataclasses.dataclass(frozen=True)
class Interval:
    """A figure and what it would be with other people.

    Attributes:
        value: of all people once.
        low, high: ends of the percentile interval.
        confidence: its share of the resamples.
    """

    value: float
    low: float
    high: float
    confidence: float


def over_people(
    statistic: Statistic,
    first: npt.NDArray[Any],
    second: npt.NDArray[Any] | None = None,
    *,
    resamples: int = 2000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Percentile interval of a figure under resampling of people with replacement.

    A pair of one person weighs as often as the person is drawn, one of two people the
    product of both counts. Differences of formats are paired where the statistic
    computes both from the same weights.

    Args:
        statistic: of weights [M]; NaN where the drawn people have no such pairs, which
            then do not count.
        first: [M], the person of each sample, or the first of each pair.
        second: [M], the second of each pair.
        resamples: how often people are drawn.
        confidence: share between the ends.
        seed: of the draws.

    Raises:
        DataError: there are fewer than two people, or no resample has the figure.
    """
    everybody = np.concatenate([first, first if second is None else second])
    names, places = np.unique(everybody, return_inverse=True)
    if len(names) < 2:
        raise errors.DataError("an interval over people needs at least two of them")
    one, other = places.reshape(2, -1)
    random = np.random.default_rng(seed)
    values = np.empty(resamples)
    for number in range(resamples):
        drawn = random.integers(len(names), size=len(names))
        counts = np.bincount(drawn, minlength=len(names)).astype(np.float64)
        weights = np.where(one == other, counts[one], counts[one] * counts[other])
        values[number] = statistic(weights) if weights.any() else np.nan
    values = values[~np.isnan(values)]
    if not values.size:
        raise errors.DataError("no resample of people has pairs of the figure")
    tail = 50 * (1 - confidence)
    low, high = np.percentile(values, [tail, 100 - tail])
    whole = statistic(np.ones(len(one)))
    return Interval(float(whole), float(low), float(high), confidence)


def mean_of(values: npt.NDArray[Any]) -> Statistic:
    """The weighted mean of values [M], such as whether each pair was right.

    Of differences of two formats it gives their paired interval.
    """
    wide = np.asarray(values, np.float64)
    return lambda weights: float(np.average(wide, weights=weights))
