"""Heat maps, people and sizes by hand; d' by its definition."""

import numpy as np
import pytest

from tfpipeline import errors
from tfpipeline.study.measures import curves, similarity


def test_cosines():
    enrolled = np.array([[3, 4], [0, 0]], np.int8)
    pictures = np.array([[4, -3], [30, 40]], np.int16)
    np.testing.assert_allclose(
        similarity.cosines(enrolled, pictures), [[0, 1], [0, 0]], atol=1e-15
    )
    # int8 squares of 100 would wrap around.
    many = np.full((1, 512), 100, np.int8)
    assert similarity.cosines_of_pairs(many, many) == pytest.approx(1)
    assert similarity.cosines_of_pairs(many, many * 0).tolist() == [0]


def test_a_heat_map_that_faded():
    reference = np.array([[0.9, 0.1], [0.2, 0.8]])
    same = np.eye(2, dtype=bool)
    change = similarity.compare(reference, reference / 2, same)
    assert change.mean == pytest.approx(0.25) and change.largest == pytest.approx(0.45)
    assert change.reference_gap == pytest.approx(0.7)
    assert change.gap == pytest.approx(0.35)
    # Gap and spread halve together; 0.05 is the deviation of both kinds.
    assert change.separation == pytest.approx(0.7 / 0.05)
    assert change.reference_separation == pytest.approx(change.separation)


def test_people_that_lost_the_most_come_first():
    names = np.array(["b", "a", "a", "b", "c"])
    before = np.array([0.9, 0.8, 0.7, 0.6, 0.1])
    after = np.array([0.9, 0.3, 0.2, 0.6, 0.9])
    people = similarity.by_person(names, after, 0.5, (before, 0.5))
    assert [(p.name, p.pairs, p.true_accept_rate, p.change) for p in people] == [
        ("a", 2, 0, -1),
        ("b", 2, 1, 0),
        ("c", 1, 1, 1),
    ]
    assert people[0].mean_score == pytest.approx(0.25)
    assert all(p.change == 0 for p in similarity.by_person(names, after, 0.5))


def test_curves_of_one_kind_are_refused():
    with pytest.raises(errors.DataError, match="found 2 and 0"):
        curves.roc(np.array([0.1, 0.2]), np.array([True, True]))


def test_separation_of_scores_without_spread():
    same = np.array([True, False])
    assert curves.separation(np.array([1.0, 1.0]), same) == 0
    assert curves.separation(np.array([1.0, 0.5]), same) == np.inf
