"""Scales and rounding: within half a step, zero exactly, ties as the converter's."""

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from tfpipeline.ir import graph
from tfpipeline.numerics import affine

# No ranges of 1e-6 and less, which are widened.
REALS = st.floats(-1e4, 1e4, width=32).map(lambda x: 0.0 if abs(x) < 1e-4 else x)


@hypothesis.given(REALS, REALS, st.sampled_from([8, 16]))
def test_ranges_hold_zero_and_their_ends(first, second, num_bits):
    low, high = min(first, second), max(first, second)
    quant = affine.of_observed(low, high, num_bits)
    (scale,), (zero_point,) = quant.scale, quant.zero_point
    ends = np.array([low, high, 0.0])
    found = affine.quantized(ends, quant, f"int{num_bits}")
    # The zero point is rounded: an end may lie half a step outside, and the scale is
    # rounded to float32.
    error = np.abs(affine.dequantized(found, quant) - ends)
    assert (error <= scale * 1.01).all()
    assert found[2] == zero_point
    assert float(np.float32(scale)) == scale
    if num_bits == 16:
        assert zero_point == 0
        assert found.min() > -(2**15)


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
    expected = graph.QuantParams((float(np.float32(scale)),), (zero_point,), 8)
    assert affine.of_observed(low, high, 8) == expected


# Recorded of TensorFlow 2.21: zero lies between two integers, and 127.5 steps are a
# little more or less by the rounding of the scale.
@pytest.mark.parametrize(
    ("end", "zero_point"),
    [
        (1.0, 0),
        (0.5, 0),
        (0.009644829668104649, -1),
        (0.000443827681010589, 0),
        (0.0005995234241709113, -1),
        (2.2670583724975586, -1),
        (47.32649612426758, 0),
        (73.06957244873047, -1),
    ],
)
def test_symmetric_ranges_of_8_bits_have_the_converters_zero_point(end, zero_point):
    assert affine.of_ranges((-end,), (end,), 8).zero_point == (zero_point,)
    narrow = affine.of_ranges((-end,), (end,), 8, narrow=True)
    assert narrow.zero_point == (0,)
    assert narrow.scale == (2 * end / 254,)


@pytest.mark.parametrize(
    ("low", "high"),
    [(0.0, 0.0), (0.0, 3e-7), (-3e-7, 0.0), (-1e-7, 2e-7), (-5e-7, 5e-7), (1e-7, 2e-7)],
)
def test_ranges_of_nothing_are_widened(low, high):
    # Recorded of TensorFlow 2.21.
    found = affine.of_ranges((low,), (high,), 8).stored(8, None)
    assert found == graph.QuantParams((3.921568847431445e-09,), (-1,), 8)


def test_a_range_that_is_just_wide_enough_is_kept():
    found = affine.of_ranges((0.0,), (1.01e-6,), 8)
    assert found == affine.Affine((1.01e-6 / 255,), (-128,))


def test_16_bits_have_the_scale_one_for_zeros_alone():
    assert affine.of_observed(0.0, 0.0, 16) == graph.QuantParams((1.0,), (0,), 16)
    tiny = affine.of_ranges((-1e-9,), (1e-9,), 16, narrow=True)
    assert tiny == affine.Affine((1e-9 / 32767,), (0,))


def test_kernel_ties_go_up_and_bias_ties_away_from_zero():
    # tests/readers/integers_test.py asks the converter for such a network.
    halves = np.arange(-20, 20) + 0.5
    for zero_point in (0, -3):
        quant = affine.Affine((1 / 128,), (zero_point,))
        found = affine.kernel_integers(halves / 128, quant, 8, 0, narrow=False)
        np.testing.assert_array_equal(found, np.arange(-19, 21) + zero_point)
    found, _ = affine.bias_integers(halves / 2**14, 1 / 128, (1 / 128,), 8)
    expected = np.concatenate([np.arange(-20, 0), np.arange(1, 21)])
    np.testing.assert_array_equal(found, expected)


def test_a_narrow_range_has_no_smallest_integer():
    quant = affine.Affine((1.0, 0.5), (0, 0))
    values = np.array([[-9.0, 9.0], [-9.0, 9.0]])
    for narrow, smallest in ((True, -7), (False, -8)):
        found = affine.kernel_integers(values, quant, 4, 0, narrow)
        np.testing.assert_array_equal(found, [[smallest, 7], [smallest, 7]])


@pytest.mark.parametrize(
    ("bits", "limit"), [(8, 2**31), (16, 2**47)], ids=["int32", "int64"]
)
def test_biases_are_cut_off_at_what_sums_may_hold(bits, limit):
    values = np.array(
        [-limit - 5.0, -limit, 1.0 - limit, limit - 2.0, limit - 1, limit]
    )
    found, quant = affine.bias_integers(values, 1.0, (1.0,), bits)
    assert found.dtype == affine.bias_type(bits) == f"int{quant.num_bits}"
    expected = [-limit, -limit, 1 - limit, limit - 2, limit - 1, limit - 1]
    np.testing.assert_array_equal(found, expected)


def test_scales_of_sums_are_products_in_float64():
    source, scales = 0.0078125, (0.1, 0.3)
    values = np.array([1e5, -1e5], np.float32)
    found, quant = affine.bias_integers(values, source, scales, 8)
    exact = [1e5 / (source * 0.1), -1e5 / (source * 0.3)]
    np.testing.assert_array_equal(found, np.round(exact))
    in_float32 = values / (np.float32(source) * np.float32(scales))
    assert (np.round(in_float32.astype(np.float64)) != found).any()
    assert quant.scale == tuple(float(np.float32(source * s)) for s in scales)
    assert quant.axis == 0


def test_inputs_below_half_a_step_are_zero():
    values = np.array([np.nextafter(np.float32(0.5), 0), 0.5], np.float32)
    found = affine.quantized_float32(values, 1.0, 0, "int8")
    np.testing.assert_array_equal(found, np.array([0, 1], np.int8))


def test_integers_saturate():
    quant = graph.QuantParams((0.5,), (3,), 8)
    values = np.array([-1e9, 1e9, 1.0])
    for found in (
        affine.quantized(values, quant, "int8"),
        affine.quantized_float32(values, 0.5, 3, "int8"),
    ):
        np.testing.assert_array_equal(found, np.array([-128, 127, 5], np.int8))
