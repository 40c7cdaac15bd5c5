"""Quantized graphs: what runs them computes the same, and wider formats lose less."""

import dataclasses

import numpy as np
import pytest

from export.c import limits as c_limits
from export.tflite import from_graph
from tests import float_graphs, graph_builder
from tests.simulate import micro
from tfpipeline import errors
from tfpipeline.ir import graph, serialize
from tfpipeline.numerics import affine
from tfpipeline.precision import formats, quantize, ranges
from tfpipeline.simulate import (
    execution,
    float_execution,
    support,
    vector_kernels,
)

NETWORKS = {
    name: g
    for name, g in (
        ("small", float_graphs.small_network()),
        *float_graphs.every_kind().items(),
    )
    if not name.startswith("relu_")  # TFLite Micro has no operators for these two.
}
IMAGES = 24


def quantized(g, name, images):
    return quantize.quantize(g, ranges.observe(g, images), formats.named(name))


def integer_images(g, images):
    tensor = g.tensors[g.inputs[0]]
    return affine.quantized(images, tensor.quant, tensor.dtype)


def error_db(g, integer_graph, images):
    """Ratio of the output's square to that of its error, in decibels."""
    real = float_execution.predict(g, images)
    found = execution.predict(integer_graph, integer_images(integer_graph, images))
    quant = integer_graph.tensors[integer_graph.outputs[0]].quant
    error = real - affine.dequantized(found, quant)
    return 10 * np.log10((real**2).sum() / (error**2).sum())


@pytest.mark.parametrize("form", formats.FORMATS)
@pytest.mark.parametrize("name", NETWORKS)
def test_all_that_runs_a_graph_computes_the_same(name, form):
    g = NETWORKS[name]
    images = float_graphs.images(g, IMAGES)
    found = quantized(g, form, images)
    reasons = support.reasons(found)
    if reasons:
        # Of 16 bits, SpaceToDepth and some functions; never weights.
        assert "ai16" in form
        assert all("int16" in reason for reason in reasons)
        return
    inputs = integer_images(found, images[:3])
    outputs = execution.predict(found, inputs)
    assert len(np.unique(outputs)) > 2
    np.testing.assert_array_equal(
        execution.predict_readable(found, inputs[:1]), outputs[:1]
    )
    if formats.FORMATS[form].is_deployable:
        micros = micro.predict(from_graph.to_bytes(found), inputs)
        np.testing.assert_array_equal(micros, outputs)


@pytest.mark.parametrize("name", ["small", "plane", "row"])
def test_wider_formats_lose_less(name):
    g = NETWORKS[name]
    images = float_graphs.images(g, IMAGES)
    names = ["wi4_ai8", "wi8_ai8", "wi8_ai16", "wi16_ai16"]
    found = [error_db(g, quantized(g, form, images), images) for form in names]
    assert [*names, "wi16_ai16_fixed"] == list(formats.FORMATS)
    assert found == sorted(found)
    # Activations and the multiplier of 16 bits limit what 8 more bits of weights give.
    assert found[-1] > found[-2] + 8


def test_fixed_point_has_powers_of_two_and_one_scale_a_kernel():
    g = NETWORKS["small"]
    images = float_graphs.images(g, IMAGES)
    found = quantized(g, "wi16_ai16_fixed", images)
    plain = quantized(g, "wi16_ai16", images)
    for name, tensor in found.tensors.items():
        scales = np.array(tensor.quant.scale)
        biases = {x.bias for x in found.layers if isinstance(x, graph.Weighted)}
        if name not in biases:
            assert (np.log2(scales) % 1 == 0).all() and len(scales) == 1
            assert scales[0] >= max(plain.tensors[name].quant.scale)
    # Up to a bit of every activation and kernel is lost, and no more.
    lost = error_db(g, plain, images) - error_db(g, found, images)
    assert 0 < lost < 12


