"""What stands on a descriptor network in training: its weights, margin and loss."""

import dataclasses

import numpy as np
import pytest

from tfpipeline import errors
from tfpipeline.compat import keras, tf
from tfpipeline.configs import descriptor
from tfpipeline.training import descriptor_heads


def _network() -> keras.Model:
    image = keras.Input((8, 8, 1))
    x = keras.layers.Conv2D(6, 3, strides=2)(image)
    return keras.Model(image, keras.layers.GlobalAveragePooling2D()(x))


def test_the_head_stands_behind_the_network_and_shares_its_layers():
    network = _network()
    loss = descriptor.Loss("arcface")
    model = descriptor_heads.with_head(network, 5, loss)
    descriptors, scores = model(np.zeros((2, 8, 8, 1), np.float32))
    assert descriptors.shape == (2, 6) and scores.shape == (2, 5)
    own = network.get_weights()
    for ours, theirs in zip(own, model.get_weights(), strict=False):
        np.testing.assert_array_equal(ours, theirs)
    assert len(model.get_weights()) == len(own) + 1


def test_the_margin_grows_after_the_warm_up():
    loss = descriptor.Loss("arcface", arcface_margin=0.6, arcface_warmup_epochs=2)
    found = [loss.margin_in(epoch) for epoch in range(6)]
    # Thirds of 0.6 are not exact in float64.
    np.testing.assert_allclose(found, [0, 0, 0.2, 0.4, 0.6, 0.6], rtol=1e-12)
    at_once = dataclasses.replace(loss, arcface_warmup_epochs=0)
    assert at_once.margin_in(0) == 0.6


def test_total_adds_the_weighted_lifted_loss():
    rows = tf.constant([[0.0, 1.0], [1.0, 1.0], [0.5, 0.0], [2.0, 0.0]])
    scores, labels = tf.eye(4), tf.constant([0, 0, 1, 1])

    def total(**fields):
        loss = descriptor.Loss(**fields)
        return float(descriptor_heads.total(loss, rows, scores, labels, 0.0))

    plain = total(name="cross_entropy")
    once = total(name="lifted", lifted_weight=1.0) - plain
    # Differences of float32 sums.
    assert total(name="lifted", lifted_weight=3.0) - plain == pytest.approx(
        3 * once, rel=1e-5
    )
    assert once > 0


def test_losses_that_cannot_be():
    with pytest.raises(errors.UsageError, match="--loss must be one of lifted, cross"):
        descriptor.Loss("triplet")
    with pytest.raises(errors.UsageError, match="--label_smoothing does not go with"):
        descriptor.Loss("arcface", label_smoothing=0.1)
