"""The pictures of a plan: every step a line, every buffer drawn where it lies."""

import re
from xml.etree import ElementTree

import pytest

from tests.targets.gap8 import networks
from tfpipeline import errors
from tfpipeline.targets.gap8 import fusion, l2_plan, memory_map

SVG = "{http://www.w3.org/2000/svg}"


def _plan(**options):
    return l2_plan.plan(fusion.fuse(networks.reid()), **options)


def test_text_has_a_line_a_step_and_a_legend():
    plan = _plan()
    lines = memory_map.to_text(plan, columns=343).splitlines()
    assert lines[0] == (
        "L2 of reid, sync, 16 bits: peak 351,872 bytes = 343.625 KiB at layer33"
    )
    rows = {line.split()[0]: line.split()[-1] for line in lines[2:29]}
    assert list(rows) == [step.name for step in plan.net.steps]
    assert all(len(row) == 343 for row in rows.values())
    # 1026 bytes a column: concatenation, squeezed, weights and bias; nothing is free.
    last = rows["layer33"]
    assert re.fullmatch(r"(\w)\1{47}\w{7}#{288}", last), last
    assert rows["layer0"].count(".") > 100
    legend = [line.split() for line in lines[31:]]
    assert ["0", "0", "32,768", "0-0", "input"] in legend


def test_remarks_follow():
    text = memory_map.to_text(_plan(capacity=300 * 1024))
    assert "are read from L3 in 3 tiles" in text.splitlines()[-1]
    late = memory_map.remarks(_plan(rule=l2_plan.ASYNC, capacity=360 * 1024))
    assert all("find no room before it runs" in line for line in late)
    missing = memory_map.remarks(_plan(capacity=200_000))
    assert (
        "no plan of L2 for 'layer1': it needs 221,312 bytes of 200,000; the AutoTiler "
        "may tile its data too"
    ) in missing


def test_svg_draws_every_region_to_scale():
    plan = _plan()
    root = ElementTree.fromstring(memory_map.to_svg(plan))
    drawn = [
        each for each in root.iter(f"{SVG}rect") if each.find(f"{SVG}title") is not None
    ]
    assert len(drawn) == len(plan.regions)
    scale = 720 / plan.peak_bytes
    for rect, region in zip(drawn, plan.regions, strict=True):
        assert float(rect.get("x")) == pytest.approx(
            200 + region.offset * scale, abs=0.01
        )
        width = region.buffer.bytes * scale
        assert float(rect.get("width")) == pytest.approx(width, abs=0.01)
        rows = region.buffer.last - region.buffer.first + 1
        assert int(rect.get("height")) == 20 * rows
    texts = [each.text for each in root.iter(f"{SVG}text")]
    assert {step.name for step in plan.net.steps} <= set(texts)
    assert {"0 KiB", "64 KiB", "320 KiB", "343.6"} <= set(texts)


def test_a_map_needs_a_column():
    with pytest.raises(errors.UsageError, match=r"a column or more\. Received: 0"):
        memory_map.to_text(_plan(), columns=0)
