"""Every network that the vendor's tool was run on: the same figures, layer by layer."""

import json
import os
import pathlib

import pytest

from tfpipeline.targets.max78000 import accelerator_layer, constraints, cost, report

_ROOT = pathlib.Path(__file__).resolve().parents[3]
_SHARED = pathlib.Path(os.environ.get("TFPIPELINE_SHARED", _ROOT.parent / "shared"))
_FOLDER = _SHARED / "reference" / "max78000"
_ABSENT = pytest.param(
    None, marks=pytest.mark.skip(f"no *.json in {_FOLDER}; set TFPIPELINE_SHARED")
)
_FILES = [
    pytest.param(path, id=path.stem) for path in sorted(_FOLDER.glob("*.json"))
] or [_ABSENT]

pytestmark = pytest.mark.real_data


def _layer(row: dict) -> accelerator_layer.AcceleratorLayer:
    eltwise = None if row["eltwise"] == "none" else row["eltwise"]
    return accelerator_layer.AcceleratorLayer(
        operator=row["op"],
        in_channels=row["in_channels"],
        in_dim=tuple(row["in_dim"]),
        out_channels=row["out_channels"],
        processors=int(row["processors"], 16),
        output_processors=int(row["output_processors"], 16),
        kernel=tuple(row["kernel"]),
        pad=tuple(row["pad"]),
        stride=tuple(row["stride"]),
        dilation=tuple(row["dilation"]),
        groups=row["groups"],
        pool=tuple(row["pool"] or (1, 1)),
        pool_stride=tuple(row["pool_stride"]),
        pool_type=row["pool_type"],
        pool_dilation=tuple(row["pool_dilation"]),
        pool_first=row["pool_first"],
        eltwise=eltwise,
        # Inputs that are concatenated count as one operand.
        operands=1 if eltwise is None else row["operands"],
        flatten=row["flatten"],
        activation=row["activation"],
        weight_bits=row["weight_bits"] or 8,
        # The tool drops a bias that is all zero, and then counts none.
        bias=row["bias_count"] > 0,
        output_width=row["output_width"],
        streaming=row["streaming"],
        name=row["name"],
    )


def _network(path: pathlib.Path) -> tuple[dict, cost.Cost]:
    fixture = json.loads(path.read_text(encoding="utf-8"))
    return fixture, cost.estimate([_layer(row) for row in fixture["layers"]])


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
    assert constraints.check_layers(layers, result.spec) == ()
    assert report.summary(result) == fixture["summary_text"]
