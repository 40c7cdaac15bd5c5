"""Copies that turn one row of pixels for layers that read several tensors."""

import pytest

from tests import graph_builder
from tfpipeline.ir import graph
from tfpipeline.targets.max78000 import lowering


def _row_and_square():
    """A sum of what a line's and a plane's convolution make of one row."""
    net = graph_builder.Builder((1, 12, 8), "row")
    line = net.conv(8, (1, 3))
    net.conv(8, 3, source="input")
    net.join(graph.Add, line)
    return net


@pytest.mark.parametrize("last", ["sum", "plane", "line"])
def test_all_that_a_layer_reads_has_one_shape(last):
    net = _row_and_square()
    if last != "sum":
        net.conv(8, 3 if last == "plane" else (1, 3))
    lowered = lowering.lower(net.build())
    assert lowered.violations == ()
    steps = lowered.steps
    for step in steps:
        sources = [part for parts in step.operands for part in parts]
        if len(sources) > 1:
            dims = {steps[source].layer.out_dim for source in sources}
            assert dims == {step.layer.in_dim}
    assert sum("/turned_" in step.name for step in steps) == 1


def test_planes_need_no_copies():
    net = graph_builder.Builder((4, 12, 8), "plane")
    first = net.conv(8)
    net.join(graph.Add, net.conv(8, source="input"), source=first)
    names = [step.name for step in lowering.lower(net.build()).steps]
    assert not any("turned" in name for name in names)
