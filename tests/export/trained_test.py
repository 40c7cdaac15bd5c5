"""Files of trained networks compute what the fake-quantized network does.

Constants that a converter might fold or share, beside scales that differ by channel:
equal, zero, alone, or so small that the scale of sums leaves their bias no room.
"""

import functools

import numpy as np
import pytest

from export.tflite import trained, trained_outputs
from tests.export import tensorflow_converter
from tests.simulate import micro
from tfpipeline import errors
from tfpipeline.compat import keras
from tfpipeline.ir import from_tflite, graph
from tfpipeline.numerics import lost_weights
from tfpipeline.quantization.tflite import int4, int8, int16x8, ranges
from tfpipeline.targets.tflm import flatbuffer, reference

L = keras.layers
SHAPE = (5, 5, 3)
SCHEMES = {"int8": int8, "int16x8": int16x8, "int4": int4}
LAYERS = {
    "conv": lambda: L.Conv2D(4, 2, name="subject"),
    "depthwise": lambda: L.DepthwiseConv2D(2, depth_multiplier=2, name="subject"),
    "dense": lambda: L.Dense(4, name="subject"),
}


def _kernel(change):
    return lambda kernel, bias: (change(kernel), bias)


def _bias(change):
    return lambda kernel, bias: (kernel, change(bias))


CONSTANTS = {
    "biases 30": _bias(lambda bias: np.full_like(bias, 30.0)),
    "biases -0.01": _bias(lambda bias: np.full_like(bias, -0.01)),
    "biases 0": _bias(np.zeros_like),
    "one bias": _bias(lambda bias: np.where(np.arange(bias.size) == 1, 7.0, 0.0)),
    "weights 0.25": _kernel(lambda kernel: np.full_like(kernel, 0.25)),
    "weights 0": _kernel(np.zeros_like),
    "weights 1e-8": _kernel(lambda kernel: kernel * 1e-8),
    "all equal": lambda kernel, bias: (0 * kernel + 0.5, 0 * bias + 0.5),
    "weights 1e-8, biases 30": lambda kernel, bias: (kernel * 1e-8, 0 * bias + 30.0),
}


def images(count=24):
    pixels = np.random.default_rng(0).integers(0, 256, (count, *SHAPE))
    return (pixels / 128 - 1).astype(np.float32)


def layer_of_its_own(layer):
    subject, image = LAYERS[layer](), keras.Input(SHAPE)
    x = L.Flatten()(image) if layer == "dense" else image
    return keras.Model(image, subject(x), name="net")


@functools.cache
def prepared(scheme, layer):
    """A network of one layer, and its fake-quantized form, which take seconds."""
    model = layer_of_its_own(layer)
    return model, SCHEMES[scheme].build(model)


def networks(scheme, layer, change):
    """Both, with weights that differ by channel but for what `change` makes."""
    model, qat_model = prepared(scheme, layer)
    subject = model.get_layer("subject")
    shapes = [weight.shape for weight in subject.get_weights()]
    random = np.random.default_rng(1)
    values = change(*(0.5 * random.normal(size=shape) for shape in shapes))
    subject.set_weights(values)
    (wrapper,) = (each for each in qat_model.layers if "subject" in each.name)
    kernel, bias = values
    for weight in wrapper.weights:
        if weight.name.endswith("kernel:0"):
            weight.assign(kernel)
        elif weight.name.endswith("bias:0"):
            weight.assign(bias)
    ranges.set_from_weights(qat_model)
    ranges.calibrate(qat_model, model, images())
    if scheme == "int16x8":
        for entry in ranges.find(qat_model):
            if entry.role in ranges.OUTPUT_ROLES:
                limit = max(-entry.minimum.numpy(), entry.maximum.numpy())
                entry.minimum.assign(-limit)
                entry.maximum.assign(limit)
    return model, qat_model


def outputs(qat_model, data):
    """Of TensorFlow Lite Micro, and of the fake-quantized network."""
    integers = micro.predict(data, reference.quantize_input(data, images()))
    return integers, qat_model(images(), training=False).numpy()


def assert_agrees(qat_model):
    data = trained.convert(qat_model)
    found = trained_outputs.compare(flatbuffer.read(data), *outputs(qat_model, data))
    assert found.images == len(images())
    g = from_tflite.read(data)
    assert not any("biases" in note for note in lost_weights.notes(g))
    return g


def assert_biases_are_kept(g, model):
    """Each channel's own integer, on its own scale."""
    (layer,) = (each for each in g.layers if isinstance(each, graph.Weighted))
    bias = model.get_layer("subject").get_weights()[1]
    if layer.bias is None:
        assert not bias.any()
        return
    steps = g.tensors[g.inputs[0]].quant.scale[0] * np.array(
        g.tensors[layer.weights].quant.scale
    )
    error = np.abs(g.constants[layer.bias] - bias / steps)
    # float32 has 24 bits of a bias.
    assert (error <= 0.5 + np.abs(bias / steps) * 2**-24).all()


@pytest.mark.default_cases(6)
@pytest.mark.parametrize("constants", CONSTANTS)
@pytest.mark.parametrize("layer", LAYERS)
def test_int8_computes_what_was_trained(layer, constants):
    model, qat_model = networks("int8", layer, CONSTANTS[constants])
    g = assert_agrees(qat_model)
    assert_biases_are_kept(g, model)


@pytest.mark.default_cases(4)
@pytest.mark.parametrize("constants", ["biases 30", "weights 1e-8, biases 30"])
@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("scheme", ["int16x8", "int4"])
def test_other_formats_do_too(scheme, layer, constants):
    model, qat_model = networks(scheme, layer, CONSTANTS[constants])
    g = assert_agrees(qat_model)
    assert_biases_are_kept(g, model)


def test_a_bias_folded_by_the_converter_is_found():
    _, qat_model = networks("int8", "conv", CONSTANTS["biases 30"])
    data = tensorflow_converter.convert(qat_model)
    # Otherwise TensorFlow's converter might be asked again.
    with pytest.raises(errors.VerificationError, match="do not compute what was"):
        trained_outputs.compare(flatbuffer.read(data), *outputs(qat_model, data))
