"""Verification of pairs: the same person or not, by the distance of two descriptors.

The protocol of LFW's View 2 (Huang et al. 2007): pairs stand in folds that share no
person; the threshold for a fold is chosen on other folds, and the figure is the mean
accuracy over the folds with its standard deviation.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tfpipeline import errors

# One false accept in a hundred: with 300 different pairs a fold, a smaller rate would
# rest on fewer than thirty pairs of all ten folds.
FALSE_ACCEPT_RATE = 0.01

# Chooses a threshold for distances [M] of pairs that are the same, or not, bool [M].
Choose = Callable[[npt.NDArray[Any], npt.NDArray[np.bool_]], float]
# Of squared distances of unit vectors, 0 to 4: what ArcFace's own evaluation tries.
_GRID = np.arange(0, 4, 0.01)


@dataclasses.dataclass(frozen=True)
class Fold:
    """The result of one fold.

    Attributes:
        fold: its number, from 0.
        threshold: pairs at most this far apart were taken for one person.
        accuracy: share of the fold's pairs that this answered correctly.
        pairs: how many they are.
    """

    fold: int
    threshold: float
    accuracy: float
    pairs: int


@dataclasses.dataclass(frozen=True)
class Verification:
    """The result of the protocol over some folds.

    Attributes:
        folds: in ascending order.
        auc: area under the ROC curve of all their pairs together.
        true_accept_rate: share of their same pairs that are nearer than all but
            FALSE_ACCEPT_RATE of their different pairs.
    """

    folds: tuple[Fold, ...]
    auc: float
    true_accept_rate: float

    @property
    def accuracy(self) -> float:
        """Mean over the folds."""
        return float(np.mean([fold.accuracy for fold in self.folds]))

    @property
    def std(self) -> float:
        """Standard deviation over the folds, with n - 1; 0 of a single fold."""
        if len(self.folds) < 2:
            return 0.0
        return float(np.std([fold.accuracy for fold in self.folds], ddof=1))

    @property
    def thresholds(self) -> dict[int, float]:
        """Fold -> threshold, to carry them over to another network."""
        return {fold.fold: fold.threshold for fold in self.folds}

    def record(self) -> dict[str, Any]:
        """As JSON values, for results.json."""
        return {
            "accuracy": self.accuracy,
            "std": self.std,
            "auc": self.auc,
            "true_accept_rate": self.true_accept_rate,
            "false_accept_rate": FALSE_ACCEPT_RATE,
            "folds": [dataclasses.asdict(fold) for fold in self.folds],
        }


def squared_distances(
    descriptors: npt.NDArray[Any],
    first: npt.NDArray[np.integer[Any]],
    second: npt.NDArray[np.integer[Any]],
) -> npt.NDArray[Any]:
    """Squared Euclidean distances of pairs of descriptors.

    Args:
        descriptors: [N, D], float or integers of at most 32 bits.
        first, second: [M], rows of `descriptors`.

    Returns:
        [M]: exact int64 for integers, float64 otherwise.
    """
    exact = np.issubdtype(descriptors.dtype, np.integer)
    wide = descriptors.astype(np.int64 if exact else np.float64)
    result: npt.NDArray[Any] = np.square(wide[first] - wide[second]).sum(axis=-1)
    return result


def best_threshold(distances: npt.NDArray[Any], same: npt.NDArray[np.bool_]) -> float:
    """The threshold that answers the most pairs correctly.

    Candidates lie in the middle between neighboring distances. Of several that are
    equally good the middle one is taken, which is farthest from doing harm elsewhere.

    Args:
        distances: [M].
        same: bool [M].

    Raises:
        DataError: there are no pairs of one of the two kinds.
    """
    if not 0 < same.sum() < len(same):
        raise errors.DataError(
            "a threshold needs pairs of one person and of two; found "
            f"{same.sum()} and {len(same) - same.sum()}"
        )
    order = np.argsort(distances, kind="stable")
    values = distances[order].astype(np.float64)
    # Correct answers when the first n of the sorted pairs are called the same.
    gains = np.where(same[order], 1, -1)
    correct = np.concatenate([[0], np.cumsum(gains)]) + (~same).sum()
    middles = np.concatenate(
        [[values[0] - 1.0], (values[:-1] + values[1:]) / 2.0, [values[-1] + 1.0]]
    )
    # Equal distances cannot be told apart.
    allowed = np.concatenate([[True], values[:-1] < values[1:], [True]])
    best = np.flatnonzero(allowed & (correct == correct[allowed].max()))
    return float(middles[best[len(best) // 2]])


def grid_threshold(distances: npt.NDArray[Any], same: npt.NDArray[np.bool_]) -> float:
    """The first of 0, 0.01 to 3.99 that answers the most pairs correctly.

    As insightface's `verification.py` chooses it for squared distances of unit vectors,
    where pairs *below* the threshold are the same. `best_threshold` needs no grid; this
    one is for figures that are compared with published ones.

    Args:
        distances: [M], squared, of descriptors of length 1.
        same: bool [M].
    """
    own, others = np.sort(distances[same]), np.sort(distances[~same])
    accepted = np.searchsorted(own, _GRID, side="left")
    refused = len(others) - np.searchsorted(others, _GRID, side="left")
    return float(_GRID[np.argmax(accepted + refused)])


def area_under_curve(distances: npt.NDArray[Any], same: npt.NDArray[np.bool_]) -> float:
    """Chance that a pair of one person is nearer than one of two; ties count half."""
    different = np.sort(distances[~same])
    ours = distances[same]
    farther = len(different) - np.searchsorted(different, ours, side="right")
    tied = np.searchsorted(different, ours, side="right") - np.searchsorted(
        different, ours, side="left"
    )
    return float((farther + tied / 2).sum() / (len(ours) * len(different)))


def true_accept_rate(
    distances: npt.NDArray[Any], same: npt.NDArray[np.bool_], false_accept_rate: float
) -> float:
    """Share of same pairs accepted where at most `false_accept_rate` of others are."""
    different = np.sort(distances[~same])
    allowed = int(false_accept_rate * len(different))
    if allowed >= len(different):
        return 1.0
    # The pair at `allowed` must stay out, and so must everything as far away.
    return float(np.mean(distances[same] < different[allowed]))


def verify(
    distances: npt.NDArray[Any],
    same: npt.NDArray[np.bool_],
    folds: npt.NDArray[np.integer[Any]],
    *,
    test: Sequence[int],
    choice: Sequence[int] = (),
    choose: Choose = best_threshold,
    carried: Mapping[int, float] | None = None,
) -> Verification:
    """Runs the protocol.

    Args:
        distances: [M], squared or not, of the pairs.
        same: bool [M].
        folds: [M], the fold of each pair.
        test: folds to report. Training must have known nobody in them.
        choice: folds that thresholds are chosen on. None: for each tested fold, all
            the other tested ones. Training must not have known anybody in them either,
            because distances between known people are smaller.
        choose: the threshold for some distances [M] and bool [M], same or not.
        carried: fold -> its threshold as it was chosen for another network, such as
            the float one (`Verification.thresholds`): a product that is in the field
            is not tuned anew. Nothing is chosen then.

    Raises:
        UsageError: a fold is tested and chosen on, or there is none to choose on.
        DataError: a fold has no pairs.
    """
    test = sorted(test)
    both = sorted(set(test) & set(choice))
    if both:
        raise errors.UsageError(
            f"folds {', '.join(map(str, both))} are tested, so thresholds cannot be "
            "chosen on them"
        )
    if carried is not None and (choice or not set(test) <= set(carried)):
        raise errors.UsageError(
            "thresholds that are carried over are those of all tested folds, and "
            "nothing is chosen beside them"
        )
    if carried is None and not choice and len(test) < 2:
        raise errors.UsageError(
            "the threshold of a single tested fold needs other folds to be chosen on; "
            "hold out one more"
        )
    results = []
    for fold in test:
        chosen = np.isin(folds, choice or [other for other in test if other != fold])
        tested = folds == fold
        if not tested.any():
            raise errors.DataError(f"fold {fold} has no pairs")
        if carried is None:
            threshold = choose(distances[chosen], same[chosen])
        else:
            threshold = carried[fold]
        right = (distances[tested] <= threshold) == same[tested]
        results.append(Fold(fold, threshold, float(right.mean()), int(tested.sum())))
    every = np.isin(folds, test)
    return Verification(
        folds=tuple(results),
        auc=area_under_curve(distances[every], same[every]),
        true_accept_rate=true_accept_rate(
            distances[every], same[every], FALSE_ACCEPT_RATE
        ),
    )
