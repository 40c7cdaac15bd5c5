"""Detections of formats beside each other, and levels of heights."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfpipeline import errors
from tfpipeline.detection import boxes as boxes_lib
from tfpipeline.study.measures import detections


def _image(truth, found, ignored=None):
    rows = np.array(found, np.float64).reshape(-1, 5)
    return detections.Image(
        np.array(truth, np.float64).reshape(-1, 4),
        rows[:, :4],
        rows[:, 4],
        None if ignored is None else np.array(ignored),
    )


_BOX = st.tuples(*[st.integers(0, 6)] * 2, *[st.integers(1, 6)] * 2)
BOXES = st.lists(_BOX, max_size=4).map(
    lambda rows: np.array([(x, y, x + w, y + h) for x, y, w, h in rows], float).reshape(
        -1, 4
    )
)


@given(BOXES, BOXES)
def test_no_other_pairing_has_more_pairs_or_a_larger_sum(first, second):
    mine, theirs = detections.pairs(first, second)
    shares = boxes_lib.ious(first, second)
    assert len(set(theirs.tolist())) == len(theirs)
    assert (shares[mine, theirs] >= 0.5).all()
    ours = (len(mine), shares[mine, theirs].sum())
    small, large = sorted((len(first), len(second)))
    table = shares if len(first) == small else shares.T
    for places in itertools.permutations(range(large), small):
        chosen = table[np.arange(small), list(places)] if small else np.empty(0)
        chosen = chosen[chosen >= 0.5]
        # Sums of at most four shares, in another order.
        assert (len(chosen), chosen.sum() - 1e-12) <= ours


def test_two_formats_by_hand():
    truth = [[0, 0, 10, 10], [20, 0, 40, 20], [60, 60, 70, 70]]
    reference = _image(
        truth,
        [[0, 0, 10, 10, 0.8], [20, 0, 40, 20, 0.9], [80, 80, 90, 90, 0.5]],
    )
    other = _image(
        truth,
        [
            [20, 0, 40, 18, 0.45],
            [0, 0, 10, 10, 0.8],
            [80, 80, 90, 90, 0.5],
            [50, 0, 55, 5, 0.4],
        ],
    )
    result = detections.compare([reference], [other])
    assert (result.matched, result.missing, result.extra) == (3, 0, 1)
    assert (result.true_positives, result.false_positives) == (2, 2)
    assert (result.missed, result.shared_false_positives) == (1, 1)
    # The largest face first; of equal ones the first.
    assert result.areas.tolist() == [400, 100, 100]
    np.testing.assert_allclose(result.ious, [0.9, 1, 1])
    np.testing.assert_allclose(result.confidence_errors, [0.5, 0, 0])
    np.testing.assert_allclose(result.center_shifts, [1 / 20, 0, 0])
    record = result.record()
    assert record["matched"] == 3 and record["min_iou"] == pytest.approx(0.9)
    assert record["max_confidence_errors"] == pytest.approx(0.5)


def test_formats_without_a_common_box():
    images = [_image([[0, 0, 9, 9]], []), _image([], [])]
    result = detections.compare(images, images)
    assert (result.matched, result.missed) == (0, 1)
    assert result.record()["mean_iou"] is None
    with pytest.raises(errors.DataError, match="on the same images"):
        detections.compare(images, images[::-1])


def test_ignored_objects_are_neither_missed_nor_found():
    image = _image(
        [[0, 0, 10, 10], [20, 0, 40, 20]],
        [[0, 0, 10, 10, 0.8], [20, 0, 40, 20, 0.9], [20, 0, 40, 19, 0.7]],
        ignored=[False, True],
    )
    assert detections.false_positives(image).tolist() == [False] * 3
    result = detections.compare([image], [image])
    assert (result.true_positives, result.false_positives, result.missed) == (1, 0, 0)
    assert detections.average_precision([image])["all"].ap50 == pytest.approx(1)
    assert detections.miss_rates([image]).tolist() == [0] * 9


def test_levels_leave_lower_faces_out():
    truth = [[0, 0, 60, 60], [100, 0, 135, 35], [200, 0, 212, 12]]
    found = [[0, 0, 60, 60, 0.9], [200, 0, 212, 12, 0.8], [300, 0, 340, 40, 0.7]]
    levels = detections.average_precision([_image(truth, found)])
    assert levels["easy"].ap50 == pytest.approx(1)
    # One of two, before the false one of 40 pixels.
    assert levels["medium"].ap50 == pytest.approx(51 / 101)
    assert levels["hard"].ap50 == pytest.approx(67 / 101)
    assert levels["hard"] == levels["all"]


def test_without_objects_there_is_no_average_precision():
    levels = detections.average_precision([_image([], [[0, 0, 9, 9, 0.5]])])
    assert math.isnan(levels["all"].ap)


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(errors.DataError, match=r"scores \[M\]"):
        detections.Image(np.zeros((0, 4)), np.zeros((2, 4)), np.zeros(3))
