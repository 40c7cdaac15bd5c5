"""Networks without integers in made-up ones: shapes, widths and names stay."""

import numpy as np
import pytest

from tfpipeline import errors
from tfpipeline.networks import catalog
from tfpipeline.precision import assumed


@pytest.mark.parametrize("bits", [8, 16])
def test_a_network_by_name(bits):
    g = catalog.load("facenet_v7")
    found = assumed.integers(g, bits)
    assert [layer.name for layer in found.layers] == [x.name for x in g.layers]
    for layer in g.layers:
        made = found.tensors[layer.output]
        assert (made.shape, made.dtype) == (
            g.tensors[layer.output].shape,
            f"int{bits}",
        )
    kernels = [x for x in found.constants.values() if x.dtype == np.int8]
    assert kernels
    for kernel in kernels:
        assert kernel.max() > 50 > -50 > kernel.min()
        assert len(np.unique(kernel)) > min(kernel.size, 100) // 2
    again = assumed.integers(g, bits)
    for name, values in found.constants.items():
        np.testing.assert_array_equal(again.constants[name], values)


def test_integers_are_refused():
    g = assumed.integers(catalog.load("facenet_v7"), 8)
    with pytest.raises(errors.GraphError, match="is no float graph"):
        assumed.integers(g, 8)
