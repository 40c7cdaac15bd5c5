"""MACs and parameters: every kind by hand, and published totals of whole networks."""

import pathlib

import pytest

from tfpipeline.cost import macs
from tfpipeline.ir import from_tflite, graph

ROOT = pathlib.Path(__file__).parents[2]
GOLDEN = ROOT / "tests/golden/tflite_int8"


def one_layer(kind, source, kernel, result, bias=True, **fields):
    """A graph around one layer with a kernel; the rule reads shapes alone."""
    shapes = {"x": source, "w": kernel, "y": result}
    if bias:
        shapes["b"] = (result[-1],)
    return graph.Graph(
        "g",
        {name: graph.Tensor(name, shape, "float32") for name, shape in shapes.items()},
        {},
        (
            kind(
                name="layer",
                inputs=("x",),
                output="y",
                weights="w",
                bias="b" if bias else None,
                **fields,
            ),
        ),
        ("x",),
        ("y",),
    )


PLANE = {"strides": (1, 1), "padding": ((1, 1), (1, 1))}
LINE = {"strides": (1,), "padding": ((1, 1),)}
CASES = [
    (graph.Conv1D, (1, 9, 4), (6, 3, 4), (1, 9, 6), LINE, 9 * 6 * 3 * 4),
    (graph.Conv2D, (1, 8, 8, 4), (6, 3, 3, 4), (1, 8, 8, 6), PLANE, 64 * 6 * 9 * 4),
    # Two groups of two channels each.
    (graph.Conv2D, (1, 8, 8, 4), (6, 3, 3, 2), (1, 8, 8, 6), PLANE, 64 * 6 * 9 * 2),
    (
        graph.DepthwiseConv2D,
        (1, 8, 8, 4),
        (1, 3, 3, 8),
        (1, 8, 8, 8),
        PLANE,
        64 * 8 * 9,
    ),
    (
        graph.TransposeConv2D,
        (1, 8, 8, 4),
        (6, 3, 3, 4),
        (1, 16, 16, 6),
        {"strides": (2, 2), "padding": ((0, 1), (0, 1))},
        64 * 4 * 9 * 6,
    ),
    (graph.Dense, (1, 8, 8, 4), (10, 256), (1, 10), {}, 2560),
    (graph.Dense, (1, 5, 16), (10, 16), (1, 5, 10), {}, 5 * 160),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0].__name__)
def test_macs_of_a_kind(case):
    kind, source, kernel, result, fields, expected = case
    g = one_layer(kind, source, kernel, result, **fields)

    count = macs.layer_count(g, g.layers[0])
    size = g.tensors["w"].num_elements
    assert count == macs.Count(expected, size, result[-1])
    assert macs.graph_count(g) == count
    assert count.parameters == size + result[-1]

    bare = one_layer(kind, source, kernel, result, bias=False, **fields)
    assert macs.graph_count(bare) == macs.Count(expected, size, 0)


def test_every_kind_has_a_rule():
    assert set(macs.MACS) == {*graph.LAYER_KINDS, graph.Unknown}
    counted = {case[0] for case in CASES}
    # Those that keep a state are counted in operations_test.
    assert counted == {k for k in graph.LAYER_KINDS if issubclass(k, graph.Weighted)}


def test_cmsisnet():
    """16,820,224 MACs and 94,314 parameters: the table in models/cmsisnet.py."""
    g = from_tflite.read_file(ROOT / "experiments/cifar10/cmsisnet/model.tflite")
    count = macs.graph_count(g)
    assert (count.macs, count.parameters) == (16_820_224, 94_314)
    assert sum(macs.layer_count(g, layer).macs for layer in g.layers) == count.macs


def test_layers_without_a_kernel_have_none():
    g = from_tflite.read_file(GOLDEN / "residual_qat.tflite")
    free = [layer for layer in g.layers if not isinstance(layer, graph.Weighted)]
    assert {layer.kind for layer in free} == {"Add", "Mean", "Softmax"}
    assert {macs.layer_count(g, layer) for layer in free} == {macs.Count()}
