"""Errors by layer: what is measured, against what, and that it finds the culprit."""

import dataclasses
import math

import numpy as np
import pytest

from export.tflite import from_graph
from tests import float_graphs, graph_builder
from tfpipeline import errors
from tfpipeline.ir import from_tflite
from tfpipeline.numerics import affine
from tfpipeline.precision import formats, layer_error, matching, quantize, ranges
from tfpipeline.simulate import execution, float_execution, vector_kernels

NETWORK = float_graphs.small_network()
IMAGES = float_graphs.images(NETWORK, 20)


def quantized(form="wi8_ai8", g=NETWORK, **changes):
    found = {**ranges.observe(g, IMAGES), **changes}
    return quantize.quantize(g, found, formats.named(form))


def test_sums_are_those_of_all_images():
    g = quantized()
    found = layer_error.measure(NETWORK, g, IMAGES)
    real = float_execution.activations(NETWORK, IMAGES)
    source = g.tensors["input"].quant
    integer = execution.activations(
        g, [affine.quantized(IMAGES, source, "int8")], vector_kernels.KERNELS
    )
    assert [each.name for each in found] == [layer.name for layer in NETWORK.layers]
    for each, layer in zip(found, NETWORK.layers, strict=True):
        x, quant = real[layer.output], g.tensors[layer.output].quant
        error = x - affine.dequantized(integer[layer.output], quant)
        expected = 10 * math.log10((x**2).sum() / (error**2).sum())
        # The sums are taken over batches.
        assert each.accumulated_db == pytest.approx(expected, rel=1e-9)


def test_a_layer_alone_reads_the_float_inputs():
    g = quantized()
    found = {each.name: each for each in layer_error.measure(NETWORK, g, IMAGES)}
    real = float_execution.activations(NETWORK, IMAGES)
    layer = next(each for each in g.layers if each.kind == "Add")
    operands = [
        affine.quantized(real[name], g.tensors[name].quant, "int8")
        for name in layer.inputs
    ]
    output = vector_kernels.KERNELS[type(layer)](g, layer, operands)
    quant = g.tensors[layer.output].quant
    error = real[layer.output] - affine.dequantized(output, quant)
    # The sums are taken over batches.
    assert found[layer.name].alone_noise == pytest.approx((error**2).sum(), rel=1e-9)
    # The first layer has nothing before it.
    first = found[NETWORK.layers[0].name]
    assert first.alone_noise == first.accumulated_noise


def test_the_layer_that_loses_is_found():
    """A range far too wide in one layer: only there the layer alone is bad."""
    name = NETWORK.layers[2].output
    before = layer_error.measure(NETWORK, quantized(), IMAGES)
    after = layer_error.measure(NETWORK, quantized(**{name: (-90.0, 90.0)}), IMAGES)
    lost = [a.alone_db - b.alone_db for a, b in zip(before, after, strict=True)]
    assert np.argmax(lost) == 2
    assert lost[2] > 20
    # The Add reads the coarse integers: it and what follows lose in total.
    assert after[-1].accumulated_db < before[-1].accumulated_db
    assert all(abs(lost[i]) < 1e-9 for i in range(len(lost)) if i not in (2, 3))


def test_files_are_matched_by_order_and_through_requantize():
    g = quantized()
    read = from_tflite.read(from_graph.to_bytes(g))
    layers = tuple(
        dataclasses.replace(layer, name=f"other_{layer.name}") for layer in read.layers
    )
    read = dataclasses.replace(read, layers=layers)
    assert layer_error.measure(NETWORK, read, IMAGES) == layer_error.measure(
        NETWORK, g, IMAGES
    )
    builder = graph_builder.Builder((4, 4, 2))
    first = builder.conv(3)
    builder.activation("sigmoid")
    builder.concat(first)
    other = float_graphs.randomized(builder.build())
    images = float_graphs.images(other, 4)
    integer = quantize.quantize(
        other, ranges.observe(other, images), formats.named("wi8_ai8")
    )
    found = layer_error.measure(other, integer, images)
    assert [each.kind for each in found] == ["Conv2D", "Activation", "Concat"]
    assert all(each.alone_db > 30 for each in found)


def test_another_network_is_refused():
    builder = graph_builder.Builder((8, 8, 3))
    builder.conv(8)
    shorter = float_graphs.randomized(builder.build())
    with pytest.raises(
        errors.GraphError, match=r"'layer1' is Depthwise.* in float, no"
    ):
        matching.match(NETWORK, shorter)
    with pytest.raises(errors.GraphError, match="is no layer in float, Depthwise"):
        matching.match(shorter, NETWORK)
    builder.depthwise(relu=False)
    builder.conv(9, 1)
    wider = dataclasses.replace(float_graphs.randomized(builder.build()), name="wide")
    with pytest.raises(errors.GraphError, match=r"of 'wide': layer 2 'layer2' is Conv"):
        matching.match(NETWORK, wider)


@pytest.mark.parametrize(
    ("signal", "noise", "expected"),
    [(100.0, 1.0, 20.0), (1.0, 0.0, math.inf), (0.0, 0.0, math.nan)],
)
def test_decibels(signal, noise, expected):
    np.testing.assert_equal(layer_error.decibels(signal, noise), expected)
