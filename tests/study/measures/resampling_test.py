"""Intervals over people, against SciPy's where every sample is a person."""

import numpy as np
import pytest
from scipy import stats

from tfpipeline import errors
from tfpipeline.study.measures import resampling


def test_one_sample_a_person_is_the_plain_bootstrap():
    values = np.random.default_rng(1).normal(size=60)
    ours = resampling.over_people(resampling.mean_of(values), np.arange(60))
    theirs = stats.bootstrap(
        (values,), np.mean, n_resamples=4000, method="percentile", random_state=2
    ).confidence_interval
    assert ours.value == pytest.approx(values.mean())
    # Both are random: the ends of 2,000 resamples move by about a hundredth.
    assert ours.low == pytest.approx(theirs.low, abs=0.03)
    assert ours.high == pytest.approx(theirs.high, abs=0.03)


def test_many_pictures_of_few_people_are_few_samples():
    people = np.repeat(np.arange(10), 50)
    right = np.repeat(np.arange(10) % 2, 50)
    by_people = resampling.over_people(resampling.mean_of(right), people)
    by_pictures = resampling.over_people(resampling.mean_of(right), np.arange(500))
    width = by_people.high - by_people.low
    assert width > 4 * (by_pictures.high - by_pictures.low)


def test_a_constant_difference_has_no_width():
    first, second = np.array([0, 1, 2, 0]), np.array([0, 2, 1, 1])
    interval = resampling.over_people(
        resampling.mean_of(np.full(4, 0.25)), first, second, resamples=50
    )
    assert (interval.value, interval.low, interval.high) == (0.25, 0.25, 0.25)


def test_pairs_of_two_weigh_the_product():
    seen = []

    def statistic(weights):
        seen.append(weights)
        return weights.sum()

    first, second = np.array(["a", "a", "b"]), np.array(["a", "b", "b"])
    resampling.over_people(statistic, first, second, resamples=40)
    for of_a, of_both, of_b in seen[:-1]:
        assert of_a + of_b == 2 and of_both == of_a * of_b
    assert seen[-1].tolist() == [1, 1, 1]


def test_one_person_has_no_interval():
    with pytest.raises(errors.DataError, match="at least two"):
        resampling.over_people(resampling.mean_of(np.ones(3)), np.zeros(3))
