"""Targets against the rule cell by cell, and boxes there and back."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfpipeline import errors
from tfpipeline.detection import branches, decoding, targets
from tfpipeline.models import specs

LFFD_HEAD17 = branches.of(specs.MODELS["lffd_head17"].branches)
LFFD_V1 = branches.of(specs.MODELS["lffd_v1"].branches)
LFFD_V2 = branches.of(specs.MODELS["lffd_v2"].branches)

BRANCH = branches.Branch(stride=8, first_center=7, smallest=20, largest=40)
CELLS = (5, 6)

# Quarters of pixels, so that float64 holds every difference exactly.
_PLACES = st.integers(-80, 200).map(lambda number: number / 4)
_SIDES = st.integers(1, 220).map(lambda number: number / 4)
BOXES = st.lists(st.tuples(_PLACES, _PLACES, _SIDES, _SIDES), max_size=6).map(
    lambda rows: np.array(
        [(x, y, x + w, y + h) for x, y, w, h in rows], np.float64
    ).reshape(-1, 4)
)


def _slow(boxes, row, column):
    """State, encoded box and whether there is one, of a cell."""
    x, y = (BRANCH.first_center + BRANCH.stride * each for each in (column, row))
    inside = [b for b in boxes if b[0] <= x <= b[2] and b[1] <= y <= b[3]]
    sides = [max(b[2] - b[0], b[3] - b[1]) for b in inside]
    green = [b for b, side in zip(inside, sides, strict=True) if 20 <= side <= 40]
    # floor(0.9 * 20) and ceil(1.1 * 40), less what is green.
    gray = [s for s in sides if 18 <= s <= 44 and not 20 <= s <= 40]
    state = -1 if gray or len(green) > 1 else len(green)
    if len(green) != 1:
        return state, [0] * 4, False
    x1, y1, x2, y2 = green[0]
    return state, [(x - x1) / 20, (y - y1) / 20, (x - x2) / 20, (y - y2) / 20], True


@given(BOXES)
def test_every_cell_is_as_the_rule_says(boxes):
    assigned = targets.assign(boxes, BRANCH, CELLS)
    for row, column in np.ndindex(CELLS):
        state, encoded, has_box = _slow(boxes, row, column)
        assert assigned.state[row, column] == state
        assert assigned.has_box[row, column] == has_box
        np.testing.assert_array_equal(
            assigned.boxes[row, column], np.array(encoded, np.float32)
        )


def test_the_cases_of_the_rule_occur():
    boxes = np.array(
        [
            [0, 0, 30, 30],
            [20, 0, 50, 30],
            [60, 0, 103, 43],
            [60, 60, 64, 64],
            [80, 60, 91, 100],
        ],
        np.float64,
    )
    assigned = targets.assign(boxes, BRANCH, CELLS)
    assert set(np.unique(assigned.state)) == {-1, 0, 1}
    # In both of the first two boxes: gray, and no box.
    assert assigned.state[0, 2] == targets.GRAY and not assigned.has_box[0, 2]


@pytest.mark.parametrize("branch", LFFD_V1)
def test_decoding_gives_the_encoded_box_back(branch):
    side = (branch.smallest + branch.largest) / 2
    box = np.array([20.25, 33.5, 20.25 + side, 33.5 + side / 2])
    encoded = targets.encode(box, branch, (5, 7))
    decoded = decoding.decode(encoded, branch)
    # Two roundings to float32 of values below 1,024.
    np.testing.assert_allclose(decoded, np.broadcast_to(box, (5, 7, 4)), atol=2e-4)


def test_branches_are_those_of_the_published_networks():
    assert [b.stride for b in LFFD_V1] == [4, 4, 8, 8, 16, 32, 32, 32]
    assert [b.first_center for b in LFFD_V2] == [3, 7, 15, 31, 63]
    for table in (LFFD_V1, LFFD_V2, LFFD_HEAD17):
        for lower, upper in itertools.pairwise(table):
            assert lower.largest == upper.smallest
    # 1.1 * 110 lies above 121 in floats; the source rounds it up, and so do we.
    assert LFFD_V1[4].gray_largest == 122


def test_a_branch_without_sizes_is_refused():
    with pytest.raises(errors.UsageError, match="sizes 40 to 20"):
        branches.Branch(8, 7, 40, 20)
