"""Scales and rounding: within half a step, zero exactly, halves away from zero."""

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from tfpipeline.ir import graph
from tfpipeline.precision import integers

REALS = st.floats(-1e4, 1e4, width=32).map(lambda x: 0.0 if abs(x) < 1e-4 else x)


def test_halves_go_away_from_zero():
    values = np.array([-2.5, -0.5, 0.49999999999999994, 0.5, 1.5, 2.4])
    np.testing.assert_array_equal(integers.rounded(values), [-3, -1, 0, 1, 2, 2])


@hypothesis.given(REALS, REALS, st.sampled_from([8, 16]))
def test_ranges_hold_zero_and_their_ends(first, second, num_bits):
    low, high = min(first, second), max(first, second)
    quant = integers.of_range(low, high, num_bits)
    (scale,), (zero_point,) = quant.scale, quant.zero_point
    dtype = f"int{num_bits}"
    ends = np.array([low, high, 0.0])
    found = integers.quantized(ends, quant, dtype)
    # The zero point is rounded: an end may lie half a step outside, and the scale is
    # rounded to float32.
    error = np.abs(integers.dequantized(found, quant) - ends)
    assert (error <= scale * 1.01).all()
    assert found[2] == zero_point
    assert float(np.float32(scale)) == scale
    if num_bits == 16:
        assert zero_point == 0
        assert found.min() > -(2**15)


@hypothesis.given(st.integers(2, 16), st.booleans(), st.integers(0, 2**32 - 1))
def test_constants_are_within_half_a_step(num_bits, one_scale, seed):
    values = np.random.default_rng(seed).normal(size=(3, 2, 5))
    values[:, :, 1] = 0
    found, quant = integers.symmetric(values, num_bits, None if one_scale else 2)
    largest = 2 ** (num_bits - 1) - 1
    assert found.dtype == (np.int8 if num_bits <= 8 else np.int16)
    assert np.abs(found).max() == largest
    assert len(quant.scale) == (1 if one_scale else 5)
    # Half a step, and the rounding of the scale to float32.
    limit = (0.5 + 1e-7 * largest) * np.array(quant.scale)
    assert (np.abs(integers.dequantized(found, quant) - values) <= limit).all()


def test_nothing_at_all_has_the_scale_one():
    found, quant = integers.symmetric(np.zeros((2, 3)), 8, 0)
    assert quant.scale == (1.0, 1.0)
    assert not found.any()
    assert integers.of_range(0.0, 0.0, 8).scale == (1.0,)
    assert integers.of_range(0.0, 0.0, 16).scale == (1.0,)


@pytest.mark.parametrize(
    ("low", "high", "scale", "zero_point"),
    [
        (-1.0, 127 / 128, 1 / 128, 0),
        (0.0, 2.55, 0.01, -128),
        (-2.55, 0.0, 0.01, 127),
        (1.0, 2.55, 0.01, -128),
        (-0.3, 2.25, 0.01, -98),
    ],
)
def test_known_ranges_of_8_bits(low, high, scale, zero_point):
    quant = integers.of_range(low, high, 8)
    assert quant == graph.QuantParams((float(np.float32(scale)),), (zero_point,), 8)


def test_integers_saturate():
    quant = graph.QuantParams((0.5,), (3,), 8)
    found = integers.quantized(np.array([-1e9, 1e9, 1.0]), quant, "int8")
    np.testing.assert_array_equal(found, np.array([-128, 127, 5], np.int8))
