"""Nearest descriptors and thresholds, against plain loops."""

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from tfpipeline import errors
from tfpipeline.identification import matching, people


def _known(**rows):
    persons = tuple(
        people.Person(name, np.array(each, np.int16)) for name, each in rows.items()
    )
    return people.People("network", persons[0].descriptors.shape[1], persons)


@hypothesis.given(st.integers(0, 2**32 - 1))
def test_distances_are_exact(seed):
    generator = np.random.default_rng(seed)
    left = generator.integers(-(2**15), 2**15, (3, 5)).astype(np.int16)
    right = generator.integers(-(2**15), 2**15, (4, 5)).astype(np.int16)
    expected = [
        [sum((int(x) - int(y)) ** 2 for x, y in zip(a, b, strict=True)) for b in right]
        for a in left
    ]
    np.testing.assert_array_equal(matching.squared_distances(left, right), expected)


def test_distances_do_not_wrap_at_the_ends_of_16_bits():
    left = np.full((1, 512), -(2**15), np.int16)
    right = np.full((1, 512), 2**15 - 1, np.int16)
    found = matching.squared_distances(left, right)
    assert found[0, 0] == 512 * 65535**2 > 2**32


def test_the_nearest_of_all_descriptors_names_the_person():
    known = _known(ann=[[0, 0], [100, 0]], bob=[[0, 60]])
    found = matching.match(np.array([[90, 5], [3, 40]], np.int16), known, 400)
    assert found == [
        matching.Match("ann", 125, True),
        matching.Match("bob", 409, False),
    ]


def test_a_distance_equal_to_the_threshold_is_known_and_of_equal_ones_the_first():
    known = _known(ann=[[0]], bob=[[2]])
    [found] = matching.match(np.array([[1]], np.int16), known, 1)
    assert found == matching.Match("ann", 1, True)
    [found] = matching.match(np.array([[1]], np.int16), known, 0)
    assert not found.known


def test_nobody_enrolled_is_an_error():
    with pytest.raises(errors.UsageError, match="nobody is enrolled"):
        matching.match(np.zeros((1, 2), np.int16), people.People("n", 2), 1)


_PAIRS = st.lists(
    st.tuples(st.integers(0, 12), st.booleans()), min_size=2, max_size=30
).filter(lambda pairs: len({same for _, same in pairs}) == 2)


@hypothesis.given(_PAIRS, st.sampled_from([0.0, 0.1, 0.5, 1.0]))
def test_the_threshold_keeps_to_the_false_accept_rate(pairs, rate):
    distances, same = np.array(pairs).T
    same = same.astype(bool)

    def accepted(threshold, of):
        return int((distances[of] <= threshold).sum())

    found = matching.choose_threshold(distances, same, rate)
    strangers = (~same).sum()
    assert accepted(found, ~same) / strangers <= rate
    assert accepted(found, same) == max(
        accepted(each, same)
        for each in range(-1, 14)
        if accepted(each, ~same) / strangers <= rate
    )


@pytest.mark.parametrize("same", [[True, True], [False, False]])
def test_pairs_of_one_kind_give_no_threshold(same):
    with pytest.raises(errors.DataError, match="pairs of one person and pairs of two"):
        matching.choose_threshold([1, 2], same, 0.5)


def test_a_rate_is_met_where_its_product_is_not():
    same = np.arange(200) >= 100
    # 0.29 * 100 is a little below 29 in float64.
    distances = np.concatenate([np.arange(100), np.full(100, 28)])
    assert matching.choose_threshold(distances, same, 0.29) == 28
