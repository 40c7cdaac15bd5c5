"""Each constraint kept and broken, all breaches at once, and the page."""

import dataclasses
import pathlib

import pytest

from tests import graph_builder
from tests.targets.gap8 import networks
from tfpipeline import errors
from tfpipeline.ir import graph
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


def _net(add, shape=(8, 8, 4)):
    """A graph of what `add` puts behind an input."""
    net = graph_builder.Builder(shape)
    add(net)
    return net.build()


def _check(g, *, bits=16, capacity=spec.L2_BYTES):
    plan = l2_plan.plan(fusion.fuse(g), bits=bits, capacity=capacity)
    return constraints.check(violation.Case(graph=g, plan=plan))


def _typed(dtype, *, scale=0.5, zero=0):
    """A pool on tensors of a type."""
    g = _net(lambda net: net.pool(2))
    quant = graph.QuantParams((scale,), (zero,), 8)
    tensors = {
        name: dataclasses.replace(tensor, dtype=dtype, quant=quant)
        for name, tensor in g.tensors.items()
    }
    return dataclasses.replace(g, tensors=tensors)


def _rows_concat():
    """A concatenation of rows instead of channels."""
    g = _net(lambda net: net.conv(4))
    name = g.outputs[0]
    below = graph.Concat(name="rows", inputs=(name, name), output="below", axis=1)
    tensors = dict(g.tensors) | {
        "below": graph.Tensor("below", (1, 16, 8, 4), "float32")
    }
    return dataclasses.replace(
        g, tensors=tensors, layers=(*g.layers, below), outputs=("below",)
    )


def _concat(*, of_input):
    def add(net):
        first = net.conv(2)
        net.conv(2, source="input")
        net.concat("input" if of_input else first)

    return _net(add)


def _strided(rows, columns):
    g = _net(lambda net: net.conv(4, 3, padding="valid", stride=2))
    [layer] = g.layers
    height = (8 - 3) // rows + 1
    width = (8 - 3) // columns + 1
    tensors = dict(g.tensors)
    tensors[layer.output] = graph.Tensor(layer.output, (1, height, width, 4), "float32")
    layer = dataclasses.replace(layer, strides=(rows, columns))
    return dataclasses.replace(g, tensors=tensors, layers=(layer,))


# By id: a network that keeps the constraint, one that breaks it, and what is found.
CASES = {
    "KIND-01": (
        _net(lambda net: net.conv(4)),
        _net(lambda net: net.transposed(4)),
        "TransposeConv2D",
    ),
    "ACT-01": (
        _net(lambda net: net.activation("relu6")),
        _net(lambda net: net.activation("sigmoid")),
        "sigmoid",
    ),
    "CONV-01": (
        _net(lambda net: net.conv(4, 5)),
        _net(lambda net: net.conv(4, 7)),
        "7x7",
    ),
    "CONV-02": (_strided(2, 2), _strided(2, 1), "2x1"),
    "CONV-03": (
        _net(lambda net: net.conv(4)),
        _net(lambda net: net.conv(4, dilation=2)),
        "2x2",
    ),
    "CONV-04": (
        _net(lambda net: net.conv(4, groups=4)),
        _net(lambda net: net.conv(4, groups=2)),
        "2 groups",
    ),
    "DW-01": (
        _net(lambda net: net.conv(4)),
        _net(lambda net: net.depthwise()),
        "4 groups of one channel",
    ),
    "DW-02": (
        _net(lambda net: net.depthwise()),
        _net(lambda net: net.depthwise(multiplier=2)),
        "4 to 8 channels",
    ),
    "PAD-01": (
        _net(lambda net: net.conv(4, stride=2)),
        _net(lambda net: net.conv(4, stride=2, padding=((1, 1), (1, 1)))),
        "rows 1 and 1, columns 1 and 1",
    ),
    "POOL-01": (
        _net(lambda net: net.pool(3, stride=2, padding="same")),
        _net(lambda net: net.pool(3, stride=2, padding=((1, 1), (1, 1)))),
        "rows 1 and 1, columns 1 and 1",
    ),
    "POOL-02": (
        _net(lambda net: net.pool(2, kind=graph.AveragePool)),
        _net(lambda net: net.pool(3, stride=2, kind=graph.AveragePool, padding="same")),
        "rows 0 and 1, columns 0 and 1",
    ),
    "POOL-03": (
        _net(lambda net: net.mean(), (16, 16, 4)),
        _net(lambda net: net.mean(), (200, 200, 1)),
        "200x200 in 16 bits: 0.610",
    ),
    "L1-01": (
        _net(lambda net: net.dense(2), (8, 8, 127)),
        _net(lambda net: net.dense(2), (8, 8, 129)),
        "49,544 bytes",
    ),
    "TYPE-01": (_typed("int8"), _typed("uint8"), "uint8"),
    "TYPE-02": (
        _typed("int8"),
        _typed("int8", scale=0.3, zero=3),
        "2 tensors with other scales",
    ),
    "CAT-01": (_concat(of_input=False), _rows_concat(), "axis 1"),
    "CAT-02": (
        _concat(of_input=False),
        _concat(of_input=True),
        "512 bytes of 'input'",
    ),
    "L2-01": (
        _net(lambda net: net.conv(8, 1), (128, 128, 4)),
        _net(lambda net: net.conv(16, 1), (128, 128, 4)),
        "655,360 bytes of 524,288",
    ),
    "L2-02": (
        _net(lambda net: net.conv(64), (8, 8, 256)),
        _net(lambda net: net.conv(128), (8, 8, 256)),
        "590,080 bytes, read in 3 tiles of 48 output channels, 442,560 bytes of L2 at "
        "a time",
    ),
    "L3-01": (
        _net(lambda net: net.conv(1024, 3), (4, 4, 256)),
        _net(lambda net: net.conv(2048, 3), (4, 4, 256)),
        "9,441,280 bytes",
    ),
}


def _found(g, name):
    return [each for each in _check(g) if each.id == f"GAP8-{name}"]


@pytest.mark.parametrize("name", CASES)
def test_kept_and_broken(name):
    keeping, breaking, found = CASES[name]
    assert _found(keeping, name) == []
    first, *_ = _found(breaking, name)
    assert first.found == found
    assert str(first).count("\n") == 0
    assert f"[GAP8-{name}]" in str(first)


def test_every_constraint_has_a_case():
    ids = [each.id for each in constraints.CONSTRAINTS]
    assert ids == list(CASES)
    assert {each.level for each in constraints.CONSTRAINTS} == set(violation.LEVELS)


def test_all_breaches_at_once():
    def add(net):
        net.depthwise(7, multiplier=2, padding=((1, 1), (3, 3)))
        net.activation("tanh")
        net.transposed(3)

    assert [each.id for each in _check(_net(add))] == [
        f"GAP8-{name}"
        for name in ("KIND-01", "ACT-01", "CONV-01", "DW-01", "DW-02", "PAD-01")
    ]


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


def test_page_lists_the_table_as_it_is():
    text = PAGE.read_text(encoding="utf-8")
    assert page.replace_table(text) == text, "make it anew as page.py says"


def test_page_without_markers_is_refused():
    for text in ("", page.BEGIN, page.END + page.BEGIN, (page.BEGIN + page.END) * 2):
        with pytest.raises(errors.UsageError, match="the page must hold the lines"):
            page.replace_table(text)
