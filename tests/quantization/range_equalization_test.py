"""Factors that bring activations in range and leave the network what it was."""

import numpy as np
import pytest

from tests.quantization import max78000_networks as networks
from tfpipeline import errors
from tfpipeline.compat import keras
from tfpipeline.quantization import batch_norm_folding, range_equalization

layers = keras.layers


@pytest.fixture(scope="module")
def folded():
    model = networks.build_classifier()
    return batch_norm_folding.fold(networks.without_softmax(model))


@pytest.fixture(scope="module")
def images(folded):
    return networks.images(folded, count=96)


def outputs(model, images, *names):
    """What the named layers write."""
    found = [model.get_layer(name).output for name in names]
    return [x.numpy() for x in keras.Model(model.input, found)(images)]


MADE = ("conv0_relu", "conv1_relu", "body", "add", "left_relu", "right_relu")


def test_outputs_stay_and_ranges_fit(folded, images):
    equal = range_equalization.equalize(folded, images, ("logits",))
    before = outputs(folded, images, *MADE)
    assert max(np.abs(x).max() for x in before) > 2
    for values in outputs(equal, images, *MADE):
        # Factors are float32: the largest value may be an ulp off.
        assert values.max() <= 127 / 128 * (1 + 1e-6)
        assert values.min() >= -1 - 1e-6
    # Only the rounding of float32 weights differs.
    np.testing.assert_allclose(
        equal(images), folded(images), rtol=0, atol=2e-5 * np.abs(folded(images)).max()
    )


def test_each_group_reaches_an_end_of_the_range(folded, images):
    equal = range_equalization.equalize(folded, images, ("logits",))
    groups = [("conv0_relu",), ("conv1_relu", "body", "add"), MADE[4:]]
    for group in groups:
        values = outputs(equal, images, *group, group[0])
        high = max(x.max() for x in values) / (127 / 128)
        low = max(-x.min() for x in values)
        assert max(high, low) == pytest.approx(1, abs=1e-6)


def test_tensors_of_a_sum_share_a_factor(folded, images):
    equal = range_equalization.equalize(folded, images, ("logits",))
    names = ("conv1_relu", "body", "add")
    pairs = zip(
        outputs(folded, images, *names), outputs(equal, images, *names), strict=True
    )
    factors = [np.abs(x).sum() / np.abs(y).sum() for x, y in pairs]
    np.testing.assert_allclose(factors, factors[0], rtol=1e-5)


def test_an_output_of_eight_bits_comes_in_range(folded, images):
    equal = range_equalization.equalize(folded, images)
    found, expected = equal(images).numpy(), folded(images).numpy()
    factor = np.abs(expected).sum() / np.abs(found).sum()
    np.testing.assert_allclose(
        found * factor, expected, atol=2e-5 * np.abs(expected).max()
    )
    ends = max(found.max() / (127 / 128), -found.min())
    assert ends == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("coverage", [0.9, 0.5])
def test_coverage_lets_the_rest_of_the_images_saturate(folded, images, coverage):
    equal = range_equalization.equalize(folded, images, ("logits",), coverage)
    (values,) = outputs(equal, images, "conv0_relu", "conv0_relu")[:1]
    fits = values.max(axis=(1, 2, 3)) <= 127 / 128 * (1 + 1e-6)
    # `numpy.quantile` interpolates between two images.
    assert fits.mean() == pytest.approx(coverage, abs=1.01 / len(images))


def test_a_sum_with_the_input_keeps_the_range_of_the_input():
    image = layers.Input((4, 4, 3), name="image")
    conv = layers.Conv2D(3, 1, name="conv")(image)
    model = keras.Model(image, layers.Add(name="add")([image, conv]))
    model.get_layer("conv").set_weights([np.full((1, 1, 3, 3), 5.0), np.zeros(3)])
    equal = range_equalization.equalize(model, networks.images(model))
    for found, expected in zip(equal.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_layers_that_are_always_zero_keep_their_weights():
    image = layers.Input((4, 4, 3), name="image")
    x = layers.ReLU(name="relu")(layers.Conv2D(2, 1, name="dead")(image))
    model = keras.Model(image, layers.Dense(2, name="logits")(layers.Flatten()(x)))
    kernel, bias = np.zeros((1, 1, 3, 2)), np.float32([-1, -2])
    model.get_layer("dead").set_weights([kernel, bias])
    equal = range_equalization.equalize(model, networks.images(model), ("logits",))
    np.testing.assert_array_equal(equal.get_layer("dead").get_weights()[1], bias)


def test_magnitudes_and_lines_are_homogeneous():
    for kind in ("magnitude", "conv_1d", "concatenate", "subtract"):
        model = networks.build(kind)
        images = networks.images(model)
        found = range_equalization.equalize(model, images)(images).numpy()
        expected = model(images).numpy()
        factor = np.abs(expected).sum() / np.abs(found).sum()
        np.testing.assert_allclose(
            found * factor, expected, atol=2e-5 * np.abs(expected).max()
        )
        assert found.max() <= 127 / 128 * (1 + 1e-6)


def test_a_broken_network_is_named(folded, images):
    model = keras.models.clone_model(folded)
    model.set_weights(folded.get_weights())
    kernel, bias = model.get_layer("body").get_weights()
    model.get_layer("body").set_weights([kernel * np.float32(np.inf), bias])
    with pytest.raises(
        errors.QuantizationError, match="'body' yields values that are n"
    ):
        range_equalization.equalize(model, images)


@pytest.mark.parametrize("coverage", [0.0, -1.0, 1.1])
def test_coverage_is_a_part(folded, images, coverage):
    with pytest.raises(errors.QuantizationError, match=r"at most 1; found"):
        range_equalization.equalize(folded, images, (), coverage)
