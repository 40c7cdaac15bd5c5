"""Which splits of padding the generators know, and when two windows can share one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfpipeline.ir import geometry
from tfpipeline.targets.gap8 import pad_types, steps


def _step(plane, window, pool=None):
    """A convolution of one channel."""
    axes = zip(
        *(plane, window.size, window.strides, window.padding, window.dilation),
        strict=True,
    )
    body = (1, *(geometry.output_size(*axis) for axis in axes))
    return steps.Step(
        name="conv",
        operation=steps.CONV,
        layers=(),
        inputs=("x",),
        output="y",
        source=(1, *plane),
        body=body,
        result=body,
        window=window,
        pool=None if pool is None else steps.Pool(kind=steps.MAX_POOL, window=pool),
    )


@given(
    size=st.integers(1, 40),
    taps=st.integers(1, 7),
    stride=st.integers(1, 4),
    rate=st.integers(1, 2),
)
def test_same_of_tensorflow_can_always_be_said(size, taps, stride, rate):
    """And an odd pixel behind needs PAD_BALANCED_RIGHT or PAD_RIGHT."""
    plane, kernel = (size, 5), (taps, 1)
    strides, dilation = (stride, 1), (rate, 1)
    pairs = geometry.same_padding(plane, kernel, strides, dilation)
    window = steps.Window(
        size=kernel, strides=strides, padding=pairs, dilation=dilation
    )
    found = pad_types.possible(_step(plane, window))
    total = sum(pairs[0])
    assert found
    if total % 2 and total > 1:
        assert found == [3]
    if total == 1:
        assert found == [3, 1]
    if total % 2 == 0:
        assert found[0] == pad_types.DEFAULT


@pytest.mark.parametrize(
    ("pair", "types"),
    [
        ((0, 0), [2, 3, 1, 0]),
        ((1, 1), [2, 3]),
        ((0, 2), [1]),
        ((2, 0), [0]),
        ((2, 1), []),
        ((0, 1), []),
        ((2, 2), []),
    ],
)
def test_two_pixels_lie_on_one_side_or_on_both(pair, types):
    window = steps.Window(size=(3, 3), padding=(pair, pair))
    assert pad_types.possible(_step((8, 8), window)) == types


def test_pixels_that_no_window_reads_do_not_count():
    window = steps.Window(size=(3, 3), strides=(2, 2), padding=((0, 1), (0, 1)))
    assert pad_types.possible(_step((7, 7), window)) == [2, 3, 1, 0]
    assert not pad_types.is_padded(window, (7, 7))
    assert pad_types.is_padded(window, (8, 8))


@pytest.mark.parametrize(
    ("pair", "types"), [((0, 1), [3, 1]), ((1, 0), []), ((0, 0), [3, 1])]
)
def test_a_pool_shares_the_type(pair, types):
    """The pool has its odd pixel behind."""
    window = steps.Window(size=(3, 3), strides=(2, 2), padding=(pair, pair))
    plane = (16, 16) if any(pair) else (17, 17)
    pool = steps.Window(size=(3, 3), strides=(2, 2), padding=((0, 1), (0, 1)))
    assert pad_types.possible(_step(plane, window, pool)) == types
