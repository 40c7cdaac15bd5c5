"""The protocol of verification against its definition, pair by pair."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfpipeline import errors
from tfpipeline.study.measures import verification

PAIRS = st.lists(
    st.tuples(st.integers(0, 12), st.booleans()), min_size=2, max_size=30
).filter(lambda pairs: len({same for _, same in pairs}) == 2)


def _arrays(pairs):
    distances, same = zip(*pairs, strict=True)
    return np.array(distances), np.array(same)


def _accuracy(distances, same, threshold):
    answers = zip(distances, same, strict=True)
    return np.mean([(d <= threshold) == s for d, s in answers])


@given(PAIRS)
def test_no_threshold_is_better_than_the_best(pairs):
    distances, same = _arrays(pairs)
    best = verification.best_threshold(distances, same)
    for threshold in np.arange(-1, 14, 0.5):
        assert _accuracy(distances, same, best) >= _accuracy(distances, same, threshold)


@given(PAIRS)
def test_area_is_the_chance_of_the_right_order(pairs):
    distances, same = _arrays(pairs)
    chances = [
        1.0 if ours < theirs else 0.5 if ours == theirs else 0.0
        for ours in distances[same]
        for theirs in distances[~same]
    ]
    area = verification.area_under_curve(distances, same)
    # Both are sums of halves divided once.
    np.testing.assert_allclose(area, np.mean(chances), rtol=1e-12)


@given(PAIRS, st.sampled_from([0.0, 0.1, 0.5, 1.0]))
def test_true_accept_rate_is_the_largest_within_the_limit(pairs, limit):
    distances, same = _arrays(pairs)
    rates = [0.0]
    for threshold in np.arange(-1, 14, 0.5):
        if np.mean(distances[~same] <= threshold) <= limit:
            rates.append(np.mean(distances[same] <= threshold))
    assert verification.true_accept_rate(distances, same, limit) == max(rates)


def test_of_equally_good_thresholds_the_middle_one_is_taken():
    distances = np.array([1.0, 2.0, 5.0, 9.0])
    same = np.array([True, True, False, False])
    assert verification.best_threshold(distances, same) == 3.5


def test_squared_distances_of_integers_are_exact():
    rows = np.array([[32767] * 512, [-32768] * 512, [0] * 512], np.int16)
    found = verification.squared_distances(
        rows, np.array([0, 0, 2]), np.array([1, 0, 1])
    )
    assert found.dtype == np.int64
    assert found.tolist() == [512 * 65535**2, 0, 512 * 32768**2]


def test_squared_distances_of_floats_are_in_float64():
    rows = np.array([[1e-4, 1.0], [0.0, 1.0]], np.float32)
    found = verification.squared_distances(rows, np.array([0]), np.array([1]))
    assert found.dtype == np.float64
    assert found[0] == np.float64(np.float32(1e-4)) ** 2


def _three_folds():
    """Fold 0 and 1 separate at 5, fold 2 at 8."""
    distances = np.array([4, 6, 4, 6, 7, 9])
    same = np.array([True, False] * 3)
    return distances, same, np.array([0, 0, 1, 1, 2, 2])


def test_threshold_of_a_fold_comes_from_the_others():
    distances, same, folds = _three_folds()
    found = verification.verify(distances, same, folds, test=[2, 0])
    assert [fold.fold for fold in found.folds] == [0, 2]
    # Fold 2's separation taken to fold 0 accepts its strangers, and the reverse.
    assert [fold.threshold for fold in found.folds] == [8.0, 5.0]
    assert [fold.accuracy for fold in found.folds] == [0.5, 0.5]
    assert found.accuracy == 0.5 and found.std == 0.0


def test_threshold_from_folds_of_its_own():
    distances, same, folds = _three_folds()
    found = verification.verify(distances, same, folds, test=[1], choice=[0])
    assert found.folds == (verification.Fold(1, 5.0, 1.0, 2),)
    assert found.auc == 1.0 and found.true_accept_rate == 1.0


def test_mean_and_deviation_over_folds():
    folds = tuple(
        verification.Fold(number, 0.0, accuracy, 10)
        for number, accuracy in enumerate((0.7, 0.8, 0.9))
    )
    found = verification.Verification(folds, 0.9, 0.5)
    # Two decimals are exact in the mind, not in float64.
    assert found.accuracy == pytest.approx(0.8)
    assert found.std == pytest.approx(0.1)
    assert found.record()["folds"][2]["accuracy"] == 0.9


@pytest.mark.parametrize(
    ("folds", "error", "message"),
    [
        ({"test": [0]}, errors.UsageError, "needs other folds"),
        ({"test": [0, 1], "choice": [1]}, errors.UsageError, "folds 1 are tested"),
        ({"test": [3], "choice": [1]}, errors.DataError, "fold 3 has no pairs"),
        ({"test": [0], "choice": [3]}, errors.DataError, "found 0 and 0"),
    ],
)
def test_folds_that_cannot_be(folds, error, message):
    with pytest.raises(error, match=message):
        verification.verify(*_three_folds(), **folds)


def test_threshold_without_one_of_the_kinds_is_refused():
    with pytest.raises(errors.DataError, match="found 2 and 0"):
        verification.best_threshold(np.array([1, 2]), np.array([True, True]))


def test_thresholds_of_another_network_are_carried_over():
    distances, same, folds = _three_folds()
    own = verification.verify(distances, same, folds, test=[0, 1, 2])
    carried = verification.verify(
        distances + 2, same, folds, test=[0, 1, 2], carried=own.thresholds
    )
    assert carried.thresholds == own.thresholds
    # Shifted distances lie beyond the old thresholds of the first two folds.
    assert carried.accuracy < own.accuracy or own.accuracy == 0.5
    assert [fold.accuracy for fold in carried.folds] == [
        np.mean((distances[folds == f] + 2 <= own.thresholds[f]) == same[folds == f])
        for f in range(3)
    ]
    for arguments in ({"carried": {0: 1.0}}, {"carried": {}, "choice": [0]}):
        with pytest.raises(errors.UsageError, match="carried over"):
            verification.verify(distances, same, folds, test=[1, 2], **arguments)


@given(PAIRS)
def test_no_threshold_of_the_grid_is_better_than_the_chosen(pairs):
    distances, same = _arrays(pairs)
    distances = distances / 4
    chosen = verification.grid_threshold(distances, same)
    grid = np.arange(0, 4, 0.01)
    rates = ((distances < grid[:, None]) == same).mean(axis=1)
    assert chosen == grid[np.argmax(rates)]
