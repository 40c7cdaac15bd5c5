"""Ranges: found, measured, and refreshed."""

import numpy as np
import pytest

from tfpipeline import errors
from tfpipeline.compat import keras
from tfpipeline.quantization.tflite import int8 as tflite_int8
from tfpipeline.quantization.tflite import ranges

layers = keras.layers


def _network():
    image = layers.Input((8, 8, 3), name="image")
    x = layers.Conv2D(4, 3, name="conv")(image)
    x = layers.ReLU(name="relu")(x)
    x = layers.GlobalAveragePooling2D(name="average")(x)
    return keras.Model(image, layers.Dense(3, name="logits")(x))


def _by_name(model):
    return {
        (entry.layer, entry.role): (entry.minimum.numpy(), entry.maximum.numpy())
        for entry in ranges.find(model)
    }


def test_activation_ranges_are_the_extremes_of_the_float_network(images):
    keras.utils.set_random_seed(2)
    folded = _network()
    # Batches of 24 leave a last one of 16: none may be lost.
    qat = tflite_int8.build(folded)
    ranges.calibrate(qat, folded, images, batch_size=24)
    found = _by_name(qat)
    for name, role in (("relu", "output"), ("average", "output")):
        tensor = keras.Model(folded.input, folded.get_layer(name).output)(images)
        low, high = found[name, role]
        assert low == 0.0
        np.testing.assert_allclose(high, np.max(tensor), rtol=1e-6)
    logits = folded(images).numpy()
    low, high = found["logits", "post_activation"]
    np.testing.assert_allclose(low, min(logits.min(), 0.0), rtol=1e-6)
    np.testing.assert_allclose(high, max(logits.max(), 0.0), rtol=1e-6)


@pytest.mark.slow
def test_a_new_model_has_only_initial_ranges_until_they_are_set(images):
    folded = _network()
    qat = tflite_int8.build(folded)
    names = [(entry.layer, entry.role) for entry in ranges.find(qat)]
    assert names == [
        ("conv", "kernel"),
        ("relu", "output"),
        ("average", "output"),
        ("logits", "kernel"),
        ("logits", "post_activation"),
    ]
    assert len(ranges.initial(qat)) == 5
    ranges.set_from_weights(qat)
    assert [entry.role for entry in ranges.initial(qat)] == [
        "output",
        "output",
        "post_activation",
    ]
    ranges.calibrate(qat, folded, images)
    assert ranges.initial(qat) == ()


def test_weight_ranges_follow_changed_weights(images):
    folded = _network()
    qat = tflite_int8.prepare_qat(folded, images)
    for entry in ranges.find(qat):
        if entry.role == "kernel":
            weight = ranges.float_weight(qat, entry)
            weight.assign(3.0 * weight)
    ranges.set_from_weights(qat)
    found = _by_name(qat)
    kernel = 3.0 * folded.get_layer("conv").get_weights()[0]
    np.testing.assert_allclose(
        found["conv", "kernel"][1], np.abs(kernel).max(axis=(0, 1, 2)), rtol=1e-6
    )
    dense = 3.0 * folded.get_layer("logits").get_weights()[0]
    np.testing.assert_allclose(
        found["logits", "kernel"][0], -np.abs(dense).max(), rtol=1e-6
    )


def test_a_tensor_that_is_always_zero_gets_a_usable_range(images):
    folded = _network()
    kernel, bias = folded.get_layer("conv").get_weights()
    folded.get_layer("conv").set_weights([0 * kernel, bias - 1.0])
    qat = tflite_int8.prepare_qat(folded, images)
    low, high = _by_name(qat)["relu", "output"]
    assert low == 0.0 and high > 0.0
    assert np.all(np.isfinite(qat(images)))


def test_values_that_are_not_finite_name_the_layer(images):
    folded = _network()
    kernel, bias = folded.get_layer("conv").get_weights()
    folded.get_layer("conv").set_weights([kernel, bias + np.inf])
    with pytest.raises(errors.QuantizationError, match="layer 'relu' yields"):
        tflite_int8.prepare_qat(folded, images)


def test_a_layer_that_is_called_twice_covers_both_uses(images):
    image = layers.Input((8, 8, 3), name="image")
    conv = layers.Conv2D(3, 1, name="conv", use_bias=False)
    folded = keras.Model(image, conv(conv(image)))
    folded.get_layer("conv").set_weights([2.0 * np.eye(3).reshape(1, 1, 3, 3)])
    qat = tflite_int8.prepare_qat(folded, images)
    assert _by_name(qat)["conv", "post_activation"][0] == 4.0 * images.min()
