"""Graphs as CMSIS-NN's calls: MACs survive, shapes are the kernels'."""

import dataclasses

import pytest

from tests import graph_builder
from tfpipeline.cost import macs
from tfpipeline.ir import graph
from tfpipeline.targets.stm32 import cost, lowering


def _one(shape, build):
    builder = graph_builder.Builder(shape)
    build(builder)
    g = builder.build()
    return g, g.layers[-1], lowering.lower(g)[-1]


def _sum(kind):
    return lambda b: b.join(kind, "input")


CASES = {
    graph.Conv1D: (
        (9, 4),
        lambda b: b.conv(6),
        cost.Layer("layer0", cost.CONV, (1, 9, 6), 4, (1, 3)),
    ),
    graph.Conv2D: (
        (8, 8, 4),
        lambda b: b.conv(6, 5, stride=2),
        cost.Layer("layer0", cost.CONV, (4, 4, 6), 4, (5, 5)),
    ),
    graph.DepthwiseConv2D: (
        (8, 8, 4),
        lambda b: b.depthwise(),
        cost.Layer("layer0", cost.DEPTHWISE, (8, 8, 4), 4, (3, 3)),
    ),
    graph.TransposeConv2D: (
        (8, 8, 4),
        lambda b: b.transposed(6),
        cost.Layer("layer0", cost.CONV, (8, 8, 6), 4, (3, 3)),
    ),
    graph.Dense: (
        (8, 8, 4),
        lambda b: b.dense(6),
        cost.Layer("layer0", cost.DENSE, (1, 1, 6), 256),
    ),
    graph.MaxPool: (
        (8, 8, 4),
        lambda b: b.pool(3, stride=2, padding="same"),
        cost.Layer("layer0", cost.POOL, (4, 4, 4), 4, (3, 3)),
    ),
    graph.AveragePool: (
        (8, 4),
        lambda b: b.pool(2, kind=graph.AveragePool),
        cost.Layer("layer0", cost.POOL, (1, 4, 4), 4, (1, 2)),
    ),
    graph.Mean: (
        (8, 8, 4),
        lambda b: b.mean(),
        cost.Layer("layer0", cost.POOL, (1, 1, 4), 4, (1, 64)),
    ),
    graph.Add: ((8, 8, 4), _sum(graph.Add), cost.Layer("layer0", cost.ADD, (8, 8, 4))),
    graph.Sub: ((8, 8, 4), _sum(graph.Sub), cost.Layer("layer0", cost.ADD, (8, 8, 4))),
    graph.Mul: ((8, 8, 4), _sum(graph.Mul), cost.Layer("layer0", cost.ADD, (8, 8, 4))),
    **{
        kind: ((8, 8, 4), _sum(kind), cost.Layer("layer0", cost.ADD, (8, 8, 4)))
        for kind in (graph.Minimum, graph.Maximum)
    },
    graph.LeakyRelu: (
        (8, 8, 4),
        lambda b: b.like(graph.LeakyRelu, alpha=0.1),
        cost.Layer("layer0", cost.ADD, (8, 8, 4)),
    ),
    graph.PRelu: (
        (8, 8, 4),
        lambda b: b.prelu(),
        cost.Layer("layer0", cost.ADD, (8, 8, 4)),
    ),
    graph.ResizeBilinear: (
        (8, 8, 4),
        lambda b: b.resize(16, 8, graph.ResizeBilinear),
        cost.Layer("layer0", cost.ADD, (16, 8, 4)),
    ),
    **{
        kind: (
            (8, 8, 4),
            lambda b, kind=kind: b.reduce(kind),
            cost.Layer("layer0", cost.POOL, (1, 1, 4), 4, (1, 64)),
        )
        for kind in (graph.ReduceMax, graph.ReduceMin)
    },
    **{
        kind: (
            (8, 8, 4),
            lambda b, kind=kind: b.position(3, kind),
            cost.Layer("layer0", cost.POOL, (1, 1, 64), 4, (1, 4)),
        )
        for kind in (graph.ArgMax, graph.ArgMin)
    },
    graph.Reshape: (
        (8, 8, 4),
        lambda b: b.flatten(),
        cost.Layer("layer0", cost.FREE, (1, 1, 256)),
    ),
}


@pytest.mark.parametrize("kind", CASES, ids=lambda kind: kind.__name__)
def test_a_kind_and_its_macs(kind):
    shape, build, expected = CASES[kind]
    g, layer, found = _one(shape, build)
    assert found == expected
    assert found.macs == macs.layer_count(g, layer).macs


def test_groups_multiply_their_own_channels_only():
    g, layer, found = _one((8, 8, 4), lambda b: b.conv(6, groups=2))
    assert found.macs == macs.layer_count(g, layer).macs == 64 * 6 * 18


def test_every_other_kind_is_free():
    counted = {*CASES, graph.Lstm, graph.Svdf}
    free = set(graph.LAYER_KINDS) - counted | {graph.Reshape}
    names = {kind.__name__ for kind in free}
    assert names == {
        *("Concat", "Split", "Pack", "Unpack", "Pad", "PadV2", "MirrorPad", "Reshape"),
        *("SpaceToDepth", "Transpose", "Slice", "StridedSlice"),
        "ResizeNearestNeighbor",
        *("Requantize", "Softmax", "Activation"),
    }
    _, _, found = _one((8, 8, 4), lambda b: b.activation("tanh"))
    assert found.kind == cost.FREE


def test_what_two_layers_share_is_stored_once():
    b = graph_builder.Builder((8, 8, 4))
    b.conv(4)
    b.conv(4)
    g = b.build()
    first, second = g.layers
    both = {"weights": first.weights, "bias": first.bias}
    for shared in ({}, {"weights": first.weights}, both):
        layers = (first, dataclasses.replace(second, **shared))
        found = lowering.lower(dataclasses.replace(g, layers=layers))
        memory = cost.footprint_q7(found)
        assert memory.weight_bytes == 144 * (1 if "weights" in shared else 2)
        assert memory.bias_bytes == 4 * (1 if "bias" in shared else 2)
        assert [each.macs for each in found] == [9216, 9216]


def test_stand_ins_are_named():
    g, _, _ = _one((8, 8, 4), lambda b: b.transposed(6))
    assert lowering.stand_ins(g) == (
        "TransposeConv2D 'layer0' is counted as a convolution of as many MACs: its "
        "kernel was not measured",
    )
    g, _, _ = _one((8, 8, 4), lambda b: b.conv(6))
    assert lowering.stand_ins(g) == ()
