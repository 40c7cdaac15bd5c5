"""Formats and roundings of the fixed point."""

import math
from fractions import Fraction

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from tfpipeline import errors
from tfpipeline.targets.gap8 import fixed_point


@pytest.mark.parametrize(
    ("max_abs", "bits"),
    [(1.0, 0), (1.5, 1), (255.0, 8), (256.0, 8), (0.0181818, -5), (0.5, -1), (2.8, 2)],
)
def test_integer_bits(max_abs, bits):
    assert fixed_point.integer_bits(max_abs) == bits


@hypothesis.given(st.floats(2.0**-120, 2.0**120, width=32))
def test_integer_bits_are_the_rounded_up_logarithm(value):
    bits = fixed_point.integer_bits(value)
    assert bits == math.ceil(math.log2(value))
    assert Fraction(2) ** (bits - 1) < Fraction(value) <= Fraction(2) ** bits


@pytest.mark.parametrize("value", [0.0, -1.0, math.inf, math.nan])
def test_magnitudes_must_be_positive(value):
    with pytest.raises(errors.QuantizationError, match="must be positive"):
        fixed_point.integer_bits(value)


@hypothesis.given(st.sampled_from([8, 16]), *[st.integers(-20, 20) for _ in range(3)])
def test_formats_fit_the_accumulator_or_are_refused(num_bits, source, weight, out):
    try:
        form = fixed_point.layer_format(num_bits, source, weight, out)
    except errors.QuantizationError:
        # The output has less than a step of the products' magnitude.
        weight_q = num_bits - 1 - weight
        in_q = num_bits - 1 - source
        excess = max(out + weight_q + in_q - 31, 0)
        assert in_q + weight_q - excess < num_bits - 1 - out
        return
    assert form.bias_q == form.out_q == num_bits - 1 - out
    assert form.in_q == num_bits - 1 - source
    assert form.weight_q <= num_bits - 1 - weight
    # The shift is at most what the accumulator has beyond the data.
    assert 0 <= form.norm == form.bias_norm <= 32 - num_bits
    assert out + form.weight_q + form.in_q <= 31


def test_a_negative_shift_is_refused():
    with pytest.raises(errors.QuantizationError, match="shifted by -1"):
        fixed_point.layer_format(16, 8, 8, 0)


def test_shifting_a_format_keeps_the_weights():
    form = fixed_point.Format(in_q=12, weight_q=14, bias_q=12, out_q=12)
    shifted = form.shifted(2)
    assert (shifted.norm, shifted.bias_norm) == (form.norm + 2, form.bias_norm + 2)
    assert (shifted.in_q, shifted.weight_q) == (12, 14)


@pytest.mark.parametrize(
    ("value", "integer"),
    [(0.5, 1), (-0.5, 0), (1.49, 1), (-1.5, -1), (1e9, 127), (-1e9, -128)],
)
def test_halves_round_upwards_and_ends_saturate(value, integer):
    found = fixed_point.quantize(np.array([value]), 0, 8)
    assert found.dtype == np.int8
    assert found.tolist() == [integer]


def test_quantizes_in_float32():
    """As the tool: half a step less a little, plus a half, is a whole in float32."""
    value = np.array([0.49999997], np.float32)
    assert fixed_point.quantize(value, 0, 16).tolist() == [1]


@hypothesis.given(st.integers(-(2**40), 2**40), st.integers(0, 31))
def test_round_shift(value, norm):
    expected = math.floor(Fraction(value, 2**norm) + (Fraction(1, 2) if norm else 0))
    assert fixed_point.round_shift(np.array(value), norm) == expected


@hypothesis.given(st.integers(-(2**60), 2**60), st.integers(1, 32))
def test_wrap(value, num_bits):
    wrapped = int(fixed_point.wrap(np.array(value), num_bits))
    assert -(2 ** (num_bits - 1)) <= wrapped < 2 ** (num_bits - 1)
    assert (wrapped - value) % 2**num_bits == 0


@hypothesis.given(st.integers(-(2**15), 2**15 - 1), st.integers(-10, 30))
def test_what_an_integer_stands_for_is_quantized_to_it(integer, q):
    values = np.ldexp(np.array([float(integer)]), -q)
    assert fixed_point.quantize(values, q, 16).tolist() == [integer]
