"""Opened networks compute the same, share what was shared, and have unique names."""

import numpy as np
import pytest

from tests.readers import keras_networks
from tfpipeline import errors
from tfpipeline.compat import keras
from tfpipeline.keras_networks import flat

L = keras.layers


def _images(model):
    random = np.random.default_rng(0)
    shapes = [tensor.shape[1:] for tensor in model.inputs]
    images = [random.uniform(-1, 1, (3, *s)).astype(np.float32) for s in shapes]
    return images if len(images) > 1 else images[0]


def _require_same(model, other):
    images = _images(model)
    for one, two in zip(model(images), other(images), strict=True):
        np.testing.assert_array_equal(one, two)


def test_a_flat_network_stays_what_it_is():
    image = L.Input((4,))
    model = keras.Model(image, L.Dense(2)(image))
    assert flat.flattened(model) is model
    sequence = keras.Sequential([L.Input((4,)), L.Dense(2)])
    assert flat.flattened(sequence).layers[1:] == sequence.layers


def test_nested_shared_and_twice_nested_networks():
    block = keras.Sequential([L.Dense(4, name="dense"), L.ReLU()], name="block")
    twice = L.Input((4,))
    pair = keras.Model(twice, [block(block(twice)), 2.0 * twice], name="pair")
    one, other = L.Input((4,), name="one"), L.Input((3,), name="other")
    left, right = pair(one)
    joined = L.Concatenate()([left, right - one, L.Dense(4, name="dense")(other)])
    model = keras_networks.randomized(keras.Model([one, other], [joined, left]))
    opened = flat.flattened(model)
    assert not any(isinstance(layer, keras.Model) for layer in opened.layers)
    names = [layer.name for layer in opened.layers]
    assert len(set(names)) == len(names)
    assert {"dense", "pair/block/dense"} <= set(names)
    # The block is called twice, and has one set of weights.
    assert len(opened.weights) == len(model.weights)
    assert [x.name for x in opened.inputs] == ["one", "other"]
    _require_same(model, opened)


def test_subclassed_networks_inside_are_refused():
    class Own(keras.Model):
        def call(self, inputs):
            return 2 * inputs

    image = L.Input((4,))
    model = keras.Model(image, Own(name="own")(image))
    with pytest.raises(errors.QuantizationError, match=r"'own' \(Own\) is a subclass"):
        flat.flattened(model)
