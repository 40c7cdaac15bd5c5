"""Every network that the vendor's tool was run on: the same figures, layer by layer."""

import json
import pathlib

import pytest

from tests.targets.max78000 import layer_drafts, vendor_networks
from tfpipeline.targets.max78000 import cost, report

_FOLDER = vendor_networks.FOLDER
_ABSENT = pytest.param(
    None, marks=pytest.mark.skip(f"no *.json in {_FOLDER}; set TFPIPELINE_SHARED")
)
_FILES = [
    pytest.param(path, id=path.stem) for path in sorted(_FOLDER.glob("*.json"))
] or [_ABSENT]

pytestmark = pytest.mark.real_data


def _network(path: pathlib.Path) -> tuple[dict, cost.Cost]:
    fixture = json.loads(path.read_text(encoding="utf-8"))
    return fixture, cost.estimate(
        [vendor_networks.hardware(row) for row in fixture["layers"]]
    )


@pytest.mark.parametrize("path", _FILES)
def test_layers_equal_the_vendor_tool(path):
    fixture, result = _network(path)
    for row, line in zip(fixture["layers"], result.layers, strict=True):
        counts = line.operations
        assert list(line.layer.pooled_dim) == row["pooled_dim"], row["index"]
        assert list(line.layer.out_dim) == row["out_dim"], row["index"]
        assert {
            "macc": counts.macc,
            "comp": counts.comp,
            "add": counts.add,
            "mul": counts.mul,
            "bitwise": counts.bitwise,
            "total": counts.total,
        } == row["ops"], row["index"]
        assert line.weight_bytes == row["weight_bytes"], row["index"]
        assert line.latency_cycles["ai8x"] == row["latency"]["cycles"], row["index"]
        assert line.layer.streaming == row["latency"]["estimate"]


@pytest.mark.parametrize("path", _FILES)
def test_kernels_lie_where_the_vendor_tool_puts_them(path):
    fixture, result = _network(path)
    assert [
        (line.kernels.first_word, line.kernels.words, line.kernels.kernels)
        for line in result.layers
    ] == [
        (row["kern_offs"], row["kern_len"], row["kern_count"])
        for row in fixture["layers"]
    ]


@pytest.mark.parametrize("path", _FILES)
def test_totals_and_text_equal_the_vendor_tool(path):
    fixture, result = _network(path)
    totals = fixture["totals"]
    counts = result.operations
    assert (counts.macc, counts.comp, counts.add, counts.mul, counts.bitwise) == tuple(
        totals[kind] for kind in ("macc", "comp", "add", "mul", "bitwise")
    )
    assert counts.total == totals["ops"]
    assert result.weight_bytes == totals["weight_memory_bytes"]
    assert result.spec.weight_bytes == totals["weight_memory_total"]
    assert result.bias_bytes == totals["bias_memory_bytes"]
    assert result.spec.bias_bytes == totals["bias_memory_total"]
    assert list(result.bias_quadrant_bytes) == totals["bias_group_max"]
    assert result.latency_cycles["ai8x"] == totals["latency_cycles"]
    milliseconds = 1000 * result.latency_seconds("ai8x")
    assert milliseconds == pytest.approx(totals["latency_ms_at_50MHz"], rel=1e-12)
    assert not result.violations
    layers = [line.layer for line in result.layers]
    assert layer_drafts.check(layers, result.spec) == ()
    assert report.summary(result) == fixture["summary_text"]
