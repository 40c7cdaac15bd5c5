"""Fixed-point arithmetic: bounds of its error, and arrays equal to single values."""

import math

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies

from tfpipeline.simulate import fixed_point, vector_arithmetic

INT32 = strategies.integers(fixed_point.INT32_MIN, fixed_point.INT32_MAX)


@hypothesis.settings(deadline=None)
@hypothesis.given(strategies.floats(2.0**-31, 2.0**29))
def test_multiplier_is_within_half_a_step(real):
    multiplier, shift = fixed_point.quantize_multiplier(real)
    assert 2**30 <= multiplier < 2**31
    assert abs(multiplier * 2.0 ** (shift - 31) - real) <= 2.0 ** (shift - 32)


def test_multiplier_of_what_does_not_fit():
    assert fixed_point.quantize_multiplier(0.0) == (0, 0)
    assert fixed_point.quantize_multiplier(2.0**-40) == (0, 0)
    assert fixed_point.quantize_multiplier(2.0**40) == (2**30, 41)
    assert fixed_point.quantize_multiplier(1 - 2.0**-40) == (2**30, 1)


@hypothesis.settings(deadline=None)
@hypothesis.given(
    # Below 16, as 2**26 * 16 is shifted to 2**31 first, beyond 32 bits.
    strategies.integers(-(2**26), 2**26),
    strategies.floats(2.0**-20, 16.0, exclude_max=True),
)
def test_scale_is_within_one(value, real):
    multiplier, shift = fixed_point.quantize_multiplier(real)
    scaled = fixed_point.scale(value, multiplier, shift)
    # One half for each of two roundings, and the multiplier's own error.
    assert abs(scaled - value * real) <= 1 + abs(value) * real * 2.0**-31


@hypothesis.settings(deadline=None)
@hypothesis.given(
    strategies.lists(
        strategies.tuples(
            INT32,
            strategies.integers(2**30, 2**31 - 1),
            strategies.integers(-31, 7),
        ),
        min_size=1,
    )
)
def test_arrays_equal_single_values(cases):
    values, multipliers, shifts = np.array(cases, np.int64).T
    expected = [fixed_point.scale(*case) for case in cases]
    found = vector_arithmetic.scale(values, multipliers, shifts)
    np.testing.assert_array_equal(found, expected)


CHANNELS = strategies.lists(
    strategies.tuples(
        strategies.integers(-(2**24), 2**24),
        strategies.integers(-(2**24), 2**24),
        strategies.integers(2**30, 2**31 - 1),
        strategies.integers(-31, 5),
    ),
    min_size=1,
)


@hypothesis.settings(deadline=None)
@hypothesis.given(CHANNELS)
def test_sums_of_channels_equal_single_values(channels):
    sums, bias, multiplier, shift = np.array(channels, np.int64).T
    scalar, wide = (
        [scale(total + b, m, s) for total, b, m, s in channels]
        for scale in (fixed_point.scale, fixed_point.scale_wide)
    )
    factors = (bias, multiplier, shift)
    for real in (np.int64, np.float64):
        values = sums.astype(real)
        exact = vector_arithmetic.scaling(*factors, is_clamped=False)(values)
        clamped = vector_arithmetic.scaling(*factors, is_clamped=True)(values)
        wrapped = vector_arithmetic.scaling_wrapped(*factors)(values)
        np.testing.assert_array_equal(exact, scalar)
        np.testing.assert_array_equal(np.maximum(clamped, 0), np.maximum(scalar, 0))
        np.testing.assert_array_equal(wrapped, scalar)
        found = vector_arithmetic.scaling_wide(*factors)(values)
        np.testing.assert_array_equal(found, wide)