def test_16_bit_weights_are_exact_integers():
    """One dense layer by hand, in Python's integers."""
    builder = graph_builder.Builder((5,))
    builder.dense(3)
    g = float_graphs.randomized(builder.build(), seed=3)
    images = float_graphs.images(g, 4)
    found = quantized(g, "wi16_ai16", images)
    (layer,) = found.layers
    kernel, bias = found.constants[layer.weights], found.constants[layer.bias]
    assert (kernel.dtype, bias.dtype) == (np.int16, np.int64)
    assert found.tensors[layer.weights].quant.axis == 0
    inputs = integer_images(found, images)
    source, result = (found.tensors[n].quant for n in (layer.inputs[0], layer.output))
    for row, output in zip(inputs, execution.predict(found, inputs), strict=True):
        for channel in range(3):
            pairs = zip(row.tolist(), kernel[channel].tolist(), strict=True)
            total = sum(x * w for x, w in pairs) + int(bias[channel])
            weight = found.tensors[layer.weights].quant.scale[channel]
            exact = total * source.scale[0] * weight / result.scale[0]
            # Half a step, and a multiplier of 16 bits.
            assert abs(int(output[channel]) - exact) <= 0.5 + abs(exact) * 2**-15


def test_16_bit_weights_are_refused_by_writers_in_one_line(tmp_path):
    g = NETWORKS["small"]
    found = quantized(g, "wi16_ai16", float_graphs.images(g, 4))
    message = (
        "16-bit weights of 'layer0', 'layer1', 'layer2' and 3 more are not deployable "
        "by TFLite"
    )
    with pytest.raises(errors.ExportError, match=message) as caught:
        from_graph.to_bytes(found)
    assert str(caught.value).count("deployable") == 1
    (reason,) = c_limits.reasons(found)
    assert reason.startswith(message)
    # A study keeps them all the same.
    serialize.write(found, tmp_path)
    assert graph.equal(serialize.read(tmp_path), found)


def test_sums_that_leave_48_bits_are_not_simulated():
    builder = graph_builder.Builder((2**17 + 4,))
    builder.dense(1)
    g = builder.build()
    found = quantize.quantize(
        g, {"input": (-1.0, 1.0), "layer0/output": (0, 9)}, formats.named("wi16_ai16")
    )
    (reason,) = support.reasons(found)
    assert "its sums reach" in reason
    assert "must stay below 140737488355328" in reason


def test_what_only_moves_keeps_its_scale():
    builder = graph_builder.Builder((4, 4, 2))
    first = builder.conv(3)
    builder.pool(2)
    pooled = builder.last
    builder.pad(((0, 0), (1, 1), (1, 1), (0, 0)))
    second = builder.concat(first)
    g = float_graphs.randomized(builder.build())
    found = quantized(g, "wi8_ai8", float_graphs.images(g, 8))
    tied = {found.tensors[name].quant for name in (first, pooled, second)}
    assert len(tied) == 1
    assert found.tensors["input"].quant not in tied


def test_a_concat_reads_fixed_scales_through_a_requantize():
    builder = graph_builder.Builder((4, 4, 2))
    first = builder.conv(3)
    builder.activation("sigmoid")
    builder.concat(first)
    g = float_graphs.randomized(builder.build())
    images = float_graphs.images(g, 8)
    found = quantized(g, "wi8_ai8", images)
    kinds = [layer.kind for layer in found.layers]
    assert kinds == ["Conv2D", "Activation", "Requantize", "Concat"]
    inputs = integer_images(found, images[:2])
    np.testing.assert_array_equal(
        execution.predict(found, inputs),
        micro.predict(from_graph.to_bytes(found), inputs),
    )


def test_what_cannot_be_quantized_is_refused():
    g = NETWORKS["small"]
    images = float_graphs.images(g, 4)
    found = dict(ranges.observe(g, images))
    del found["layer1/output"]
    with pytest.raises(errors.UsageError, match="no range for the tensor 'layer1/out"):
        quantize.quantize(g, found, formats.named("wi8_ai8"))
    with pytest.raises(errors.GraphError, match="is no float graph"):
        quantized(quantized(g, "wi8_ai8", images), "wi8_ai8", images)
    with pytest.raises(errors.UsageError, match="choose of wi4_ai8, wi8_ai8"):
        formats.named("wi3_ai8")


