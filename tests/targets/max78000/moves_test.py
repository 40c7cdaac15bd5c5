"""Layers that bring a tensor to other processors, exactly."""

import numpy as np
import pytest

from tests import graph_builder
from tests.export.max78000 import vendor_networks
from tests.targets.max78000 import placement_check
from tfpipeline.ir import graph
from tfpipeline.targets.max78000 import (
    assemble,
    lowering,
    moves,
    placement,
    quantize,
    simulate,
)


def _crossed(shape):
    """Two tensors side by side in both orders: each has two places."""
    net = graph_builder.Builder(shape, "crossed")
    size = 1 if len(shape) == 3 else 3
    one, other = net.conv(8, size), net.conv(8, size, source="input")
    left = net.conv(4, 1, source=net.concat(other, source=one))
    net.conv(4, 1, source=net.concat(one, source=other))
    net.join(graph.Add, left)
    return vendor_networks.randomized(net.build())


@pytest.mark.parametrize("shape", [(6, 5, 8), (9, 8)])
def test_a_moved_tensor_is_the_same(shape):
    g = quantize.quantize(_crossed(shape))
    lowered = lowering.lower(g)
    assert lowered.violations == ()
    kinds = [step.kind for step in lowered.steps]
    assert moves.KIND in kinds
    placed = placement.plan(lowered)
    assert placement_check.violations(lowered, placed) == ()
    p = assemble.assemble(lowered, g)
    images = np.random.default_rng(3).integers(-128, 128, (4, *shape), np.int8)
    found = simulate.outputs(p, images.reshape(4, *p.input_shape))
    for step, values in zip(lowered.steps, found, strict=True):
        if step.kind == moves.KIND:
            [[source]] = step.operands
            np.testing.assert_array_equal(values, found[source])


def test_every_value_stays():
    values = np.arange(-128, 128, dtype=np.int8).reshape(1, 16, 4, 4)
    for number in range(moves.MOST):
        kernel, shift = moves.identity(number, 4)
        sums = values.astype(int) @ kernel[:, 0, 0].T.astype(int)
        np.testing.assert_array_equal(((sums << shift) + 64) >> 7, values)


def test_what_has_one_place_is_not_moved():
    net = graph_builder.Builder((6, 5, 8), "plain")
    one = net.conv(8, 1)
    net.conv(4, 1, source=net.concat(net.conv(8, 1, source="input"), source=one))
    kinds = [step.kind for step in lowering.lower(net.build()).steps]
    assert moves.KIND not in kinds
