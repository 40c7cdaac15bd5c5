"""Cycles by hand, the published times, and the 33 published MobileNets."""

import pathlib
import statistics

import hypothesis
import pytest

from tests import graph_builder
from tests.targets.gap8 import mobilenets, networks, strategies
from tfpipeline.ir import graph
from tfpipeline.targets.gap8 import buffers, cost, cycles, fusion, l2_plan, spec

PAGE = pathlib.Path(__file__).resolve().parents[3] / "docs" / "targets" / "gap8.md"

# Milliseconds of the study, with overlapped and with blocking reads of L3.
STUDY_MS = {cost.ASYNC: 380, cost.SYNC: 780}


def _cost(g, *, bits=16, capacity=spec.L2_BYTES, clocks=None):
    plan = l2_plan.plan(
        fusion.fuse(g), bits=bits, rule=l2_plan.ASYNC, capacity=capacity
    )
    return cost.estimate(plan, clocks or spec.clocks())


def _only_step(add, shape=(8, 8, 16)):
    net = graph_builder.Builder(shape)
    add(net)
    [step] = fusion.fuse(net.build()).steps
    return step


@pytest.mark.parametrize(
    "add, expected",
    [
        # Two channels a core, 16 inputs; W = H = 8. ReLU 2.2 a pixel.
        (lambda n: n.conv(9, 1), 2 * (16 * (60 + 8 * (8 + 15 * 4)) + 76.8 + 140.8)),
        (
            lambda n: n.conv(8, 3, relu=False),
            16 * (80 + 6 * (20 + 15 * 6) + 4 * (45 + 13 * 6) + 40) + 76.8,
        ),
        (
            lambda n: n.conv(8, 3, stride=2, relu=False),
            16 * (80 + 4 * (22 + 17 * 4)) + 1.2 * 16,
        ),
        (
            lambda n: n.conv(8, 5, relu=False),
            16 * (80 + 8 * (20 + 33 * 8)) + 76.8,
        ),
        (
            lambda n: n.depthwise(3, relu=False),
            2 * ((80 + 6 * (20 + 15 * 6) + 4 * (45 + 13 * 6) + 40) + 76.8),
        ),
        (lambda n: n.pool(2), 2 * 4 * 16 * 38 / 9),
        (lambda n: n.mean(), 2 * 64 * 38 / 9),
        (lambda n: n.activation("relu"), 2 * 64 * 38 / 9),
    ],
)
def test_structural_cycles_in_16_bits(add, expected):
    assert cycles.structural(_only_step(add), 16) == pytest.approx(expected)


@pytest.mark.parametrize(
    "add, expected",
    [
        (lambda n: n.conv(9, 1), 2 * 64 * (16 * 0.75 + 12)),
        (lambda n: n.conv(8, 3), 64 * (16 * (3.75 + 1.7 * 3) + 12)),
        (lambda n: n.depthwise(3), 2 * 64 * (3.75 + 1.7 * 3 + 12)),
        (lambda n: n.join(graph.Add, "input"), 1024 * 4 / 8),
    ],
)
def test_structural_cycles_in_8_bits(add, expected):
    assert cycles.structural(_only_step(add), 8) == pytest.approx(expected)


def test_the_sdk_s_benchmarks():
    """Cycles of single kernels in bytes and, by the SDK's speed-ups, in shorts."""
    dense = _only_step(lambda n: n.dense(16), (1, 1, 1024))
    assert cycles.structural(dense, 8) == pytest.approx(2235 + 2 * 12)
    assert cycles.structural(dense, 16) == pytest.approx(2235 * 35.0 / 18.9)
    pool = _only_step(lambda n: n.pool(2), (112, 112, 8))
    assert cycles.structural(pool, 8) == pytest.approx(3556 * 8)
    # Within 2 % and 5 %: lines through 3x3 and 5x5, and the set-up of columns.
    conv = _only_step(
        lambda n: n.conv(8, 5, padding="valid", relu=False), (112, 112, 1)
    )
    benchmark = 22_813 * 8
    pixels = 108 * 108
    assert cycles.structural(conv, 8) - 12 * pixels == pytest.approx(
        benchmark, rel=0.02
    )
    short = benchmark * 53.9 / 25.4
    assert cycles.structural(conv, 16) - 1.2 * pixels == pytest.approx(short, rel=0.05)


def test_unusual_kernels_are_scalar():
    seven = _only_step(lambda n: n.conv(8, 7))
    dilated = _only_step(lambda n: n.conv(8, 3, dilation=2))
    for step, taps in ((seven, 49), (dilated, 9)):
        macs = 64 * 16 * taps
        assert 3.5 < cycles.structural(step, 8) / macs < 3.8
        assert 3.5 < cycles.structural(step, 16) / macs < 4.3


