"""Large kernels become 3x3 in a row, on request only."""

import pathlib

import pytest

from tests import graph_builder
from tfpipeline import errors
from tfpipeline.cost import macs
from tfpipeline.ir import from_tflite, graph
from tfpipeline.networks import catalog
from tfpipeline.targets.max78000 import lowering, splitting

GOLDEN = pathlib.Path(__file__).resolve().parents[2] / "golden" / "tflite_int8"


def _kernels(g):
    return [g.tensors[x.weights].shape for x in g.layers if isinstance(x, graph.Conv2D)]


def test_a_five_by_five_is_two_and_a_seven_by_seven_three():
    builder = graph_builder.Builder((16, 16, 3))
    builder.conv(8, 5)
    builder.conv(4, 7, relu=False)
    builder.conv(4, 3)
    found = splitting.split(builder.build())
    assert _kernels(found) == [
        *((8, 3, 3, 3), (8, 3, 3, 8)),
        *((4, 3, 3, 8), (4, 3, 3, 4), (4, 3, 3, 4)),
        (4, 3, 3, 4),
    ]
    assert [layer.name for layer in found.layers] == [
        *("layer0/split1", "layer0"),
        *("layer1/split1", "layer1/split2", "layer1", "layer2"),
    ]
    clamps = [layer.clamp for layer in found.layers]
    assert clamps == [graph.RELU] * 4 + [graph.NO_CLAMP, graph.RELU]
    assert all(layer.bias for layer in found.layers)
    assert not lowering.lower(found).violations


def test_the_study_s_network_is_the_reference_split():
    """cmsisnet has these kernels; its last pool is between two of them."""
    found = splitting.split(catalog.load("cmsis_cifar10"))
    expected = catalog.load("cmsisnet")
    assert _kernels(found) == _kernels(expected)
    counts = [macs.graph_count(g) for g in (found, expected)]
    assert counts[0].parameters == counts[1].parameters == 94_314


@pytest.mark.parametrize(
    "options", [{"stride": 2}, {"dilation": 2}, {"padding": "valid"}, {"size": 4}]
)
def test_other_kernels_stay(options):
    builder = graph_builder.Builder((16, 16, 4))
    builder.conv(8, **({"size": 5} | options))
    g = builder.build()
    assert graph.equal(splitting.split(g), g)


def test_integers_are_refused():
    g = from_tflite.read_file(sorted(GOLDEN.glob("*.tflite"))[0])
    with pytest.raises(errors.GraphError, match="is quantized; split the kernels of"):
        splitting.split(g)
