"""Buffers of a graph: sizes by type, live ranges by use, scratch by layer."""

import pathlib

from tests import graph_builder
from tests.cost import mlperf_tiny
from tfpipeline.cost import activations, liveness, memory_map
from tfpipeline.ir import from_tflite, graph

GOLDEN = pathlib.Path(__file__).parents[1] / "golden" / "tflite_int8"


def _sizes(buffers):
    return {b.name: (b.bytes, b.first_use, b.last_use) for b in buffers}


def test_sizes_and_live_ranges():
    builder = graph_builder.Builder((4, 4, 3))
    first = builder.conv(8)
    builder.conv(8)
    builder.join(graph.Add, first)
    g = builder.build()
    assert _sizes(activations.find_buffers(g)) == {
        "input": (48, 0, 1),
        "layer0/output": (128, 1, 3),
        "layer1/output": (128, 2, 3),
        "layer2/output": (128, 3, 3),
    }
    wide = activations.find_buffers(g, bits=16)
    assert [b.bytes for b in wide] == [96, 256, 256, 256]


def test_a_float_network_counts_as_the_int8_network_that_it_becomes():
    g = from_tflite.read_file(GOLDEN / "residual_qat.tflite")
    found = activations.find_buffers(g, bits=16)
    elements = [t.num_elements for n, t in g.tensors.items() if n not in g.constants]
    assert [b.bytes for b in found] == elements


def test_scratch_lives_during_its_layer():
    builder = graph_builder.Builder((4, 4, 3))
    builder.conv(8)
    builder.mean()
    g = builder.build()

    def scratch(g, layer):
        return (32, 16) if isinstance(layer, graph.Mean) else ()

    found = _sizes(activations.find_buffers(g, scratch=scratch))
    assert found["layer1/scratch0"] == (32, 2, 2)
    assert found["layer1/scratch1"] == (16, 2, 2)


def _visual_wake_words():
    """MobileNetV1 of width 0.25 on 96x96x3."""
    builder = graph_builder.Builder((96, 96, 3))
    builder.conv(8, stride=2)
    plan = [(16, 1), (32, 2), (32, 1), (64, 2), (64, 1), (128, 2)]
    plan += [(128, 1)] * 5 + [(256, 2), (256, 1)]
    for channels, stride in plan:
        builder.depthwise(stride=stride)
        builder.conv(channels, 1)
    builder.pool(3, kind=graph.AveragePool)
    builder.flatten()
    builder.dense(2)
    builder.softmax()
    return builder.build()


def test_visual_wake_words_from_its_layers():
    buffers = activations.find_buffers(_visual_wake_words())
    network = mlperf_tiny.VISUAL_WAKE_WORDS
    assert liveness.lower_bound_bytes(buffers) == network.bound_bytes
    plans = memory_map.compare(buffers)
    assert plans.ours.peak_bytes == network.bound_bytes
    assert plans.greedy.peak_bytes == network.greedy_bytes
