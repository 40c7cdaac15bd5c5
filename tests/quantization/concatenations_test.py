"""Joined branches stay in their order in every scheme."""

import numpy as np
import pytest

from tests.quantization import conftest
from tfpipeline import errors
from tfpipeline.compat import keras
from tfpipeline.keras_networks import float_twin
from tfpipeline.quantization.gap8 import scheme as gap8
from tfpipeline.quantization.max78000 import scheme as max78000
from tfpipeline.quantization.tflite import int4, int8, int16x8
from tfpipeline.readers import from_keras
from tfpipeline.targets.gap8 import calibrate

layers = keras.layers


def _conv(x, filters):
    return layers.Conv2D(filters, 1)(x)


def first_of_another(image):
    inner = layers.Concatenate()([_conv(image, 4), _conv(image, 2)])
    return layers.Concatenate()([inner, _conv(image, 3)])


def in_the_middle(image):
    inner = layers.Concatenate()([_conv(image, 2), _conv(image, 4)])
    return layers.Concatenate()([_conv(image, 3), inner, _conv(image, 1)])


def of_three_floors(image):
    low = layers.Concatenate()([_conv(image, 2), layers.ReLU()(_conv(image, 3))])
    middle = layers.Concatenate()([layers.ReLU()(_conv(image, 2)), low])
    return layers.Concatenate()([middle, _conv(image, 1)])


NETWORKS = (first_of_another, in_the_middle, of_three_floors)


def of_gap8(model, images):
    g = from_keras.read(model)
    return gap8.prepare_qat(model, g, calibrate.calibrate(g, images))


SCHEMES = {
    "int8": int8.prepare_qat,
    "int16x8": int16x8.prepare_qat,
    "int4": int4.prepare_qat,
    "gap8": of_gap8,
}


def built(network):
    keras.utils.set_random_seed(3)
    image = layers.Input((conftest.SIDE, conftest.SIDE, 3))
    return keras.Model(image, network(image))


@pytest.mark.default_cases(1)
@pytest.mark.parametrize(
    ("scheme", "network"),
    [
        *(("int8", network) for network in NETWORKS),
        *((scheme, first_of_another) for scheme in SCHEMES if scheme != "int8"),
    ],
)
def test_the_quantized_network_is_the_float_one(scheme, network, images):
    model = built(network)
    qat_model = SCHEMES[scheme](model, images)
    np.testing.assert_array_equal(float_twin.extract(qat_model)(images), model(images))
    error = np.abs(qat_model(images, training=False) - model(images)).max()
    assert error < 0.1 * np.abs(model(images)).max()


@pytest.mark.slow
def test_max78000_divides_it_by_a_constant(images):
    model = built(first_of_another)
    found = max78000.prepare_qat(model, images)(images, training=False).numpy()
    expected = model(images).numpy()
    factor = (expected * found).sum() / (expected**2).sum()
    assert np.abs(found - factor * expected).max() < 0.05 * np.abs(found).max()


@pytest.mark.default_cases(2)
@pytest.mark.parametrize("scheme", [*SCHEMES, "max78000"])
def test_another_network_is_refused_before_it_is_trained(scheme, images, monkeypatch):
    prepare = {**SCHEMES, "max78000": max78000.prepare_qat}[scheme]
    extract = float_twin.extract

    def exchanged(qat_model):
        twin = extract(qat_model)
        return keras.Model(twin.inputs, twin.outputs[0][..., ::-1])

    monkeypatch.setattr(float_twin, "extract", exchanged)
    with pytest.raises(errors.QuantizationError, match="made another network"):
        prepare(built(first_of_another), images)
