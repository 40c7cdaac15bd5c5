"""Selection of background cells."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tfpipeline.detection import hard_negatives

CELLS = st.lists(
    st.tuples(st.sampled_from([-1, 0, 0, 0, 1]), st.integers(0, 9)),
    min_size=1,
    max_size=60,
)


@given(CELLS, st.integers(1, 5))
def test_the_hardest_are_kept(cells, ratio):
    state = np.array([each for each, _ in cells])
    background = np.array([chance / 10 for _, chance in cells])
    kept = hard_negatives.select(background, state, ratio)
    objects = int((state == 1).sum())
    allowed = ratio * objects if objects else len(cells) // 10
    negatives = state == 0
    assert kept[state == 1].all() and not kept[state == -1].any()
    assert kept[negatives].sum() == min(allowed, negatives.sum())
    left = background[negatives & ~kept]
    if left.size and (negatives & kept).any():
        assert background[negatives & kept].max() <= left.min()


def test_shape_of_a_batch_is_kept():
    state = np.zeros((2, 5, 4), np.int8)
    state[1, 2, 3] = 1
    background = np.arange(40).reshape(2, 5, 4)
    kept = hard_negatives.select(background, state)
    assert np.argwhere(kept).tolist() == [
        [0, 0, 0],
        [0, 0, 1],
        [0, 0, 2],
        [0, 0, 3],
        [0, 1, 0],
        [1, 2, 3],
    ]
