"""Layers that compute nothing: scales and integers are those in the golden files."""

import pathlib

import numpy as np
import pytest

from tfpipeline.ir import from_tflite, graph, layer_rules
from tfpipeline.numerics import affine, layer_weights

FOLDER = pathlib.Path(__file__).parents[1] / "golden" / "dead_int8"
# Of `dead_networks.BIASES`.
BIASES = np.array([0.5, -1.0, 0.0, 2.0])


def dead_layers(name):
    """The graph and its layers whose kernels are zeros, one of each kind."""
    g = from_tflite.read((FOLDER / f"{name}.tflite").read_bytes())
    dead = [
        layer
        for layer in g.layers
        if isinstance(layer, graph.Weighted) and not g.constants[layer.weights].any()
    ]
    assert {layer.kind for layer in dead} == {"Conv2D", "Dense", "DepthwiseConv2D"}
    return g, dead


def real_weights(g, layer, name):
    """What the layer was converted from."""
    kernel = np.zeros(g.tensors[layer.weights].shape)
    bias = BIASES if name == "biases" else 0 * BIASES
    return kernel, bias[: g.tensors[layer.output].shape[-1]]


def assert_constant(g, name, integers, quant):
    np.testing.assert_array_equal(g.constants[name], integers)
    assert g.tensors[name].quant == quant


@pytest.mark.parametrize("name", ["zeros", "biases"])
def test_weights_with_fake_quantizers_are_the_converters(name):
    g, dead = dead_layers(f"{name}_qat")
    for layer in dead:
        kernel, bias = real_weights(g, layer, name)
        axis = layer_rules.channel_axis(layer, kernel.shape)
        count = len(g.tensors[layer.weights].quant.scale)
        quant = affine.of_ranges((0.0,) * count, (0.0,) * count, 8, narrow=True)
        integers = affine.kernel_integers(kernel, quant, 8, axis, narrow=True)
        assert_constant(g, layer.weights, integers, quant.stored(8, axis))
        if layer.bias is None:
            assert name == "zeros"
            continue
        # Its file has it in float32; to the converter it is a float64.
        (source,) = g.tensors[layer.inputs[0]].quant.scale
        expected = affine.bias_integers(bias, source, quant.scale, 8)
        assert_constant(g, layer.bias, *expected)


@pytest.mark.parametrize("name", ["zeros", "biases"])
def test_weights_after_training_are_the_converters(name):
    g, dead = dead_layers(f"{name}_ptq")
    for layer in dead:
        kernel, bias = real_weights(g, layer, name)
        axis = layer_rules.channel_axis(layer, kernel.shape)
        (source,) = g.tensors[layer.inputs[0]].quant.scale
        expected, biases = layer_weights.quantized(
            kernel, bias, source, num_bits=8, axis=axis
        )
        assert_constant(g, layer.weights, *expected)
        if layer.bias is None:
            assert name == "zeros"
            continue
        # The converter has the bias's scale first and the kernel's by it, each in
        # float32; ours follows from the kernel's, as TensorFlow Lite Micro has it.
        found = g.constants[layer.bias], g.tensors[layer.bias].quant.scale
        np.testing.assert_allclose(found[0], biases[0], rtol=2**-23)
        np.testing.assert_allclose(found[1], biases[1].scale, rtol=2**-23)


def test_outputs_of_training_are_the_converters():
    g, dead = dead_layers("zeros_qat")
    for layer in dead:
        expected = affine.of_ranges((0.0,), (0.0,), 8).stored(8, None)
        assert g.tensors[layer.output].quant == expected


def test_outputs_after_training_have_tiny_scales_too():
    """The converter widens what it observed to 1e-6 on both sides, in float32.

    Ours are those of training: whatever the scale, the only integer is zero's.
    """
    g, dead = dead_layers("zeros_ptq")
    scales = [g.tensors[layer.output].quant.scale[0] for layer in dead]
    assert min(scales) == pytest.approx(2e-6 / 255)
    (ours,) = affine.of_observed(0.0, 0.0, 8).scale
    assert ours == pytest.approx(1e-6 / 255)
