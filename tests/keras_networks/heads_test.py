"""The function at the end gets a layer of its own, and nothing else changes."""

import numpy as np
import pytest

from tests.readers import keras_networks
from tfpipeline.compat import keras
from tfpipeline.keras_networks import heads

L = keras.layers


def _model(*ends):
    image = L.Input((5,))
    x = L.Dense(4, activation="sigmoid")(image)
    for end in ends:
        x = end(x)
    return keras_networks.randomized(keras.Model(image, x, name="whole"))


@pytest.mark.parametrize(
    "end",
    [
        L.Dense(3, activation="softmax", name="end"),
        L.Dense(3, activation=keras.activations.softmax, name="end"),
        L.Dense(1, activation="sigmoid", name="end"),
        L.Dense(2, activation=keras.activations.tanh, name="end"),
    ],
)
def test_a_function_gets_a_layer(end):
    model = _model(end)
    found = heads.with_own_function(model)
    assert end.activation is not keras.activations.linear
    function = end.activation.__name__
    assert [layer.name for layer in found.layers[-2:]] == ["end", f"end_{function}"]
    assert found.layers[-2].activation is keras.activations.linear
    assert found.layers[1].activation is keras.activations.sigmoid
    assert found.name == "whole"
    values = np.random.default_rng(0).normal(size=(6, 5)).astype(np.float32)
    np.testing.assert_array_equal(found(values), model(values))


@pytest.mark.parametrize(
    "ends",
    [
        [L.Dense(3)],
        [L.Dense(3), L.Softmax()],
        [L.Dense(3), L.Activation("softmax")],
        [L.Dense(3, activation="relu")],
        [L.Dense(3, activation="softmax"), L.Reshape((3, 1))],
    ],
)
def test_others_stay(ends):
    model = _model(*ends)
    assert heads.with_own_function(model) is model


def test_several_outputs_stay():
    image = L.Input((5,))
    outputs = [L.Dense(3, activation="softmax")(image), L.Dense(2)(image)]
    model = keras.Model(image, outputs)
    assert heads.with_own_function(model) is model
