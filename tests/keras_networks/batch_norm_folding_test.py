"""A folded network computes what the trained one does; what cannot fold is named."""

import numpy as np
import pytest

from tfpipeline import errors
from tfpipeline.compat import keras
from tfpipeline.keras_networks import batch_norm_folding

layers = keras.layers


@pytest.mark.default_cases(1)
@pytest.mark.parametrize("name", ["plain", "residual", "branches", "pooled"])
def test_folded_network_computes_the_same(name, prepared, images):
    network = prepared(name)
    expected = network.float_model(images, training=False).numpy()
    # Float32 rounding of a few layers: 2^-24 a product, under 100 of them in a row.
    np.testing.assert_allclose(
        network.folded(images, training=False).numpy(),
        expected,
        atol=1e-5 * np.ptp(expected),
    )


@pytest.mark.parametrize(
    ("kind", "shape"),
    [(layers.Conv1D, (8, 3)), (layers.Conv2DTranspose, (4, 4, 3))],
)
def test_lines_and_transposed_convolutions_fold(kind, shape):
    rng = np.random.default_rng(6)
    model = keras.Sequential(
        [layers.Input(shape), kind(5, 3, name="conv"), layers.BatchNormalization()]
    )
    model.set_weights([rng.uniform(0.5, 2, w.shape) for w in model.get_weights()])
    images = rng.uniform(-1, 1, (4, *shape)).astype(np.float32)
    folded = batch_norm_folding.fold(model)
    assert [layer.name for layer in folded.layers][1:] == ["conv"]
    expected = model(images).numpy()
    np.testing.assert_allclose(folded(images), expected, atol=1e-5 * np.ptp(expected))


def test_only_normalizations_go_and_names_stay(prepared):
    network = prepared("plain")
    before = [layer.name for layer in network.float_model.layers]
    after = [layer.name for layer in network.folded.layers]
    assert after == [name for name in before if not name.endswith("_bn")]
    assert {"drop", "drop_maps"} <= set(after)
    assert network.folded.name == "plain"
    assert all(network.folded.get_layer(name).use_bias for name in ("conv1", "conv2"))


def test_the_trained_network_is_not_changed(build):
    model = build("residual")
    before = model.get_weights()
    folded = batch_norm_folding.fold(model)
    folded.set_weights([np.zeros_like(value) for value in folded.get_weights()])
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_a_mixed_precision_network_folds_to_float32(images):
    keras.utils.set_random_seed(1)
    policy = keras.mixed_precision.Policy("mixed_bfloat16")
    model = keras.Sequential(
        [
            layers.Input((8, 8, 3)),
            layers.Conv2D(4, 3, dtype=policy, name="conv"),
            layers.BatchNormalization(dtype=policy, name="bn"),
            layers.GlobalAveragePooling2D(dtype=policy),
        ]
    )
    folded = batch_norm_folding.fold(model)
    assert {layer.compute_dtype for layer in folded.layers} == {"float32"}
    expected = model(images).numpy().astype(np.float32)
    # bfloat16 keeps 8 bits of precision; three layers round once each.
    np.testing.assert_allclose(folded(images), expected, atol=3 * 2**-8)


def _error(build_layers):
    image = layers.Input((8, 8, 3), name="image")
    model = keras.Model(image, build_layers(image))
    with pytest.raises(errors.QuantizationError) as caught:
        batch_norm_folding.fold(model)
    message = str(caught.value)
    assert "\n" not in message
    assert "'norm'" in message
    return message


def _norm(**options):
    return layers.BatchNormalization(name="norm", **options)


def test_a_normalization_behind_another_layer_is_named():
    assert "follows 'relu' (ReLU)" in _error(
        lambda x: _norm()(layers.ReLU(name="relu")(layers.Conv2D(4, 3)(x)))
    )
    assert "follows 'image' (InputLayer)" in _error(lambda x: _norm()(x))


def test_a_normalization_behind_an_activation_is_named():
    assert "activation 'relu' of 'conv'" in _error(
        lambda x: _norm()(layers.Conv2D(4, 3, activation="relu", name="conv")(x))
    )


def test_a_convolution_with_another_reader_is_named():
    def both(image):
        x = layers.Conv2D(4, 3, name="conv")(image)
        return layers.Add()([x, _norm()(x)])

    def output(image):
        x = layers.Conv2D(4, 3, name="conv")(image)
        return [x, _norm()(x)]

    assert "not the only reader of the output of 'conv'" in _error(both)
    assert "not the only reader of the output of 'conv'" in _error(output)


def test_shared_layers_are_named():
    def shared_norm(image):
        norm = _norm()
        return [norm(layers.Conv2D(4, 3)(image)), norm(layers.Conv2D(4, 3)(image))]

    def shared_conv(image):
        conv = layers.Conv2D(3, 3, padding="same", name="conv")
        return _norm()(conv(conv(image)))

    assert "is called 2 times" in _error(shared_norm)
    assert "shared layer 'conv'" in _error(shared_conv)


def test_another_axis_is_named():
    assert "axis [1]" in _error(lambda x: _norm(axis=1)(layers.Conv2D(4, 3)(x)))
