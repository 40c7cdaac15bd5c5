"""Narrow weights: the rule, what the runtime makes of them, and what is refused."""

import dataclasses
import pathlib

import numpy as np
import pytest

from export.tflite import from_graph, weight_widths
from tests import graph_builder
from tests.export import tflite_graphs
from tests.simulate import micro
from tfpipeline import errors
from tfpipeline.ir import from_tflite, graph
from tfpipeline.numerics import affine
from tfpipeline.simulate import execution

ROOT = pathlib.Path(__file__).parents[2]
GOLDENS = sorted((ROOT / "tests/golden").glob("*_int8/*.tflite"))
CMSISNET = ROOT / "experiments/cifar10/cmsisnet/model.tflite"


def weighted(g):
    return [layer for layer in g.layers if isinstance(layer, graph.Weighted)]


def small_graph(dtype="int8"):
    builder = graph_builder.Builder((6, 6, 3))
    builder.conv(5)
    builder.depthwise()
    builder.transposed(4)
    builder.pool(4)
    builder.flatten()
    builder.dense(3)
    return tflite_graphs.quantized(builder.build(), dtype)


def float_twin(g, offset=0.4):
    """The float network whose weights round to those of `g`."""
    random = np.random.default_rng(7)
    tensors, constants = dict(g.tensors), dict(g.constants)
    for layer in weighted(g):
        name, kernel = layer.weights, g.tensors[layer.weights]
        step = affine.along(kernel.quant.scale, kernel.quant.axis, len(kernel.shape))
        values = g.constants[name] + random.uniform(-offset, offset, kernel.shape)
        constants[name] = (values * step).astype(np.float32)
    for name in tensors:
        tensors[name] = dataclasses.replace(tensors[name], dtype="float32", quant=None)
    return dataclasses.replace(g, tensors=tensors, constants=constants, name="float")


@pytest.mark.parametrize("path", GOLDENS, ids=lambda p: f"{p.parent.name}/{p.stem}")
def test_int4_files_run_as_simulated(path):
    g = from_tflite.read(path.read_bytes())
    narrowed = weight_widths.narrow(g, 4)
    model = from_graph.to_bytes(narrowed.graph)
    read = from_tflite.read(model)
    for layer in weighted(read):
        wide = isinstance(layer, graph.TransposeConv2D)
        assert read.tensors[layer.weights].num_bits == (8 if wide else 4)
    images = micro.random_images(g, 4)
    expected = micro.predict(model, images)
    assert len(np.unique(expected, axis=0)) > 1
    np.testing.assert_array_equal(execution.predict(narrowed.graph, images), expected)
    np.testing.assert_array_equal(execution.predict(read, images), expected)
    for layer, other in zip(weighted(g), weighted(read), strict=True):
        same = (layer.inputs[0], layer.output), (other.inputs[0], other.output)
        for before, after in zip(*same, strict=True):
            assert g.tensors[before].quant == read.tensors[after].quant


def test_what_the_runtime_cannot_read_keeps_its_bits_and_is_named():
    g = small_graph()
    narrowed = weight_widths.narrow(g, 4)
    [(name, reason)] = narrowed.kept
    (kept,) = (each for each in weighted(narrowed.graph) if each.name == name)
    assert narrowed.graph.tensors[kept.weights].num_bits == 8
    assert reason == "TransposeConv2D is not read in 4 bits"
    assert len(narrowed.narrowed) == 3
    dense = weighted(narrowed.graph)[-1]
    assert narrowed.graph.tensors[dense.weights].quant.axis is None
    model = from_graph.to_bytes(narrowed.graph)
    images = micro.random_images(g, 4)
    np.testing.assert_array_equal(
        execution.predict(narrowed.graph, images), micro.predict(model, images)
    )


def test_unpacked_weights_have_few_values_in_every_kind():
    narrowed = weight_widths.narrow(small_graph(), 3, packed=False)
    assert not narrowed.kept
    for layer in weighted(narrowed.graph):
        assert narrowed.graph.tensors[layer.weights].num_bits == 8
        assert np.abs(narrowed.graph.constants[layer.weights]).max() == 3


def test_float_weights_are_rounded_once():
    g = from_tflite.read(CMSISNET.read_bytes())
    real = float_twin(g)
    once = weight_widths.narrow(g, 4, float_graph=real).graph
    twice = weight_widths.narrow(g, 4).graph

    def error(narrow):
        found = 0.0
        for layer in weighted(narrow):
            values = weight_widths._dequantized(narrow, layer.weights)
            found += float(((values - real.constants[layer.weights]) ** 2).sum())
        return found

    assert error(once) < error(twice)


def test_biases_keep_their_real_values():
    g = from_tflite.read(CMSISNET.read_bytes())
    narrowed = weight_widths.narrow(g, 4).graph
    for layer, other in zip(weighted(g), weighted(narrowed), strict=True):
        step = np.array(narrowed.tensors[other.bias].quant.scale)
        found = weight_widths._dequantized(narrowed, other.bias)
        wanted = weight_widths._dequantized(g, layer.bias)
        # Half a step, and the rounding of the scales to float32.
        assert (np.abs(found - wanted) <= 0.5001 * step).all()


@pytest.mark.parametrize(
    ("num_bits", "packed", "message"),
    [
        (3, True, "reads weights of 4 or 8 bits; found 3"),
        (8, True, "found 8"),
        (1, False, "must have 2 to 7 bits; found 1"),
        (8, False, "must have 2 to 7 bits; found 8"),
    ],
)
def test_impossible_widths_are_refused(num_bits, packed, message):
    with pytest.raises(errors.ExportError, match=message):
        weight_widths.narrow(small_graph(), num_bits, packed=packed)


def test_other_graphs_are_refused_with_all_their_layers():
    with pytest.raises(errors.ExportError, match="int16 activations") as caught:
        weight_widths.narrow(small_graph("int16"), 4)
    assert str(caught.value).count("activations and int8 weights") == 4


def test_another_float_network_is_refused():
    g = small_graph()
    with pytest.raises(errors.ExportError, match="steps of 8 bits away"):
        weight_widths.narrow(g, 4, float_graph=float_twin(g, offset=3))
    with pytest.raises(errors.ExportError, match="has no float weights"):
        weight_widths.narrow(g, 4, float_graph=g)
    golden = from_tflite.read(GOLDENS[0].read_bytes())
    with pytest.raises(errors.ExportError, match="is not the float network of"):
        weight_widths.narrow(g, 4, float_graph=float_twin(golden))


def test_a_network_of_other_kinds_alone_is_refused():
    builder = graph_builder.Builder((6, 6, 3))
    builder.transposed(4)
    g = tflite_graphs.quantized(builder.build())
    with pytest.raises(errors.ExportError, match="TransposeConv2D is not read in 4"):
        weight_widths.narrow(g, 4)
