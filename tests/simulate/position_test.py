"""Positions of maxima and minima along every axis: both kernels alike."""

import numpy as np
import pytest

from tfpipeline.ir import graph
from tfpipeline.simulate import reference_kernels, vector_kernels

_SHAPE = (1, 5, 7, 3)
_KINDS = (graph.ArgMax, graph.ArgMin)


def _layer(kind, axis, shape=_SHAPE):
    result = (*shape[:axis], *shape[axis + 1 :])
    tensors = {
        "input": graph.Tensor("input", shape, "int8"),
        "output": graph.Tensor("output", result, "int32"),
    }
    layer = kind(name="layer", inputs=("input",), output="output", axis=axis)
    g = graph.Graph("net", tensors, {}, (layer,), ("input",), ("output",))
    return g, layer


def _require_equal(kind, axis, values):
    g, layer = _layer(kind, axis, values.shape)
    found = vector_kernels.position(g, layer, [values])
    expected = reference_kernels.position(g, layer, [values])
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == np.int32


@pytest.mark.parametrize("kind", _KINDS)
@pytest.mark.parametrize("axis", [1, 2, 3])
@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "int32", "int64"])
def test_the_first_of_many_equal_ones(kind, axis, dtype):
    info = np.iinfo(dtype)
    # Few values, so that nearly every line has equal ones; the ends of the type too.
    choices = np.array([info.min, info.min + 1, 0, info.max - 1, info.max], dtype)
    for seed in range(5):
        values = np.random.default_rng(seed).choice(choices, _SHAPE)
        _require_equal(kind, axis, values)


@pytest.mark.parametrize("kind", _KINDS)
@pytest.mark.parametrize("dtype", ["int8", "int16", "int32"])
@pytest.mark.parametrize("size", [32_767, 65_535, 65_536, 70_000])
def test_keys_of_long_axes_do_not_overflow(kind, dtype, size):
    info = np.iinfo(dtype)
    for value in (info.min, info.max):
        values = np.zeros((1, size, 1), dtype)
        values[0, [3, size - 1]] = value
        _require_equal(kind, 1, values)
        # All equal: the first.
        _require_equal(kind, 1, np.full((1, size, 1), value, dtype))


@pytest.mark.parametrize("kind", _KINDS)
def test_real_numbers(kind):
    values = np.random.default_rng(0).normal(size=_SHAPE).round(1).astype(np.float32)
    _require_equal(kind, 1, values)
