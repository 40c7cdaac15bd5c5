"""Batches of people: who is in them, how often, and always the same by seed."""

import collections

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfpipeline import errors
from tfpipeline.data import identity_batches

COUNTS = st.lists(st.integers(1, 15), min_size=3, max_size=12)


def _labels(counts):
    labels = np.repeat(np.arange(len(counts)) * 3, counts)
    return np.random.default_rng(0).permutation(labels)


def _order(labels, epoch=0, seed=0, people=3, images=4, groups=2):
    return identity_batches.epoch_order(
        labels,
        people=people,
        images=images,
        groups_per_person=groups,
        seed=seed,
        epoch=epoch,
    )


@given(COUNTS, st.integers(2, 3), st.integers(2, 5), st.integers(1, 4))
def test_batches_hold_different_people_with_their_images(counts, people, images, most):
    labels = _labels(counts)
    order = _order(labels, people=people, images=images, groups=most)
    assert order.dtype == np.int64 and order.shape[1] == people * images
    groups = order.reshape(-1, people, images)
    owners = labels[groups]
    assert (owners == owners[..., :1]).all()
    for batch in owners[..., 0]:
        assert len(set(batch)) == people
    turns = collections.Counter(owners[..., 0].ravel().tolist())
    assert max(turns.values()) <= most
    for group in groups.reshape(-1, images):
        own = (labels == labels[group[0]]).sum()
        # Taken again only where there are too few.
        assert len(set(group)) == min(own, images)


@given(COUNTS)
def test_an_epoch_repeats_no_photograph_before_its_turn(counts):
    labels = _labels(counts)
    order = _order(labels, groups=99)
    for label in np.unique(labels):
        own = (labels == label).sum()
        times = collections.Counter(order[labels[order] == label].tolist())
        assert all(count <= -(-4 // own) + 1 for count in times.values())


def test_order_is_a_function_of_seed_and_epoch():
    labels = _labels([5] * 8)
    np.testing.assert_array_equal(_order(labels, 3, 1), _order(labels, 3, 1))
    assert not np.array_equal(_order(labels, 3, 1), _order(labels, 4, 1))
    assert not np.array_equal(_order(labels, 3, 1), _order(labels, 3, 2))


def test_someone_with_hundreds_of_photographs_does_not_fill_an_epoch():
    labels = _labels([400, 4, 4, 4, 4])
    order = _order(labels, groups=2, people=2)
    assert (labels[order] == 0).sum() <= 8


def test_everybody_has_a_turn_when_all_groups_fit():
    labels = _labels([4] * 6)
    assert sorted(_order(labels).ravel().tolist()) == list(range(24))


def test_too_few_people_are_refused():
    with pytest.raises(errors.DataError, match=r"a batch needs 3 people; .* show 2"):
        _order(_labels([9, 9]))