@hypothesis.settings(deadline=None)
@hypothesis.given(
    strategies.lists(
        strategies.tuples(
            strategies.integers(-(2**24), 2**24),
            strategies.integers(-(2**24), 2**24),
            strategies.integers(2**30, 2**31 - 1),
            strategies.integers(-13, -4),
        ),
        min_size=1,
    ),
    strategies.sampled_from([np.int8, np.int16]),
    strategies.integers(-128, 127),
    strategies.booleans(),
    strategies.booleans(),
)
def test_floats_equal_single_values_or_are_refused(
    channels, dtype, zero, is_relu, is_wide
):
    """Sums close to where a result changes among them, and far beyond the bounds."""
    sums, bias, multiplier, shift = np.array(channels, np.int64).T
    real = multiplier * 2.0 ** (shift - 31.0)
    steps = np.round((np.arange(len(sums)) % 7 - 3) / real - bias)
    near = np.where(np.abs(steps) < 2**24, steps, sums).astype(np.int64)
    sums = np.stack((sums, -sums, near, near + 1, near - 1))
    limits = np.iinfo(dtype)
    low = zero if is_relu else int(limits.min)
    output = vector_arithmetic.Output(zero, low, int(limits.max), np.dtype(dtype))
    bound = 2**24 + 1 + int(np.abs(bias).max())
    found = vector_arithmetic.in_floats(
        bias, multiplier, shift, output, bound, is_wide=is_wide
    )
    if found is None:
        # Digits that an output of 16 bits has no room for.
        assert shift.min() < (-4 if dtype == np.int16 else -12)
        assert not is_wide
        return
    scale = fixed_point.scale_wide if is_wide else fixed_point.scale
    expected = [
        [
            min(max(scale(int(total + b), int(m), int(s)) + zero, low), output.high)
            for total, b, m, s in zip(row, bias, multiplier, shift, strict=True)
        ]
        for row in sums
    ]
    for kind in (np.int64, np.float64):
        result = found(sums.astype(kind))
        assert result.dtype == dtype
        np.testing.assert_array_equal(result, expected)


@hypothesis.given(INT32, INT32)
def test_high_multiply_rounds_to_nearest(a, b):
    product = fixed_point.doubling_high_multiply(a, b)
    if a == b == fixed_point.INT32_MIN:
        assert product == fixed_point.INT32_MAX
    else:
        assert abs(product * 2**31 - a * b) <= 2**30


@hypothesis.given(INT32, strategies.integers(0, 31))
def test_shift_rounds_halves_away_from_zero(value, exponent):
    half_up = (abs(value) + (2**exponent >> 1)) >> exponent
    expected = half_up if value >= 0 else -half_up
    assert fixed_point.rounding_shift_right(value, exponent) == expected


@pytest.mark.parametrize("x", [-31.0, -10.0, -3.3, -1.0, -0.25, -0.1, -1e-6, 0.0])
def test_exponential(x):
    raw = fixed_point.exp_of_negative(round(x * 2**26))
    assert raw / 2**31 == pytest.approx(math.exp(x), abs=1e-6)


@pytest.mark.parametrize("x", [-15.9, -7.0, -1.0, -0.3, -1e-6, 0.0, 0.1, 2.5, 15.9])
def test_logistic_and_tanh(x):
    raw = round(x * 2**27)
    exact = 1 / (1 + math.exp(-x))
    assert fixed_point.logistic(raw) / 2**31 == pytest.approx(exact, abs=1e-6)
    assert fixed_point.tanh(raw) / 2**31 == pytest.approx(math.tanh(x), abs=1e-6)


@hypothesis.given(strategies.integers(-(2**40), 2**40))
def test_wrap_keeps_the_low_bits(value):
    for bits, kind in ((16, np.int16), (32, np.int32)):
        expected = np.array(value, np.int64).astype(kind)
        assert fixed_point.wrap(value, bits) == expected


@hypothesis.given(
    strategies.integers(-(2**46), 2**46), strategies.floats(2.0**-20, 2.0**-16)
)
def test_wide_scale_is_within_its_multiplier(value, real):
    scaled = fixed_point.scale_wide(value, *fixed_point.quantize_multiplier(real))
    # Half a unit of rounding; the multiplier has 15 bits.
    assert abs(scaled - value * real) <= 0.5 + abs(value) * real * 2.0**-15


@pytest.mark.parametrize("x", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_reciprocal(x):
    raw = fixed_point.one_over_one_plus(round(x * 2**31))
    assert raw / 2**31 == pytest.approx(1 / (1 + x), abs=1e-7)
