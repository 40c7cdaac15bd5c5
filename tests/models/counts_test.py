"""Counts of single layers by hand, and models that have no deployed form."""

import numpy as np
import pytest

from tfpipeline import errors
from tfpipeline.compat import keras
from tfpipeline.models import counts

layers = keras.layers


def test_each_kind_by_hand():
    model = keras.Sequential(
        [
            keras.Input((9, 7, 4)),
            layers.Conv2D(6, (3, 2), padding="same", use_bias=False, name="plain"),
            layers.Conv2D(8, 3, strides=2, padding="valid", groups=2, name="grouped"),
            layers.DepthwiseConv2D(3, padding="same", name="depthwise"),
            layers.Flatten(),
            layers.Dense(5, use_bias=False, name="dense"),
        ]
    )
    totals = counts.count(model)
    assert totals.layers == (
        # Padded positions count: 9*7 outputs of 3*2*4 products for each of 6 channels.
        counts.LayerCounts(
            "plain", "Conv2D", (9, 7, 6), 9 * 7 * 3 * 2 * 4 * 6, 3 * 2 * 4 * 6, 0
        ),
        counts.LayerCounts(
            "grouped", "Conv2D", (4, 3, 8), 4 * 3 * 9 * 3 * 8, 9 * 3 * 8, 8
        ),
        counts.LayerCounts(
            "depthwise", "DepthwiseConv2D", (4, 3, 8), 4 * 3 * 9 * 8, 9 * 8, 8
        ),
        counts.LayerCounts("dense", "Dense", (5,), 96 * 5, 96 * 5, 0),
    )
    assert totals.weights == 144 + 216 + 72 + 480
    assert totals.biases == 16
    assert totals.params == totals.weights + 16
    assert totals.macs == sum(layer.macs for layer in totals.layers)


def test_weight_bytes_round_down_layer_by_layer():
    model = keras.Sequential(
        [keras.Input((3,)), layers.Dense(3, name="a"), layers.Dense(1, name="b")]
    )
    totals = counts.count(model)
    # 9 and 3 weights.
    assert [totals.weight_bytes(bits) for bits in (8, 4, 2, 1)] == [12, 5, 2, 1]


def test_batch_norm_becomes_the_bias():
    image = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, use_bias=False, name="conv")(image)
    model = keras.Model(image, layers.BatchNormalization(name="bn")(x))
    (layer,) = counts.count(model).layers
    assert (layer.weights, layer.biases) == (108, 4)
    assert {n: c.name for n, c in counts.foldable(model).items()} == {"bn": "conv"}


def test_folding_as_counted_keeps_the_outputs():
    keras.utils.set_random_seed(2)
    image = keras.Input((6, 6, 2))
    x = layers.Conv2D(3, 3, use_bias=False, name="conv")(image)
    model = keras.Model(image, layers.BatchNormalization(name="bn")(x))
    gamma, beta, mean, variance = np.array(
        [[0.5, 2, 1], [1, -1, 0], [0.1, 0.2, 0.3], [0.5, 1, 2]], np.float32
    )
    model.get_layer("bn").set_weights([gamma, beta, mean, variance])
    deployed = keras.Sequential([keras.Input((6, 6, 2)), layers.Conv2D(3, 3)])
    scale = gamma / np.sqrt(variance + model.get_layer("bn").epsilon)
    kernel = model.get_layer("conv").get_weights()[0]
    deployed.set_weights([kernel * scale, beta - mean * scale])
    images = np.random.default_rng(0).normal(size=(2, 6, 6, 2)).astype(np.float32)
    # Two float32 roundings of sums of 18 products of size one.
    np.testing.assert_allclose(model(images), deployed(images), atol=1e-5)
    assert counts.count(model).params == deployed.count_params()


def _bn_behind_relu(x):
    return layers.BatchNormalization(name="bn")(layers.ReLU(name="relu")(x))


def _bn_beside_another_consumer(x):
    return layers.Add()([x, layers.BatchNormalization(name="bn")(x)])


def _bn_behind_an_activation(x):
    x = layers.Conv2D(4, 1, activation="relu", name="active")(x)
    return layers.BatchNormalization(name="bn")(x)


@pytest.mark.parametrize(
    "tail",
    [_bn_behind_relu, _bn_beside_another_consumer, _bn_behind_an_activation],
)
def test_batch_norm_that_cannot_be_folded_is_counted_by_itself(tail):
    image = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, name="conv")(image)
    model = keras.Model(image, tail(x), name="net")
    assert counts.foldable(model) == {}
    assert counts.count(model).layers[-1] == counts.LayerCounts(
        "bn", "BatchNormalization", (6, 6, 4), 0, 4, 4
    )


def test_slopes_of_prelu_are_weights():
    image = keras.Input((8, 8, 3))
    shared = layers.PReLU(shared_axes=[1, 2], name="shared")(image)
    model = keras.Model(image, layers.PReLU(name="each")(shared))
    assert counts.count(model).layers == (
        counts.LayerCounts("shared", "PReLU", (8, 8, 3), 0, 3, 0),
        counts.LayerCounts("each", "PReLU", (8, 8, 3), 0, 192, 0),
    )


def test_layer_without_a_counting_rule():
    model = keras.Sequential(
        [keras.Input((8, 3)), layers.Conv1D(4, 3, name="wave")], name="net"
    )
    with pytest.raises(errors.UsageError, match="Conv1D 'wave' of model 'net' has"):
        counts.count(model)
