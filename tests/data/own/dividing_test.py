"""Shares of classes and of groups, the same for a seed."""

import numpy as np
import pytest

from tfpipeline import errors
from tfpipeline.data.own import dividing


def _generator(seed=0):
    return np.random.default_rng([seed, dividing.TEST])


def _classes(*counts):
    return np.repeat(np.arange(len(counts), dtype=np.int32), counts)


def test_every_class_is_divided_by_the_fraction():
    targets = _classes(100, 10, 5)
    stay, away = dividing.divide(targets, None, 0.2, _generator())
    assert np.bincount(targets[away]).tolist() == [20, 2, 1]
    np.testing.assert_array_equal(np.sort([*stay, *away]), np.arange(115))
    assert (np.diff(stay) > 0).all()
    assert (np.diff(away) > 0).all()


def test_a_seed_gives_one_division():
    targets = _classes(40, 40)
    first, again, other = (
        dividing.divide(targets, None, 0.25, _generator(seed))[1] for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert first.tolist() != other.tolist()


@pytest.mark.parametrize("fraction", [0.1, 0.3, 0.5])
def test_groups_stay_together_and_come_near_the_fraction(fraction):
    random = np.random.default_rng(3)
    groups = random.integers(0, 20, 400)
    targets = (groups % 2).astype(np.int32)
    stay, away = dividing.divide(targets, groups, fraction, _generator())
    assert not set(groups[stay]) & set(groups[away])
    # At most half a group of each of the two classes more or less.
    most = np.bincount(groups).max()
    assert abs(len(away) - fraction * 400) <= most
    assert len(set(targets[away])) == 2


def test_numbers_are_divided_as_one_class():
    targets = np.zeros((10, 2), np.float32)
    stay, away = dividing.divide(targets, None, 0.3, _generator())
    assert (len(stay), len(away)) == (7, 3)


def test_a_class_with_one_member_stays():
    stay, away = dividing.divide(_classes(10, 1), None, 0.2, _generator())
    assert 10 in stay
    assert len(away) == 2


def test_as_many_classes_as_examples_still_divide():
    stay, away = dividing.divide(_classes(1, 1, 1, 1), None, 0.25, _generator())
    assert (len(stay), len(away)) == (3, 1)


@pytest.mark.parametrize("groups", [None, np.zeros(1, np.int64)])
def test_one_unit_cannot_be_divided(groups):
    with pytest.raises(errors.DataError, match="one part empty"):
        dividing.divide(_classes(1), groups, 0.5, _generator())


def test_a_limit_keeps_proportions():
    targets = _classes(80, 20)
    chosen = dividing.first_of_each(targets, 10, _generator())
    assert np.bincount(targets[chosen]).tolist() == [8, 2]
    everything = dividing.first_of_each(targets, 1000, _generator())
    np.testing.assert_array_equal(everything, np.arange(100))
