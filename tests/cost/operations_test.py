"""Kinds of operations of every layer kind, counted by hand."""

import pytest

from tests import graph_builder, recurrent
from tfpipeline.cost import activations, operations, weights
from tfpipeline.ir import from_tflite, graph


def _last(build):
    builder = graph_builder.Builder((8, 6, 4))
    build(builder)
    g = builder.build()
    return operations.count(g, g.layers[-1])


def _added(kind):
    def build(b):
        first = b.conv(4)
        b.conv(4, 1)
        b.join(kind, first)

    return build


def _concatenated(b):
    first = b.conv(4)
    b.conv(4, 1)
    b.concat(first)


OUTPUTS = 8 * 6 * 4
# Kind -> layers of which the last is of it, and its counts.
CASES = {
    graph.Conv2D: (lambda b: b.conv(5), {"macc": 8 * 6 * 5 * 36, "comp": 240}),
    graph.DepthwiseConv2D: (
        lambda b: b.depthwise(relu=False),
        {"macc": OUTPUTS * 9},
    ),
    graph.TransposeConv2D: (
        lambda b: b.transposed(5, relu=False),
        {"macc": OUTPUTS * 9 * 5},
    ),
    graph.Dense: (lambda b: b.dense(7), {"macc": OUTPUTS * 7}),
    graph.MaxPool: (lambda b: b.pool(2), {"comp": OUTPUTS}),
    graph.AveragePool: (
        lambda b: b.pool(3, stride=1, kind=graph.AveragePool),
        {"add": 6 * 4 * 4 * 9},
    ),
    graph.Mean: (lambda b: b.mean(), {"add": OUTPUTS}),
    graph.Add: (_added(graph.Add), {"add": OUTPUTS}),
    graph.Sub: (_added(graph.Sub), {"add": OUTPUTS}),
    graph.Mul: (_added(graph.Mul), {"mul": OUTPUTS}),
    graph.Minimum: (_added(graph.Minimum), {"comp": OUTPUTS}),
    graph.Maximum: (_added(graph.Maximum), {"comp": OUTPUTS}),
    graph.ReduceMax: (lambda b: b.reduce(), {"comp": OUTPUTS}),
    graph.ReduceMin: (lambda b: b.reduce(graph.ReduceMin), {"comp": OUTPUTS}),
    graph.ArgMax: (lambda b: b.position(3), {"comp": OUTPUTS}),
    graph.ArgMin: (lambda b: b.position(1, graph.ArgMin), {"comp": OUTPUTS}),
    graph.LeakyRelu: (
        lambda b: b.like(graph.LeakyRelu, alpha=0.1),
        {"comp": OUTPUTS, "mul": OUTPUTS},
    ),
    graph.PRelu: (lambda b: b.prelu(), {"comp": OUTPUTS, "mul": OUTPUTS}),
    graph.ResizeBilinear: (
        lambda b: b.resize(16, 12, graph.ResizeBilinear),
        {"add": 12 * OUTPUTS, "mul": 16 * OUTPUTS},
    ),
    graph.ResizeNearestNeighbor: (lambda b: b.resize(16, 12), {}),
    graph.PadV2: (lambda b: b.pad_value(((0, 0), (1, 1), (0, 0), (0, 0))), {}),
    graph.MirrorPad: (lambda b: b.mirror(((0, 0), (1, 1), (0, 0), (0, 0))), {}),
    graph.Transpose: (lambda b: b.transpose(0, 2, 1, 3), {}),
    graph.Slice: (lambda b: b.slice((0, 1, 0, 0), (1, 2, 6, 4)), {}),
    graph.StridedSlice: (
        lambda b: b.slice((0, 1, 0, 0), (1, 2, 6, 4), (1, 3, 1, 1)),
        {},
    ),
    graph.Concat: (_concatenated, {}),
    graph.Split: (lambda b: b.split((2, 1, 1)), {}),
    graph.Pack: (lambda b: b.pack(b.conv(4), axis=1), {}),
    graph.Unpack: (lambda b: b.unpack(axis=2), {}),
    graph.Pad: (lambda b: b.pad(((0, 0), (1, 1), (0, 0), (0, 0))), {}),
    graph.Reshape: (lambda b: b.flatten(), {}),
    graph.SpaceToDepth: (lambda b: b.space_to_depth(2), {}),
    graph.Softmax: (lambda b: b.softmax(), {"add": OUTPUTS, "mul": OUTPUTS}),
    graph.Activation: (lambda b: b.activation("relu"), {"comp": OUTPUTS}),
}


@pytest.mark.parametrize("kind", CASES, ids=lambda kind: kind.__name__)
def test_counts_of_a_kind(kind):
    build, expected = CASES[kind]
    assert _last(build) == operations.Operations(**expected)


def test_counts_of_kinds_that_the_builder_has_no_image_for():
    builder = graph_builder.Builder((10, 4))
    builder.conv(6)
    g = builder.build()
    found = operations.count(g, g.layers[0])
    assert found == operations.Operations(macc=10 * 6 * 12, comp=60)
    quant = graph.QuantParams((0.5,), (0,), 8)
    tensors = {n: graph.Tensor(n, (1, 4), "int8", quant) for n in "ab"}
    layer = graph.Requantize(name="r", inputs=("a",), output="b")
    g = graph.Graph("g", tensors, {}, (layer,), ("a",), ("b",))
    assert operations.count(g, layer) == operations.Operations(mul=4)


def test_every_kind_has_a_case():
    others = {graph.Conv1D, graph.Requantize, graph.Lstm, graph.Svdf}
    assert set(CASES) | others == set(graph.LAYER_KINDS)


def test_counts_of_layers_that_keep_a_state():
    g = from_tflite.read(recurrent.lstm(rows=5, channels=4, units=6))
    values = 5 * 6
    assert operations.count(g, g.layers[0]) == operations.Operations(
        macc=5 * 4 * (6 * 4 + 6 * 6), comp=5 * values, add=5 * values, mul=3 * values
    )
    g = from_tflite.read(recurrent.svdf(moments=4, channels=5, units=3, rank=2))
    found = operations.count(g, g.layers[0])
    assert found == operations.Operations(macc=6 * 5 + 6 * 4)
    assert activations.state_bytes(g) == 48
    assert weights.graph_bytes(g) == (6 * 5 + 6 * 4 * 2, 12)


def test_names_are_the_fields():
    assert list(operations.NAMES) == list(operations.Operations.__slots__)