def test_the_study_s_two_times():
    found = _cost(networks.reid())
    structural = sum(line.structural_cycles for line in found.lines)
    assert round(structural / 1e6, 1) == 35.1
    # kappa and B_sync have three digits, so the times agree to 0.5 %.
    for model, milliseconds in STUDY_MS.items():
        assert 1e3 * found.seconds(model) == pytest.approx(milliseconds, rel=0.005)
    assert found.l3_bytes == 1_445_004
    # Nothing waits for L3 but the first layer for its 12 bytes.
    waiting = [line for line in found.lines if line.async_cycles > line.compute_cycles]
    assert [line.step.name for line in waiting] == ["layer0"]


def test_no_bandwidth_of_l3_explains_the_blocking_build():
    """The claim of the docs: with whole layers ahead, sync is below twice async."""
    found = _cost(networks.reid())
    compute = found.cycles(cost.ASYNC) / found.clocks.cluster_hz
    bytes_total = found.l3_bytes
    for rate in (65e6, 30e6, bytes_total / compute):
        load = bytes_total / rate
        assert load <= compute
        assert 1e3 * (compute + load) < 2 * 1e3 * compute + 1e-6 < 780


def test_clocks():
    assert spec.clocks().l3_bytes_per_second == 162.5e6
    slow = spec.clocks(90e6)
    assert (slow.cluster_hz, slow.fabric_hz) == (90e6, 150e6)
    fast, half = (
        _cost(networks.reid(), clocks=spec.clocks(hz)) for hz in (100e6, 50e6)
    )
    assert half.seconds(cost.ASYNC) == pytest.approx(2 * fast.seconds(cost.ASYNC))


def test_tiled_weights_are_read_while_their_layer_runs():
    builder = graph_builder.Builder((4, 4, 512))
    builder.conv(512, 3)
    [line] = _cost(builder.build()).lines
    assert line.l3_bytes == 2 * (512 * 512 * 9 + 512)
    at_least = line.l3_bytes / 162.5e6 * 175e6
    assert line.async_cycles == max(line.compute_cycles, at_least)


def test_activations_that_do_not_fit_cost_traffic():
    builder = graph_builder.Builder((128, 128, 8))
    builder.conv(16)
    [line] = _cost(builder.build()).lines
    assert line.spilled_bytes == 128 * 128 * 24 * 2


def test_the_published_mobilenets_as_the_page_says():
    errors = [mobilenets.seconds(*row[:3]) * row[4] - 1 for row in mobilenets.PUBLISHED]
    sizes = [abs(error) for error in errors]
    assert len(sizes) == 33
    mean, worst = statistics.mean(sizes), max(sizes)
    within = sum(size <= spec.RELATIVE_ERROR[8] for size in sizes)
    text = PAGE.read_text(encoding="utf-8")
    prose = " ".join(text.split())
    assert f"mean error {100 * mean:.1f} %, worst {100 * worst:.0f} %" in prose
    assert f"{within} of the 33 within {100 * spec.RELATIVE_ERROR[8]:.0f} %" in prose
    assert mobilenets.table() in text


def test_the_mobilenets_are_the_published_ones():
    for version, side, width, millions, _, _ in mobilenets.PUBLISHED:
        net = fusion.fuse(mobilenets.build(version, side, width))
        macs = sum(step.macs for step in net.steps) / 1e6
        # Of V1 at 192 and 0.25 the README prints 34 for 30.
        tolerance = 0.12 if (version, side, width) == ("V1", 192, 0.25) else 0.05
        assert macs == pytest.approx(millions, rel=tolerance)


def test_power_is_the_mean_of_the_published():
    watts = [row[4] * row[5] / 1e3 for row in mobilenets.PUBLISHED]
    assert pytest.approx(statistics.mean(watts), rel=0.005) == spec.POWER_8_WATTS


def test_the_published_points_are_those_of_the_reference():
    points = networks.reference("published_gap8_points.json")
    key = "greenwaves_mobilenet_readme_FC250_CL175_1.2V_L2_350kB_int8"
    rows = points[key]["rows"]
    ours = [(row[3], row[4], row[5]) for row in mobilenets.PUBLISHED]
    assert ours == [(row[1], row[3], row[4]) for row in rows]


@hypothesis.given(strategies.graphs())
@hypothesis.settings(max_examples=40, deadline=None)
def test_random_networks_have_a_cost(g):
    for bits in spec.BITS:
        found = _cost(g, bits=bits)
        net = fusion.fuse(g)
        assert found.l3_bytes == sum(buffers.weight_bytes(s, bits) for s in net.steps)
        for line in found.lines:
            assert 0 < line.structural_cycles < line.async_cycles
            assert line.compute_cycles <= line.sync_cycles
