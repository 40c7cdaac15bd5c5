"""Normalizations that stand alone, as Keras networks have them."""

import numpy as np
import pytest

from tfpipeline.compat import keras
from tfpipeline.readers import from_keras
from tfpipeline.simulate import float_execution
from tfpipeline.targets.max78000 import constant_scalings, lowering

L = keras.layers


def _graph(*layers):
    image = keras.Input((8, 8, 3), name="image")
    x = image
    for layer in layers:
        x = layer(x)
    return from_keras.read(keras.Model(image, x, name="net"), scaled_inputs=True)


def _conv(name="conv", padding="same"):
    return L.Conv2D(4, 3, padding=padding, name=name)


@pytest.mark.parametrize("padding", ["same", "valid"])
def test_the_devices_own_input_may_be_written_out(padding):
    scaled = _graph(L.Rescaling(1 / 128, -1, name="scaling"), _conv(padding=padding))
    lowered = lowering.lower(scaled)
    assert lowered.violations == ()
    assert "Rescaling 'scaling' is left out" in lowered.notes[0]
    rest, _ = constant_scalings.without_the_devices_own(scaled)
    pixels = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3))
    values = pixels.astype(np.float32)
    np.testing.assert_array_equal(
        float_execution.predict(scaled, values),
        float_execution.predict(rest, values / np.float32(128) - 1),
    )


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize(
    "scale", [(1 / 255, -0.5), (1 / 127.5, -1.0), (1 / 255, 0.0), (1 / 128, 0.0)]
)
def test_another_scaling_of_the_input_is_told_what_the_input_is(scale, padding):
    # A converter takes the last two into the kernel, and all where nothing is padded.
    conv = _conv(padding=padding)
    lowered = lowering.lower(_graph(L.Rescaling(*scale, name="scaling"), conv))
    [violation] = lowered.violations
    assert str(violation).startswith(
        "Rescaling 'scaling': the device's input is (pixel - 128) / 128"
    )


@pytest.mark.parametrize("between", [L.ReLU(), L.MaxPooling2D(2)])
def test_a_normalization_that_no_kernel_takes_in_has_the_users_name(between):
    g = _graph(_conv(), between, L.BatchNormalization(name="norm"), _conv("next"))
    [violation] = lowering.lower(g).violations
    text = str(violation)
    assert text.startswith("BatchNormalization 'norm': a normalization must directly")


def test_a_normalization_behind_a_convolution_is_in_its_kernel():
    g = _graph(_conv(), L.BatchNormalization(name="norm"), L.ReLU())
    assert constant_scalings.find(g) == {}
    assert lowering.lower(g).violations == ()
