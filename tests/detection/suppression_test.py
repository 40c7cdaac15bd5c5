"""Suppression against its definition pair by pair, and against that of TensorFlow."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfpipeline.detection import boxes as boxes_lib
from tfpipeline.detection import suppression

_BOX = st.tuples(*[st.integers(0, 30)] * 2, *[st.integers(0, 20)] * 2)
BOXES = st.lists(st.tuples(_BOX, st.integers(0, 20)), max_size=12)


def _arrays(rows):
    boxes = np.array(
        [(x, y, x + w, y + h) for (x, y, w, h), _ in rows], np.float32
    ).reshape(-1, 4)
    return boxes, np.array([score for _, score in rows], np.float32)


def _slow(boxes, scores, limit):
    """As the source's loop: a box goes for what it shares with a taken one."""
    waiting = sorted(range(len(boxes)), key=lambda i: (-scores[i], i))
    taken = []
    for i in waiting:
        area = (boxes[i][2] - boxes[i][0]) * (boxes[i][3] - boxes[i][1])
        for j in taken:
            w = max(
                0, min(boxes[i][2], boxes[j][2]) - max(boxes[i][0], boxes[j][0]) + 1
            )
            h = max(
                0, min(boxes[i][3], boxes[j][3]) - max(boxes[i][1], boxes[j][1]) + 1
            )
            if w * h > np.float32(limit) * area:
                break
        else:
            taken.append(i)
    return taken


@given(BOXES, st.sampled_from([0.0, 0.3, 0.5]))
def test_boxes_go_by_the_rule(rows, limit):
    boxes, scores = _arrays(rows)
    kept = suppression.suppress(boxes, scores, limit)
    assert kept.tolist() == _slow(boxes, scores, limit)


def test_a_small_box_in_a_large_one_goes_that_iou_would_keep():
    boxes = np.array([[0, 0, 100, 100], [10, 10, 30, 30]], np.float32)
    scores = np.array([0.9, 0.8], np.float32)
    assert boxes_lib.ious(boxes, boxes)[0, 1] == pytest.approx(0.04)
    assert suppression.suppress(boxes, scores).tolist() == [0]
    # The large one stays where the small one is surer: 21 * 21 of 100 * 100.
    assert suppression.suppress(boxes, scores[::-1]).tolist() == [1, 0]


def test_of_equal_scores_the_first_is_taken():
    boxes = np.array([[0, 0, 10, 10], [1, 1, 11, 11]], np.float32)
    assert suppression.suppress(boxes, np.ones(2, np.float32)).tolist() == [0]


def test_overlaps_by_hand():
    first = np.array([[0, 0, 10, 10], [5, 5, 5, 5]], np.float64)
    second = np.array([[5, 0, 15, 10], [20, 20, 30, 30]], np.float64)
    assert boxes_lib.intersections(first, second).tolist() == [[50, 0], [0, 0]]
    np.testing.assert_allclose(
        boxes_lib.ious(first, second), [[1 / 3, 0], [0, 0]], rtol=1e-12
    )
    assert boxes_lib.longer_sides(second).tolist() == [10, 10]
    assert boxes_lib.from_rows_first(np.array([[1, 2, 3, 4]])).tolist() == [
        [2, 1, 4, 3]
    ]
