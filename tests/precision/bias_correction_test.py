"""Corrected biases take off the mean of what rounding kernels adds."""

import numpy as np
import pytest

from export.tflite import from_graph
from tests import float_graphs, graph_builder
from tests.simulate import micro
from tfpipeline.ir import graph
from tfpipeline.numerics import affine
from tfpipeline.precision import bias_correction, formats, quantize, ranges
from tfpipeline.simulate import execution, float_execution


def network(bias=True):
    """Behind each ReLU all values are positive, so rounded kernels shift sums."""
    builder = graph_builder.Builder((8, 8, 3), name="net")
    builder.conv(8, bias=bias)
    builder.depthwise(bias=bias)
    builder.conv(8, 1, bias=bias)
    builder.mean()
    builder.dense(5, bias=bias)
    return float_graphs.randomized(builder.build())


def both(g, images, form):
    found = ranges.observe(g, images)
    plain = quantize.quantize(g, found, form)
    return plain, bias_correction.corrected(g, plain, images)


def sums(g, layer, inputs):
    """What a layer writes of real inputs, with the kernel that a graph stores."""
    kernel = g.tensors[layer.weights].quant
    values = affine.dequantized(g.constants[layer.weights], kernel)
    bias = g.constants[layer.bias]
    return inputs @ values.T + affine.dequantized(bias, g.tensors[layer.bias].quant)


@pytest.mark.parametrize("bias", [True, False])
def test_the_mean_of_a_rounded_layer_is_the_float_ones(bias):
    builder = graph_builder.Builder((40,))
    builder.dense(6, bias=bias)
    g = float_graphs.randomized(builder.build())
    images = np.abs(float_graphs.images(g, 50))
    form = formats.named("wi4_ai8")
    plain, integers = both(g, images, form)
    (layer,) = g.layers
    (own,) = integers.layers
    inputs = images.astype(np.float64)
    wanted = inputs @ g.constants[layer.weights].T.astype(np.float64)
    if bias:
        wanted += g.constants[layer.bias]
        lost = sums(plain, plain.layers[0], inputs).mean(axis=0)
        assert np.abs(lost - wanted.mean(axis=0)).max() > 0.05
    found = sums(integers, own, inputs).mean(axis=0)
    step = max(integers.tensors[own.bias].quant.scale)
    np.testing.assert_allclose(found, wanted.mean(axis=0), atol=step)
    np.testing.assert_array_equal(
        integers.constants[own.weights], plain.constants[plain.layers[0].weights]
    )


def output_error(g, integers, images):
    real = float_execution.predict(g, images)
    source = integers.tensors[integers.inputs[0]]
    computed = execution.predict(
        integers, affine.quantized(images, source.quant, source.dtype)
    )
    quant = integers.tensors[integers.outputs[0]].quant
    return ((real - affine.dequantized(computed, quant)) ** 2).mean()


def test_a_network_of_4_bits_errs_less_and_is_micros():
    g = network()
    images = float_graphs.images(g, 24)
    plain, integers = both(g, images, formats.named("wi4_ai8"))
    others = float_graphs.images(g, 24, seed=1)
    assert output_error(g, integers, others) < 0.7 * output_error(g, plain, others)
    source = integers.tensors[integers.inputs[0]]
    inputs = affine.quantized(images[:4], source.quant, source.dtype)
    np.testing.assert_array_equal(
        execution.predict(integers, inputs),
        micro.predict(from_graph.to_bytes(integers), inputs),
    )


def test_layers_without_a_bias_get_one_and_all_constants_are_read():
    g = network(bias=False)
    _, found = both(g, float_graphs.images(g, 4), formats.named("wi8_ai8"))
    assert [type(x) for x in found.layers] == [type(x) for x in g.layers]
    weighted = [x for x in found.layers if isinstance(x, graph.Weighted)]
    assert all(x.bias is not None for x in weighted)
    used = {name for x in found.layers for name in graph.read_names(x)}
    assert found.constants.keys() <= used