def with_dead_layers():
    """A convolution, a depthwise one and a dense layer without kernels; with biases."""
    builder = graph_builder.Builder((6, 6, 3))
    first = builder.conv(4)
    builder.conv(4, relu=False)
    builder.join(graph.Add, first)
    builder.depthwise(relu=False)
    builder.join(graph.Add, first)
    builder.flatten()
    builder.dense(5)
    g = float_graphs.randomized(builder.build())
    constants = dict(g.constants)
    dead = [layer for layer in g.layers if isinstance(layer, graph.Weighted)][1:]
    for layer in dead:
        constants[layer.weights] = np.zeros_like(constants[layer.weights])
    # One of the biases is near zero too; the scales of the others are widened for them.
    constants[dead[0].bias] = np.array([0.5, -1e-9, 0, 2], np.float32)
    return dataclasses.replace(g, constants=constants)


@pytest.mark.parametrize("form", formats.FORMATS)
def test_dead_layers_keep_their_biases(form):
    g = with_dead_layers()
    images = float_graphs.images(g, IMAGES)
    found = quantized(g, form, images)
    assert support.reasons(found) == []
    real = float_execution.activations(g, images)
    inputs = integer_images(found, images)
    computed = execution.activations(found, [inputs], vector_kernels.KERNELS)
    dead = [x for x in found.layers if x.kind in ("DepthwiseConv2D", "Dense")]
    for layer in (found.layers[1], *dead):
        assert not found.constants[layer.weights].any()
        quant = found.tensors[layer.output].quant
        error = real[layer.output] - affine.dequantized(computed[layer.output], quant)
        # Half a step of rounding, and beside int16 a multiplier of 15 bits. A kernel
        # of 16 bits has the scale one, and so the bias the scale of the input.
        (source,) = found.tensors[layer.inputs[0]].quant.scale
        is_wide = formats.FORMATS[form].weight_bits == 16
        step = max(quant.scale[0], source) if is_wide else quant.scale[0]
        assert np.abs(error).max() <= 1.5 * step
    if formats.FORMATS[form].is_deployable:
        micros = micro.predict(from_graph.to_bytes(found), inputs[:3])
        np.testing.assert_array_equal(micros, computed[g.outputs[0]][:3])


def test_a_sum_of_nothing_is_refused():
    builder = graph_builder.Builder((4, 4, 2))
    first = builder.conv(3)
    builder.conv(3)
    builder.join(graph.Sub, first)
    g = float_graphs.randomized(builder.build())
    images = float_graphs.images(g, 4)
    zeros = {**ranges.observe(g, images), g.outputs[0]: (0.0, 0.0)}
    found = quantize.quantize(g, zeros, formats.named("wi8_ai8"))
    (reason,) = support.reasons(found)
    assert "Sub 'layer2' is not simulated: the scale of its result" in reason
    assert support.reasons(quantized(g, "wi8_ai8", images)) == []


def test_a_bias_that_layers_share_is_quantized_for_each():
    builder = graph_builder.Builder((4, 4, 2))
    builder.conv(2)
    builder.conv(2)
    g = builder.build()
    first, second = g.layers
    shared = dataclasses.replace(second, weights=first.weights, bias=first.bias)
    unused = {second.weights, second.bias}
    g = dataclasses.replace(
        g,
        layers=(first, shared),
        tensors={n: t for n, t in g.tensors.items() if n not in unused},
        constants={n: c for n, c in g.constants.items() if n not in unused},
    )
    g = float_graphs.randomized(g)
    found = quantized(g, "wi8_ai8", float_graphs.images(g, 4))
    assert found.layers[0].weights == found.layers[1].weights
    assert found.layers[0].bias != found.layers[1].bias
