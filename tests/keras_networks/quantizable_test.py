"""Layers that quantizers lack become others that compute the same; others stay."""

import numpy as np
import pytest

from tests import layer_networks
from tfpipeline import errors
from tfpipeline.compat import keras
from tfpipeline.keras_networks import (
    batch_norm_folding,
    quantizable,
    rebuilding,
    rewrites,
)
from tfpipeline.models import registry
from tfpipeline.quantization.gap8 import rewrites as gap8
from tfpipeline.quantization.max78000 import rewrites as max78000

L = keras.layers

# Case -> classes and names in its place; `fold` itself proves that the outputs stay.
BECOMES = {
    "SeparableConv2D": ["DepthwiseConv2D it/depthwise", "Conv2D it"],
    "SeparableConv1D": [
        *("Reshape it/plane", "DepthwiseConv2D it/depthwise", "Conv2D it"),
        "Reshape it/line",
    ],
    "DepthwiseConv1D": ["Reshape it/plane", "DepthwiseConv2D it", "Reshape it/line"],
    "BatchNormalization behind ReLU": ["ReLU relu", "DepthwiseConv2D norm"],
    "BatchNormalization behind a pool": ["MaxPooling2D pool", "DepthwiseConv2D norm"],
    "BatchNormalization before Conv2D": ["ReLU relu", "Conv2D behind"],
    "BatchNormalization before Conv2D, padded": [
        *("ReLU relu", "DepthwiseConv2D norm", "Conv2D behind"),
    ],
    "Normalization of a vector": ["Dense behind"],
    "Activation swish": ["Activation it/gate", "Multiply it"],
    "Dense with softmax": ["Dense it", "Activation it/softmax"],
    "Average": [
        *("Conv2D branch0", "Conv2D branch1", "Add it/sum", "DepthwiseConv2D it"),
    ],
    "2 * x - 1": [],
    "Identity": [],
    "a model in the model": ["Conv2D backbone/conv", "ReLU backbone/relu"],
}


def _between(model):
    """The layers of a case's network but those around the case."""
    around = ("image", "stem", "flat", "last")
    return [
        f"{type(layer).__name__} {layer.name}"
        for layer in model.layers
        if layer.name not in around
    ]


@pytest.mark.default_cases(8)
@pytest.mark.parametrize("name", BECOMES)
def test_becomes(name):
    assert _between(quantizable.fold(layer_networks.build(name))) == BECOMES[name]


def test_a_chip_without_depthwise_convolutions_gets_a_diagonal_kernel():
    model = layer_networks.build("BatchNormalization behind ReLU")
    folded = quantizable.fold(model, max78000.TARGET)
    assert _between(folded) == ["ReLU relu", "Conv2D norm"]
    kernel = folded.get_layer("norm").get_weights()[0][0, 0]
    scale, _ = batch_norm_folding.statistics(model.get_layer("norm"))
    np.testing.assert_array_equal(kernel, np.diag(scale.astype(np.float32)))


@pytest.mark.parametrize(
    ("name", "target", "expected"),
    [
        ("PReLU", gap8.TARGET, ["Conv2D it/both", "Conv2D it"]),
        ("LeakyReLU", max78000.TARGET, ["Conv2D it/both", "Conv2D it"]),
        (
            "UpSampling2D nearest",
            max78000.TARGET,
            ["Conv2DTranspose it", "Cropping2D it/cut"],
        ),
        (
            "Subtract",
            gap8.TARGET,
            ["Conv2D branch0", "Conv2D branch1", "Conv2D it/negative", "Add it"],
        ),
    ],
)
def test_chips_have_more_rewrites(name, target, expected):
    folded = quantizable.fold(layer_networks.build(name), target)
    # Keras orders branches by their depth.
    assert sorted(_between(folded)) == sorted(expected)


@pytest.mark.default_cases(1)
@pytest.mark.parametrize("name", ["cmsisnet", "resnet8", "simplenet"])
def test_our_networks_are_folded_as_ever(name):
    model = registry.build(name, width=0.1)
    for target in (quantizable.ANY, max78000.TARGET, gap8.TARGET):
        assert not quantizable.is_rewritten(model, target)
    folded = quantizable.fold(model)
    expected = batch_norm_folding.fold(model)
    assert folded.to_json() == expected.to_json()
    for one, other in zip(folded.get_weights(), expected.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_another_function_is_found(monkeypatch):
    monkeypatch.setitem(
        rewrites._ALWAYS, L.Average, lambda call, builder: call.tensors[0]
    )
    with pytest.raises(errors.QuantizationError, match="another network"):
        quantizable.fold(layer_networks.build("Average"))


@pytest.mark.slow
def test_a_shared_normalization_becomes_one_shared_layer():
    image = keras.Input((4, 4, 3), name="image")
    norm = L.BatchNormalization(name="norm")
    relu = L.ReLU(name="relu")
    branches = [norm(relu(L.Conv2D(3, 1)(image))), norm(image)]
    model = keras.Model(image, L.Add(name="sum")(branches))
    folded = quantizable.fold(layer_networks.with_statistics(model))
    assert len(folded.get_layer("norm").inbound_nodes) == 2
    assert len(folded.get_layer("relu").inbound_nodes) == 1


def test_a_normalization_of_another_axis_is_named():
    image = keras.Input((4, 4, 3), name="image")
    model = keras.Model(image, L.BatchNormalization(axis=1, name="norm")(image))
    with pytest.raises(errors.QuantizationError, match=r"'norm'.*axis \[1\]"):
        quantizable.fold(model)


def test_weights_of_the_float_network_stay_its_own():
    model = layer_networks.build("SeparableConv2D")
    before = model.get_weights()
    folded = quantizable.fold(model)
    folded.set_weights([np.zeros_like(value) for value in folded.get_weights()])
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_copies_keep_names_weights_sharing_and_arguments():
    keras.backend.reset_uids()
    image = keras.Input((4, 4, 3), name="image")
    twice = L.Conv2D(3, 1, name="twice")
    inner_image = keras.Input((4, 4, 3), name="inner_image")
    inner = keras.Model(inner_image, twice(inner_image) - 0.5, name="inner")
    model = keras.Model(image, inner(inner(image)), name="outer")
    copy = rebuilding.rebuild(model, lambda call, builder: None)
    assert copy.name == "outer"
    names = [layer.name for layer in copy.layers]
    assert names == ["image", "inner/twice", "inner/tf.math.subtract"]
    images = np.random.default_rng(0).uniform(-1, 1, (2, 4, 4, 3)).astype(np.float32)
    np.testing.assert_array_equal(copy(images), model(images))
