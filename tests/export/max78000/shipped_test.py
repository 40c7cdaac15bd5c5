"""The vendor's networks that stream or write over what they have read."""

import dataclasses

import numpy as np
import pytest

from export.max78000 import files, network, text
from tests.export.max78000 import (
    shipped_networks,
    vendor_test,
    vendor_tool,
)
from tfpipeline.targets.max78000 import graph_cost, lowering, placement
from tfpipeline.targets.max78000 import spec as specs

_MISSING = vendor_tool.missing()
# What ai8x-synthesis ab4f4c0 prints for networks/*.yaml themselves: multiply-
# accumulates, bytes of weights, cycles; and our layers that stream.
PRINTED = {
    "cats_dogs": (50_432_000, 57_776, 757_910, 2),
    "camvid": (626_179_840, 278_176, 4_729_258, 0),
}


@pytest.mark.parametrize("name", PRINTED)
def test_figures_are_those_that_the_tool_prints_for_its_own(name):
    g = shipped_networks.read(name)
    found = graph_cost.estimate_graph(g)
    macc, weight_bytes, cycles, streaming = PRINTED[name]
    assert found.violations == ()
    assert found.cost.operations.macc == macc
    assert found.cost.weight_bytes == weight_bytes
    assert found.cost.latency_cycles["ai8x"] == cycles
    assert sum(layer.streaming for layer in found.lowered.layers) == streaming


@pytest.mark.parametrize("name", shipped_networks.NETWORKS)
def test_all_of_them_find_a_place(name):
    g = shipped_networks.read(name)
    bits = shipped_networks.BITS.get(name)
    names = [layer.name for layer in g.layers if hasattr(layer, "weights")]
    widths = bits and {each: bits.bits(each) for each in names}
    lowered = lowering.lower(g, shipped_networks.spec(name), weight_bits=widths)
    assert lowered.violations == ()
    assert placement.plan(lowered).shortages == ()


def test_the_files_say_how_the_tool_must_be_called():
    g = shipped_networks.graph_of(shipped_networks.camvid(size=32), "small")
    small = dataclasses.replace(specs.MAX78000, memory_instance_bytes=4_864)
    options = text.command_options(network.prepare(g, spec=small), "name", "sample")
    assert "--overlap-data" in options
    assert "--fifo" not in options


@pytest.mark.vendor
@pytest.mark.skipif(_MISSING is not None, reason=str(_MISSING))
@pytest.mark.parametrize("name", shipped_networks.NETWORKS)
def test_the_tool_takes_them_and_finds_the_same(name, tmp_path):
    g = shipped_networks.read(name)
    weights, spec = shipped_networks.BITS.get(name), shipped_networks.spec(name)
    found = network.prepare(g, weights=weights, spec=spec)
    files.write(tmp_path / "files", found, name)
    result = vendor_tool.run(
        tmp_path / "files", tmp_path / "synthesized", logs_all=False
    )
    expected = files.channels_first(found.outputs[-1])
    values = result.outputs[-1]
    np.testing.assert_array_equal(values.reshape(expected.shape), expected)
    report = (tmp_path / "files" / files.REPORT_FILE).read_text(encoding="utf-8")
    assert result.summary == vendor_test.summary(report)
