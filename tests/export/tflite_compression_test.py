"""Compressed tensors: sizes as promised, results as before."""

import pathlib

import numpy as np
import pytest

from export.tflite import compression, from_graph, offline_plan, weight_widths
from tests import float_graphs, graph_builder
from tests.export import tflite_graphs
from tests.export import tflite_weight_widths_test as widths
from tests.simulate import micro
from tfpipeline import errors
from tfpipeline.ir import graph, tflite_file
from tfpipeline.simulate import execution
from tfpipeline.targets.max78000 import policy, quantize

ROOT = pathlib.Path(__file__).parents[2]
CMSISNET = ROOT / "experiments/cifar10/cmsisnet/model.tflite"


def with_few_values(g, count, seed=0):
    """The graph with kernels of `count` values each, about as many negative."""
    random = np.random.default_rng(seed)
    constants = dict(g.constants)
    for layer in g.layers:
        if isinstance(layer, graph.Weighted):
            half = random.choice(np.arange(1, 128), (count + 1) // 2, replace=False)
            table = np.append(half, -half)[:count]
            shape = g.tensors[layer.weights].shape
            constants[layer.weights] = random.choice(table, shape).astype(np.int8)
    return graph.Graph(g.name, g.tensors, constants, g.layers, g.inputs, g.outputs)


def wide_graph():
    builder = tflite_graphs.graph_builder.Builder((6, 6, 16))
    builder.conv(48)
    builder.depthwise(11)
    builder.transposed(24)
    builder.conv(16, groups=2)
    builder.pool(6, kind=graph.AveragePool)
    builder.flatten()
    builder.dense(20)
    return tflite_graphs.quantized(builder.build())


@pytest.mark.parametrize("bits", [1, 4, 7])
def test_one_table_a_tensor(bits):
    g = with_few_values(wide_graph(), 2**bits, seed=bits)
    model = from_graph.to_bytes(g)
    found = compression.compress(model)
    assert len(found.model) < len(model)
    assert {table.axis for table in found.tables} == {None}
    assert {table.index_bits for table in found.tables} == {bits}
    images = micro.random_images(g, 3)
    expected = micro.predict(model, images)
    assert len(np.unique(expected, axis=0)) > 1
    np.testing.assert_array_equal(micro.predict(found.model, images), expected)


@pytest.mark.parametrize("bits", [4])
def test_a_table_a_channel(bits):
    g = wide_graph()
    model = from_graph.to_bytes(weight_widths.narrow(g, bits, packed=False).graph)
    found = compression.compress(model)
    # The depthwise kernel has its channels last.
    assert {table.axis for table in found.tables} == {0, 3}
    images = micro.random_images(g, 3)
    expected = micro.predict(model, images)
    assert len(np.unique(expected, axis=0)) > 1
    np.testing.assert_array_equal(micro.predict(found.model, images), expected)


@pytest.mark.parametrize("bits", [1, 4])
def test_weights_of_the_max78000_have_one_table(bits):
    builder = graph_builder.Builder((8, 8, 4))
    builder.conv(32)
    builder.conv(32)
    builder.pool(8)
    builder.flatten()
    builder.dense(10)
    real = float_graphs.randomized(builder.build())
    weights = policy.Policy(weight_bits=bits)
    # TFLite Micro has no 32-bit outputs.
    g = quantize.quantize(real, weights, wide_output=False)
    packed = from_graph.to_bytes(g)
    found = compression.compress(from_graph.to_bytes(weight_widths.unpacked(g)))
    assert {table.axis for table in found.tables} == {None}
    # A kernel may use half of its integers or fewer.
    assert max(table.index_bits for table in found.tables) == bits
    if bits < 4:
        assert len(found.model) < len(packed)
    images = micro.random_images(g, 3)
    expected = micro.predict(packed, images)
    np.testing.assert_array_equal(micro.predict(found.model, images), expected)
    np.testing.assert_array_equal(execution.predict(g, images), expected)


def test_tables_hold_what_they_promise():
    g = with_few_values(wide_graph(), 5)
    found = compression.compress(from_graph.to_bytes(g))
    program = tflite_file.parse(found.model)
    decoders = [o for o in program.operators if compression.DECODE in o.name]
    assert len(decoders) == len(found.tables)
    stored = {
        tuple(operator.inputs): sum(
            program.tensors[index].data.size for index in operator.inputs
        )
        for operator in decoders
    }
    assert sorted(stored.values()) == sorted(t.stored_bytes for t in found.tables)
    first = found.tables[0]
    # 3 bits for 5 values, 16 bytes of header, one table.
    assert first.stored_bytes == -(-first.original_bytes * 3 // 8) + 16 + 5


@pytest.mark.parametrize(
    ("values", "axis", "wanted"),
    [
        (np.arange(128, dtype=np.int8), None, (7, 112 + 16 + 128)),
        (np.zeros((4, 8), np.int8), None, (1, 4 + 16 + 1)),
        (np.tile(np.arange(4, dtype=np.int8), (2, 4)), 0, (2, 8 + 16 + 8)),
        (np.arange(12, dtype=np.int32).reshape(2, 6), 1, (1, 2 + 16 + 48)),
    ],
)
def test_size_of_a_table(values, axis, wanted):
    found = compression.table(0, "t", values, axis)
    assert (found.index_bits, found.stored_bytes) == wanted


def test_too_many_values_have_no_table():
    values = np.arange(129).astype(np.uint8).view(np.int8)
    assert compression.table(0, "t", values, None) is None


def test_a_file_that_gains_nothing_stays_as_it_is():
    model = CMSISNET.read_bytes()
    found = compression.compress(model)
    assert (found.model, found.tables) == (model, ())


def test_what_cannot_be_compressed_is_refused():
    model = from_graph.to_bytes(with_few_values(wide_graph(), 4))
    compressed = compression.compress(model).model
    with pytest.raises(errors.ExportError, match="compressed already"):
        compression.compress(compressed)
    visual = from_graph.to_bytes(tflite_graphs.visual_wake_words())
    planned = offline_plan.with_plan(visual)
    assert planned != visual
    with pytest.raises(errors.ExportError, match="plan of its arena"):
        compression.compress(planned)


def test_narrow_graphs_of_the_other_tests_are_smaller_compressed():
    g = widths.small_graph()
    narrowed = weight_widths.narrow(g, 2, packed=False).graph
    model = from_graph.to_bytes(narrowed)
    # Kernels of 15 to 180 bytes: less than what a table costs in the file.
    assert compression.compress(model).model == model
