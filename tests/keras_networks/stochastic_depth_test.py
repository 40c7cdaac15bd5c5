"""Stochastic depth: which branch is left out, how often, and what inference is."""

import numpy as np
import pytest

from tfpipeline import errors
from tfpipeline.compat import keras
from tfpipeline.keras_networks import batch_norm_folding, stochastic_depth
from tfpipeline.quantization import storage
from tfpipeline.training import stages

_LAYERS = keras.layers
_IMAGES = np.random.default_rng(0).normal(size=(200, 4, 4, 2)).astype(np.float32)


def _network(policy="float32") -> keras.Model:
    """Two sums: one around two convolutions, one whose shortcut has a convolution."""
    stages.set_up_tensorflow(0)

    def layer(kind, *arguments, name, **options):
        return kind(*arguments, name=name, dtype=policy, **options)

    image = keras.Input((4, 4, 2))
    x = layer(_LAYERS.Conv2D, 2, 3, padding="same", name="a1")(image)
    x = layer(_LAYERS.BatchNormalization, name="a1_bn")(x)
    x = layer(_LAYERS.Conv2D, 2, 3, padding="same", name="a2")(x)
    x = layer(_LAYERS.Add, name="first")([image, x])
    short = layer(_LAYERS.Conv2D, 3, 1, name="short")(x)
    y = layer(_LAYERS.Conv2D, 3, 3, padding="same", name="b1")(x)
    y = layer(_LAYERS.Conv2D, 3, 3, padding="same", name="b2")(y)
    y = layer(_LAYERS.Add, name="second")([y, short])
    return keras.Model(image, layer(_LAYERS.GlobalAveragePooling2D, name="pool")(y))


def test_inference_is_that_of_the_network_also_when_stored_and_folded(tmp_path):
    network = _network()
    deep = stochastic_depth.insert(network, 0.4)
    expected = network(_IMAGES).numpy()
    np.testing.assert_array_equal(deep(_IMAGES).numpy(), expected)
    storage.save(deep, tmp_path)
    np.testing.assert_array_equal(storage.load(tmp_path)(_IMAGES).numpy(), expected)
    folded = batch_norm_folding.fold(deep)(_IMAGES).numpy()
    # Folding rounds.
    np.testing.assert_allclose(folded, expected, rtol=1e-4, atol=1e-5)


def test_the_longer_branch_is_left_out_as_often_as_it_should():
    deep = stochastic_depth.insert(_network(), 0.4)
    rates = [deep.get_layer(f"{name}_depth").rate for name in ("first", "second")]
    assert rates == pytest.approx([0.2, 0.4])
    assert deep.get_layer("first_depth").input.name.startswith("a2")
    assert deep.get_layer("second_depth").input.name.startswith("b2")
    look = keras.Model(deep.inputs, deep.get_layer("second_depth").output)
    branch = keras.Model(deep.inputs, deep.get_layer("second_depth").input)
    # Without the first sum's, which is drawn anew in each call.
    deep.get_layer("first_depth").rate = 0.0
    kept, whole = look(_IMAGES, training=True).numpy(), branch(_IMAGES).numpy()
    is_out = np.all(kept == 0, axis=(1, 2, 3))
    # Binomial(200, 0.4): 48 to 112 but for once in 10^5.
    assert 48 < is_out.sum() < 112
    assert kept[~is_out].shape == whole[~is_out].shape


def test_the_arithmetic_is_that_of_the_sum():
    deep = stochastic_depth.insert(_network("mixed_bfloat16"), 0.4)
    assert deep.get_layer("first_depth").compute_dtype == "bfloat16"


def test_a_network_without_such_branches_is_refused():
    image = keras.Input((4, 4, 2))
    x = _LAYERS.Conv2D(2, 3, padding="same")(image)
    y = _LAYERS.Conv2D(2, 3, padding="same")(image)
    for output in (x, _LAYERS.Add()([x, y])):
        with pytest.raises(errors.UsageError, match="no sum of a longer and a shorter"):
            stochastic_depth.insert(keras.Model(image, output), 0.2)
