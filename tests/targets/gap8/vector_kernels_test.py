"""The fast kernels against the specification."""

import hypothesis
import numpy as np
import pytest

from tests.targets.gap8 import layer_strategies
from tfpipeline import errors
from tfpipeline.targets.gap8 import fixed_point, kernels, program, vector_kernels

_SETTINGS = hypothesis.settings(max_examples=150, deadline=None)


def _check(layer, data, precision):
    expected = kernels.execute(layer, data, precision)
    swapped = [np.ascontiguousarray(each.swapaxes(0, 1)) for each in data]
    found = vector_kernels.execute(layer, swapped, precision)
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found.swapaxes(0, 1), expected)


@_SETTINGS
@hypothesis.given(layer_strategies.convolutions())
def test_single_precision_equals_the_specification(pair):
    layer, data = pair
    _check(layer, [data], kernels.SINGLE)


@_SETTINGS
@hypothesis.given(layer_strategies.convolutions())
def test_double_precision_equals_the_specification(pair):
    layer, data = pair
    _check(layer, [data], kernels.DOUBLE)


@hypothesis.settings(max_examples=50, deadline=None)
@hypothesis.given(layer_strategies.linears())
def test_matrix_products_equal_the_specification(pair):
    layer, data = pair
    _check(layer, [data], kernels.DOUBLE)


@hypothesis.settings(max_examples=100, deadline=None)
@hypothesis.given(layer_strategies.others())
def test_other_layers_equal_the_specification(pair):
    layer, data = pair
    _check(layer, data, kernels.DOUBLE)


@pytest.mark.parametrize("precision", kernels.PRECISIONS)
@pytest.mark.parametrize("num_bits", [8, 16])
def test_many_blocks_and_slices_equal_the_specification(
    monkeypatch, num_bits, precision
):
    """A layer larger than the blocks that the fast kernels work on."""
    monkeypatch.setattr(vector_kernels, "BLOCK_BYTES", 2**9)
    monkeypatch.setattr(vector_kernels, "MATRIX_BYTES", 2**13)
    layer = program.Conv(
        weights=layer_strategies.integers(1, num_bits, (12, 9, 3, 3)),
        bias=layer_strategies.integers(2, num_bits, 12),
        format=fixed_point.Format(num_bits, 0, 0, 0),
        padding=((1, 1), (1, 1)),
        **layer_strategies.ONE,
    )
    data = layer_strategies.integers(4, num_bits, (5, 9, 6, 7))
    _check(layer, [data], precision)


@pytest.mark.parametrize("norm", [15, 16, 17])
def test_accumulators_wrap_in_single_precision(norm):
    """At a norm of 16 what should saturate wraps: 32 bits have no place for it."""
    ones = np.ones((1, 2, 1, 1), np.int16)
    layer = program.Conv(
        weights=np.full((1, 2, 1, 1), 2**14, np.int16),
        bias=np.array([12000], np.int16),
        format=fixed_point.Format(norm, 0, 0, 0),
        **layer_strategies.ONE,
    )
    data = 32000 * ones
    steps = [(2**14 * 32000 + 2 ** (norm - 1)) >> norm] * 2
    places = 32 - norm
    total = 12000
    for step in steps:
        total = (total + step + 2 ** (places - 1)) % 2**places - 2 ** (places - 1)
        total = min(max(total, -(2**15)), 2**15 - 1)
    assert kernels.execute(layer, [data], kernels.SINGLE).item() == total
    assert (total == 32767) == (norm == 15)
    _check(layer, [data], kernels.SINGLE)


def test_sums_are_proven_exact():
    """The bound holds with all signs at their worst, and decides the type."""
    layer = program.Linear(
        weights=np.full((1, 100), -128, np.int8),
        bias=np.array([-128], np.int8),
        format=fixed_point.Format(7, 0, 0, 0),
        **layer_strategies.ONE,
    )
    bound = vector_kernels.largest_sum(layer)
    assert bound == 100 * 128 * 128 + 128 * 2**7 + 64
    assert vector_kernels.exact_float(2**24) is np.float32
    assert vector_kernels.exact_float(2**24 + 1) is np.float64
    with pytest.raises(errors.GraphError, match="beyond"):
        vector_kernels.exact_float(2**53 + 1)
