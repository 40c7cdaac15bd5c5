"""The rules of the integers against tables worked by hand and exact fractions."""

import fractions
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfpipeline import errors
from tfpipeline.targets.max78000 import arithmetic
from tfpipeline.targets.max78000 import spec as specs

SHIFTS = st.integers(-arithmetic.MAX_OUTPUT_SHIFT, arithmetic.MAX_OUTPUT_SHIFT)
INT8 = st.integers(-128, 127)


def int8(*values):
    return np.array(values, np.int8)


def test_weights_have_the_full_range():
    ranges = {bits: arithmetic.weight_range(bits) for bits in specs.WEIGHT_BITS}
    assert ranges == {1: (-1, 0), 2: (-2, 1), 4: (-8, 7), 8: (-128, 127)}


def test_bias_counts_128_times_a_channel():
    sums = arithmetic.accumulate(np.array([[5, 5], [0, -1]]), int8(1, -128))
    np.testing.assert_array_equal(sums, [[133, 5 - 16384], [128, -16385]])
    np.testing.assert_array_equal(arithmetic.accumulate(np.array([7]), None), [7])


@pytest.mark.parametrize(
    ("total", "output_shift", "expected"),
    [
        # Halves go up, also the negative ones.
        (63, 0, 0),
        (64, 0, 1),
        (-64, 0, 0),
        (-65, 0, -1),
        (-192, 0, -1),
        # One place down: divided by 256.
        (127, -1, 0),
        (128, -1, 1),
        # Without a division, and beyond.
        (-3, 7, -3),
        (3, 9, 12),
        (2**21 - 1, -15, 0),
        (2**21, -15, 1),
        (16256, 0, 127),
        (16384, 0, 127),
        (-16384, 0, -128),
        (-(2**31), -15, -128),
        (1, 15, 127),
        (-1, 15, -128),
        (0, 15, 0),
    ],
)
def test_shift_rounds_and_saturates(total, output_shift, expected):
    value = arithmetic.requantize(np.array(total, np.int64), output_shift)
    assert (value.dtype, value) == (np.int8, expected)


@given(st.integers(-(2**31), 2**31 - 1), SHIFTS)
def test_shift_is_rounding_of_the_exact_quotient(total, output_shift):
    exact = fractions.Fraction(total) * fractions.Fraction(2) ** (output_shift - 7)
    expected = min(max(math.floor(exact + fractions.Fraction(1, 2)), -128), 127)
    assert arithmetic.requantize(np.array(total, np.int64), output_shift) == expected


@pytest.mark.parametrize(
    ("activation", "expected"),
    [
        (None, int8(-128, -127, -1, 0, 127)),
        ("ReLU", int8(0, 0, 0, 0, 127)),
        # 128 does not exist.
        ("Abs", int8(127, 127, 1, 0, 127)),
    ],
)
def test_activations(activation, expected):
    values = arithmetic.activate(int8(-128, -127, -1, 0, 127), activation)
    np.testing.assert_array_equal(values, expected, strict=True)


def test_averages_are_truncated():
    totals = np.array([10, -10, 3, -3, 0, 508, -512])
    averages = arithmetic.average(totals, 4)
    np.testing.assert_array_equal(averages, int8(2, -2, 0, 0, 0, 127, -128), True)


@given(st.lists(INT8, min_size=1, max_size=256))
def test_average_is_the_truncated_quotient(values):
    average = arithmetic.average(np.array(sum(values)), len(values))
    assert average == math.trunc(fractions.Fraction(sum(values), len(values)))


@pytest.mark.parametrize(
    ("operator", "operands", "expected"),
    [
        ("add", (100, 27), 127),
        ("add", (100, 28), 127),
        ("add", (-100, -29), -128),
        # The sum is exact until the end: 200 does not saturate on the way.
        ("add", (100, 100, -100), 100),
        ("sub", (-100, 29), -128),
        ("sub", (100, -100), 127),
        ("sub", (1, 2, 3), -4),
        ("or", (0b0101, 0b0011), 0b0111),
        ("or", (-128, 1), -127),
        ("xor", (0b0101, 0b0011), 0b0110),
        ("xor", (-1, 5), -6),
        ("xor", (1, 2, 4), 7),
    ],
)
def test_element_wise(operator, operands, expected):
    value = arithmetic.combine(operator, [int8(operand) for operand in operands])
    np.testing.assert_array_equal(value, int8(expected), strict=True)


@given(st.sampled_from(specs.ELEMENT_WISE), st.lists(INT8, min_size=2, max_size=16))
def test_element_wise_is_pythons(operator, operands):
    first, *others = operands
    for other in others:
        first = {
            "add": first + other,
            "sub": first - other,
            "or": first | other,
            "xor": first ^ other,
        }[operator]
    value = arithmetic.combine(operator, [int8(operand) for operand in operands])
    assert value == min(max(first, -128), 127)


def test_unknown_operator_is_named():
    with pytest.raises(errors.UsageError, match="add, sub, or, xor; found 'mul'"):
        arithmetic.combine("mul", [int8(1), int8(2)])
