"""Compiled C gives the integers of our execution."""

import shutil

import numpy as np
import pytest

from export.c import compiled
from tests import float_graphs
from tfpipeline.precision import formats, quantize, ranges
from tfpipeline.simulate import execution, vector_kernels


def quantized(name):
    g = float_graphs.small_network()
    images = float_graphs.images(g, 4)
    return quantize.quantize(g, ranges.observe(g, images), formats.named(name))


@pytest.mark.skipif(shutil.which("gcc") is None, reason="needs a C compiler")
@pytest.mark.parametrize("name", ["wi8_ai8", "wi8_ai16"])
def test_it_computes_the_same(name):
    g = quantized(name)
    source = g.tensors[g.inputs[0]]
    limits = np.iinfo(source.dtype)
    random = np.random.default_rng(1)
    inputs = random.integers(
        limits.min, limits.max, (5, *source.shape[1:]), source.dtype, endpoint=True
    )
    run = compiled.runner(g)
    assert run is not None
    expected = execution.activations(g, [inputs], vector_kernels.KERNELS)
    for _ in range(2):  # The arena keeps nothing.
        for name, values in zip(g.outputs, run(inputs), strict=True):
            assert values.dtype == expected[name].dtype
            np.testing.assert_array_equal(values, expected[name])


def test_without_a_compiler_or_for_what_c_has_not_there_is_none(monkeypatch):
    assert compiled.runner(quantized("wi16_ai16")) is None
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert compiled.runner(quantized("wi8_ai8")) is None
