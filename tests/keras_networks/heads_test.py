"""The softmax at the end goes, whatever layer it is, and nothing else does."""

import numpy as np
import pytest

from tests.readers import keras_networks
from tfpipeline.compat import keras
from tfpipeline.keras_networks import heads, topology

L = keras.layers


def _model(*ends):
    image = L.Input((5,))
    x = L.Dense(4)(image)
    for end in ends:
        x = end(x)
    return keras_networks.randomized(keras.Model(image, x))


@pytest.mark.parametrize(
    "ends",
    [
        [L.Dense(3, activation="softmax")],
        [L.Dense(3, activation=keras.activations.softmax)],
        [L.Dense(3), L.Softmax()],
        [L.Dense(3), L.Activation("softmax")],
    ],
)
def test_softmax_goes(ends):
    model = _model(*ends)
    architecture = topology.to_dict(model)
    kept = topology.to_dict(model)
    logits = topology.from_dict(heads.without_softmax(architecture))
    assert architecture == kept
    logits.set_weights(model.get_weights())
    values = np.random.default_rng(0).normal(size=(6, 5)).astype(np.float32)
    assert np.abs(logits(values)).max() > 1
    np.testing.assert_allclose(
        keras.activations.softmax(logits(values)), model(values), rtol=0, atol=1e-6
    )


@pytest.mark.parametrize(
    "ends",
    [
        [L.Dense(3)],
        [L.Dense(3, activation="sigmoid")],
        [L.Softmax(), L.Dense(3)],
        [L.Reshape((2, 2)), L.Softmax(axis=1)],
        [L.Activation("relu")],
    ],
)
def test_others_stay(ends):
    architecture = topology.to_dict(_model(*ends))
    assert heads.without_softmax(architecture) is architecture


def test_several_outputs_stay():
    image = L.Input((5,))
    outputs = [L.Dense(3, activation="softmax")(image), L.Dense(2)(image)]
    architecture = topology.to_dict(keras.Model(image, outputs))
    assert heads.without_softmax(architecture) is architecture
