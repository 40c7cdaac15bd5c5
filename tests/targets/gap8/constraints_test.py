"""Each constraint kept and broken, all breaches at once, and the page."""

import pathlib

import pytest

from tests.targets import lacking_kinds
from tests.targets.gap8 import breaches, networks
from tfpipeline import errors
from tfpipeline.targets.gap8 import (
    constraints,
    fusion,
    l1_tile,
    l2_plan,
    page,
    spec,
    steps,
    violation,
)

PAGE = pathlib.Path(__file__).resolve().parents[3] / "docs" / "targets" / "gap8.md"


def _check(g, *, bits=16, capacity=spec.L2_BYTES):
    plan = l2_plan.plan(fusion.fuse(g), bits=bits, capacity=capacity)
    return constraints.check(violation.Case(graph=g, plan=plan))


def _found(g, name):
    return [each for each in _check(g) if each.id == f"GAP8-{name}"]


@pytest.mark.parametrize("name", breaches.CASES)
def test_kept_and_broken(name):
    keeping, breaking, found = breaches.CASES[name]
    assert _found(keeping, name) == []
    first, *_ = _found(breaking, name)
    assert first.found == found
    assert str(first).count("\n") == 0
    assert f"[GAP8-{name}]" in str(first)


def test_every_constraint_has_a_case():
    ids = [each.id for each in constraints.CONSTRAINTS]
    assert ids == list(breaches.CASES)
    assert {each.level for each in constraints.CONSTRAINTS} == set(violation.LEVELS)


def test_all_breaches_at_once():
    def add(net):
        net.depthwise(7, multiplier=2, padding=((1, 1), (3, 3)))
        net.activation("tanh")
        net.transposed(3)

    assert [each.id for each in _check(breaches.net(add))] == [
        f"GAP8-{name}"
        for name in ("KIND-01", "ACT-01", "CONV-01", "DW-01", "DW-02", "PAD-01")
    ]


@pytest.mark.parametrize(("kind", "add"), lacking_kinds.ADDED.items())
def test_kinds_without_a_kernel_say_so(kind, add):
    g = breaches.net(add)
    found = next(each for each in _check(g) if each.id == "GAP8-KIND-01")
    assert (found.found, found.subject) == (kind, f"{kind} 'layer0'")
    assert len(str(found)) < 400


def test_positions_may_end_a_network_on_the_host():
    assert _check(breaches.net(lambda n: (n.conv(4), n.mean(), n.position(1)))) == ()


def test_the_demo_s_network_keeps_all():
    assert _check(networks.reid()) == ()
    [average] = _check(networks.reid(), bits=8)
    assert (average.id, average.level) == ("GAP8-POOL-03", violation.WARNING)
    assert average.found == "7x7 in 8 bits: 0.957"


def test_a_network_in_little_memory_says_what_is_tiled():
    found = _check(networks.reid(), capacity=300 * 1024)
    assert [each.id for each in found] == ["GAP8-L2-02"] * 2
    assert "3 tiles of 104 output channels" in found[0].found


def test_a_violation_reads_as_one_line():
    line = violation.Violation("GAP8-A", "error", "Conv2D 'a'", "must b", "c", "do d")
    assert str(line) == "Conv2D 'a': must b; found c [GAP8-A]; do d"


def test_smallest_tiles_fit_where_dory_s_fit():
    tiles = {
        layer["name"]: layer["L1"]
        for layer in networks.reference("dory_gap8_tiles_8bit.json")["layers"]
    }
    layers = networks.reference("reid_squeezenet.json")["layers"]
    net = fusion.fuse(networks.reid(), pools=False)
    convolutions = [step for step in net.steps if step.operation == steps.CONV]
    compared = 0
    for step, layer in zip(convolutions, layers, strict=True):
        if layer["name"] in tiles:
            tile = tiles[layer["name"]]
            theirs = sum(value for key, value in tile.items() if "memory" in key)
            assert l1_tile.smallest_bytes(step, 8) <= 2 * theirs
            compared += 1
    assert compared == len(tiles)


def _dense(inputs, outputs):
    g = breaches.net(lambda n: n.dense(outputs), (1, 1, inputs))
    [step] = fusion.fuse(g).steps
    return step


def test_a_linear_layer_is_cut_by_its_results_or_by_its_inputs():
    # The inputs, and twice a row of weights, a bias and a result.
    assert l1_tile.smallest_bytes(_dense(4, 100), 16) == 2 * 4 + 2 * 2 * (4 + 1 + 1)
    # Twice an input and a weight, all biases and results, and a sum a core.
    expected = 2 * 2 * 2 + 2 * 2 * 10 + 4 * 8
    assert l1_tile.smallest_bytes(_dense(50_000, 10), 16) == expected


def test_page_lists_the_table_as_it_is():
    text = PAGE.read_text(encoding="utf-8")
    assert page.replace_table(text) == text, "make it anew as page.py says"


def test_page_without_markers_is_refused():
    for text in ("", page.BEGIN, page.END + page.BEGIN, (page.BEGIN + page.END) * 2):
        with pytest.raises(errors.UsageError, match="the page must hold the lines"):
            page.replace_table(text)
