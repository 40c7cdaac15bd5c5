"""Factors that bring activations in range and leave the network what it was."""

import numpy as np
import pytest

from tests.quantization.max78000 import networks
from tfpipeline import errors
from tfpipeline.compat import keras
from tfpipeline.keras_networks import batch_norm_folding
from tfpipeline.quantization.max78000 import range_equalization
from tfpipeline.targets.max78000 import policy, quantize

layers = keras.layers

EIGHT = policy.Policy()


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
    equal = range_equalization.equalize(folded, images, EIGHT, ("logits",))
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


def test_each_group_uses_more_than_half_of_the_range(folded, images):
    equal = range_equalization.equalize(folded, images, EIGHT, ("logits",))
    groups = [("conv0_relu",), ("conv1_relu", "body", "add"), MADE[4:]]
    for group in groups:
        values = outputs(equal, images, *group, group[0])
        high = max(x.max() for x in values) / (127 / 128)
        low = max(-x.min() for x in values)
        assert 0.5 - 1e-5 <= max(high, low) <= 1 + 1e-6


@pytest.mark.parametrize("bits", [8, 4, 2])
def test_the_largest_weight_ends_where_the_range_does(folded, images, bits):
    equal = range_equalization.equalize(
        folded, images, policy.Policy(weight_bits=bits), ("logits",)
    )
    # Alone in its group; of `conv1` and `body`, which share one, one of both.
    left = {name: _unused(equal, name, bits) for name in ("conv0", "conv1", "body")}
    assert left["conv0"] < 1e-5
    assert min(left["conv1"], left["body"]) < 1e-5
    before = [_unused(folded, name, bits) for name in left]
    assert sum(left.values()) < sum(before)


def _unused(model, name, bits):
    """Bits that the scale of a layer is larger than its weights need."""
    kernel, bias = model.get_layer(name).get_weights()
    shift = quantize.weight_shift(kernel, bias, weight_bits=bits)
    reaches = []
    for values, width in ((kernel, bits), (bias, 8)):
        steps = 2.0 ** (width - 1)
        reach = max(-values.min(), values.max() * steps / (steps - 0.5))
        reaches.append(reach * 2.0 ** (bits - width))
    # A positive end that is rounded to its neighbor may be half a step beyond.
    return abs(shift - np.log2(max(reaches)))


def test_tensors_of_a_sum_share_a_factor(folded, images):
    equal = range_equalization.equalize(folded, images, EIGHT, ("logits",))
    names = ("conv1_relu", "body", "add")
    pairs = zip(
        outputs(folded, images, *names), outputs(equal, images, *names), strict=True
    )
    factors = [np.abs(x).sum() / np.abs(y).sum() for x, y in pairs]
    np.testing.assert_allclose(factors, factors[0], rtol=1e-5)


def test_an_output_of_eight_bits_comes_in_range(folded, images):
    equal = range_equalization.equalize(folded, images, EIGHT)
    found, expected = equal(images).numpy(), folded(images).numpy()
    factor = np.abs(expected).sum() / np.abs(found).sum()
    np.testing.assert_allclose(
        found * factor, expected, atol=2e-5 * np.abs(expected).max()
    )
    ends = max(found.max() / (127 / 128), -found.min())
    assert 0.5 - 1e-5 <= ends <= 1 + 1e-6


@pytest.mark.parametrize("coverage", [0.9, 0.5])
def test_coverage_lets_the_rest_of_the_images_saturate(coverage):
    # A single weight is a power of two whatever it is divided by: factors stay as they
    # are measured.
    image = layers.Input((4, 4, 1), name="image")
    x = layers.ReLU(name="relu")(
        layers.Conv2D(1, 1, use_bias=False, name="conv")(image)
    )
    model = keras.Model(image, layers.Flatten()(x))
    model.get_layer("conv").set_weights([np.full((1, 1, 1, 1), -3.0)])
    values = networks.images(model, count=100)
    values *= np.linspace(0.01, 1, 100, dtype=np.float32)[:, None, None, None]
    equal = range_equalization.equalize(model, values, EIGHT, (), coverage)
    full = range_equalization.equalize(model, values, EIGHT)
    (part,), (whole,) = equal.get_weights(), full.get_weights()
    needs = model(values).numpy().max(axis=1) / (127 / 128)
    least = 3 / np.quantile(needs, [coverage, 1.0])
    for kernel, need in ((part, least[0]), (whole, least[1])):
        assert need / 2 < -kernel.item() <= need


def test_a_sum_with_the_input_keeps_the_range_of_the_input():
    image = layers.Input((4, 4, 3), name="image")
    conv = layers.Conv2D(3, 1, name="conv")(image)
    model = keras.Model(image, layers.Add(name="add")([image, conv]))
    model.get_layer("conv").set_weights([np.full((1, 1, 3, 3), 5.0), np.zeros(3)])
    equal = range_equalization.equalize(model, networks.images(model), EIGHT)
    for found, expected in zip(equal.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_layers_that_are_always_zero_keep_their_weights():
    image = layers.Input((4, 4, 3), name="image")
    x = layers.ReLU(name="relu")(layers.Conv2D(2, 1, name="dead")(image))
    model = keras.Model(image, layers.Dense(2, name="logits")(layers.Flatten()(x)))
    kernel, bias = np.zeros((1, 1, 3, 2)), np.float32([-1, -2])
    model.get_layer("dead").set_weights([kernel, bias])
    equal = range_equalization.equalize(
        model, networks.images(model), EIGHT, ("logits",)
    )
    np.testing.assert_array_equal(equal.get_layer("dead").get_weights()[1], bias)


def test_magnitudes_and_lines_are_homogeneous():
    for kind in ("magnitude", "conv_1d", "concatenate", "subtract"):
        model = networks.build(kind)
        images = networks.images(model)
        found = range_equalization.equalize(model, images, EIGHT)(images).numpy()
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
        range_equalization.equalize(model, images, EIGHT)


@pytest.mark.parametrize("coverage", [0.0, -1.0, 1.1])
def test_coverage_is_a_part(folded, images, coverage):
    with pytest.raises(errors.QuantizationError, match=r"at most 1; found"):
        range_equalization.equalize(folded, images, EIGHT, (), coverage)
