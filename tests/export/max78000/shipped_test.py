"""The vendor's networks that stream or write over what they have read."""

import dataclasses

import numpy as np
import pytest

from export.max78000 import checkpoint, files, network, text, weights
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


@pytest.mark.default_cases(1)
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


@pytest.mark.default_cases(2)
@pytest.mark.parametrize("name", shipped_networks.NETWORKS)
def test_all_of_them_find_a_place(name):
    g = shipped_networks.read(name)
    bits = shipped_networks.BITS.get(name)
    names = [layer.name for layer in g.layers if hasattr(layer, "weights")]
    widths = bits and {each: bits.bits(each) for each in names}
    lowered = lowering.lower(g, shipped_networks.spec(name), weight_bits=widths)
    assert lowered.violations == ()
    assert placement.plan(lowered).shortages == ()


def test_an_input_of_two_passes_above_0_is_told():
    found = network.prepare(shipped_networks.read("action_frame"))
    assert found.placed.data.input.offset == 8
    assert found.notes[-1] == (
        "load_input() of the generated code puts channels 48 and up 0x8 bytes too low "
        "in each memory, so that the test on the board fails: load the input by code "
        "of your own"
    )


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
    bits, spec = shipped_networks.BITS.get(name), shipped_networks.spec(name)
    found = network.prepare(g, weights=bits, spec=spec)
    files.write(tmp_path / "files", found, name)
    result = vendor_tool.run(
        tmp_path / "files", tmp_path / "synthesized", logs_all=False
    )
    expected = files.channels_first(found.outputs[-1])
    values = result.outputs[-1]
    np.testing.assert_array_equal(values.reshape(expected.shape), expected)
    report = (tmp_path / "files" / files.REPORT_FILE).read_text(encoding="utf-8")
    assert result.summary == vendor_test.summary(report)


# networks/ai85-kinetics-actiontcn.yaml as the tool prints it (ab4f4c0, 21 layers with
# weights of ours): multiply-accumulates, comparisons, additions, bytes of weights. Of
# the comparisons, three pools are counted twice there, which are computed once here.
_ACTION = (342_827_488, 1_179_168, 18_112, 378_272)
_SHARED_POOLS = 4 * 64 * (15 * 15 + 7 * 7 + 3 * 3)


@pytest.mark.slow
def test_action_recognition_has_the_figures_of_its_own_description():
    found = [
        graph_cost.estimate_graph(shipped_networks.read(name)).cost
        for name in ("action_frame", "action_frames")
    ]
    macc, comp, add, weight_bytes = _ACTION
    assert sum(each.operations.macc for each in found) == macc
    assert sum(each.operations.comp for each in found) == comp - _SHARED_POOLS
    assert sum(each.operations.add for each in found) == add
    assert sum(each.weight_bytes for each in found) == weight_bytes


@pytest.mark.vendor
@pytest.mark.skipif(_MISSING is not None, reason=str(_MISSING))
def test_the_tool_prints_them_for_its_own_description(tmp_path):
    state: dict[str, np.ndarray] = {}
    for name in ("action_frame", "action_frames"):
        found = network.prepare(shipped_networks.read(name))
        state |= weights.state(found.lowered, found.program)
    data = checkpoint.to_bytes(arch="ai85actiontcn", state=state)
    (tmp_path / "checkpoint.pth.tar").write_bytes(data)
    _, printed = vendor_tool.synthesize(
        [
            *("--device", "MAX78000", "--no-version-check", "--timer", "0"),
            *("--config-file", "networks/ai85-kinetics-actiontcn.yaml"),
            *("--checkpoint-file", str(tmp_path / "checkpoint.pth.tar")),
            *("--test-dir", str(tmp_path), "--prefix", "kinetics", "--verbose"),
            *("--overlap-data", "--softmax", "--no-kat", "--compact-data"),
        ]
    )
    log = (tmp_path / "kinetics" / "log.txt").read_text(encoding="utf-8") + printed
    macc, comp, add, weight_bytes = _ACTION
    assert f"({macc:,} macc; {comp:,} comp; {add:,} add;" in log
    assert f"Weight memory: {weight_bytes:,} bytes" in log


@pytest.mark.vendor
@pytest.mark.skipif(_MISSING is not None, reason=str(_MISSING))
def test_the_tool_takes_the_same_files_with_the_fast_fifo(tmp_path):
    found = network.prepare(shipped_networks.read("cats_dogs"))
    files.write(tmp_path / "files", found, "fast")
    readme = tmp_path / "files" / files.README_FILE
    told = readme.read_text(encoding="utf-8")
    assert "--riscv --fast-fifo" in told
    readme.write_text(told.replace("--fifo \\", "--riscv --fast-fifo \\", 1))
    result = vendor_tool.run(tmp_path / "files", tmp_path / "out", logs_all=False)
    expected = files.channels_first(found.outputs[-1])
    np.testing.assert_array_equal(result.outputs[-1].reshape(expected.shape), expected)
