"""Training of descriptors: what a head adds, resumption to the bit, the best epoch."""

import dataclasses
from unittest import mock

import numpy as np
import pytest

from tfpipeline import errors
from tfpipeline.compat import keras, tf
from tfpipeline.data import augmentation, pipeline, splits
from tfpipeline.training import (
    checkpoints,
    descriptor_heads,
    descriptor_loop,
    optimizers,
    progress,
    stages,
)

_LAYERS = keras.layers
_PEOPLE = 6


def _split(seed=0) -> splits.Split:
    """Six people, each a gray of its own, eight photographs of each."""
    generator = np.random.default_rng(seed)
    labels = np.repeat(np.arange(_PEOPLE, dtype=np.int32), 8)
    images = generator.integers(0, 20, (len(labels), 8, 8, 1))
    images += 35 * labels[:, None, None, None]
    return splits.Split(images.astype(np.uint8), labels)


def _stage(loss="lifted", **fields) -> descriptor_loop.StageConfig:
    values = {
        "name": "float",
        "epochs": 3,
        "people": 3,
        "images": 4,
        "groups_per_person": 2,
        "loss": descriptor_heads.LossConfig(
            loss, arcface_scale=8.0, arcface_warmup_epochs=1
        ),
        "optimizer": optimizers.OptimizerConfig(learning_rate=0.01, schedule="cosine"),
        "augmentation": augmentation.Augmentation(random_crop=1, horizontal_flip=True),
        "seed": 3,
    }
    return descriptor_loop.StageConfig(**{**values, **fields})


def _network() -> keras.Model:
    stages.set_up_tensorflow(0)
    image = keras.Input((8, 8, 1))
    x = _LAYERS.Conv2D(6, 3, strides=2)(image)
    x = _LAYERS.ReLU()(_LAYERS.BatchNormalization()(x))
    x = _LAYERS.Dropout(0.2)(x)
    return keras.Model(image, _LAYERS.GlobalAveragePooling2D()(x))


def _train(folder, stage=None, network=None, validate=None, split=None, **start):
    stage = stage or _stage()
    return descriptor_loop.train(
        stage,
        network or _network(),
        split or _split(),
        validate=validate,
        folder=folder,
        reporter=progress.Progress(None, stage.name, stage.epochs),
        **start,
    )


@pytest.mark.parametrize(
    "loss",
    [
        "lifted",
        pytest.param("cross_entropy", marks=pytest.mark.slow),
        pytest.param("arcface", marks=pytest.mark.slow),
    ],
)
def test_the_loss_falls(tmp_path, loss):
    stage = _stage(epochs=6)
    # No margin that grows meanwhile, and the loss with it.
    chosen = descriptor_heads.LossConfig(
        loss, arcface_scale=8.0, arcface_margin=0.1, arcface_warmup_epochs=0
    )
    result = _train(tmp_path, dataclasses.replace(stage, loss=chosen))
    losses = [record["loss"] for record in result.history]
    assert losses[-1] < losses[0]
    assert result.best_epoch == 6


def test_a_killed_training_resumes_to_the_same_weights(tmp_path):
    whole = _train(tmp_path / "whole", _stage("arcface"))

    stage = _stage("arcface")
    # Killed in the second epoch, before its checkpoint is written.
    validate = mock.Mock(side_effect=[{}, KeyboardInterrupt])
    with pytest.raises(KeyboardInterrupt):
        _train(tmp_path / "cut", stage, validate=validate)
    resumed = _train(tmp_path / "cut", stage)
    for ours, theirs in zip(resumed.best_weights, whole.best_weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert [r["loss"] for r in resumed.history] == [r["loss"] for r in whole.history]


def test_validation_chooses_the_epoch_and_the_weights_are_its(tmp_path):
    network, seen = _network(), []

    def validate():
        seen.append(network.get_weights())
        return {"val_accuracy": (0.6, 0.9, 0.9)[len(seen) - 1]}

    result = _train(tmp_path, network=network, validate=validate)
    assert result.best_epoch == 2
    assert len(result.best_weights) == len(seen[1])
    for ours, theirs in zip(result.best_weights, seen[1], strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_checkpoint_of_another_loss_is_refused(tmp_path):
    _train(tmp_path, _stage("arcface", epochs=1))
    with pytest.raises(errors.StorageError, match="another network or optimizer"):
        _train(tmp_path, _stage("lifted", epochs=2))


def test_a_loss_that_is_not_finite_stops_with_its_step(tmp_path):
    optimizer = optimizers.OptimizerConfig(name="sgd", learning_rate=1e30)
    with pytest.raises(errors.TrainingError, match="at epoch 1, step"):
        _train(tmp_path, _stage(optimizer=optimizer, epochs=1))


def test_batches_without_pairs_are_refused():
    for fields in ({"people": 1}, {"images": 1}):
        with pytest.raises(errors.UsageError, match="there are no pairs"):
            _stage(**fields)


def test_more_people_than_there_are(tmp_path):
    with pytest.raises(errors.DataError, match="a batch needs 7 people"):
        _train(tmp_path, _stage(people=7))


def test_the_head_stands_behind_the_network_and_shares_its_layers():
    network = _network()
    loss = descriptor_heads.LossConfig("arcface")
    model = descriptor_heads.with_head(network, 5, loss)
    descriptors, scores = model(np.zeros((2, 8, 8, 1), np.float32))
    assert descriptors.shape == (2, 6) and scores.shape == (2, 5)
    own = network.get_weights()
    for ours, theirs in zip(own, model.get_weights(), strict=False):
        np.testing.assert_array_equal(ours, theirs)
    assert len(model.get_weights()) == len(own) + 1


def test_the_margin_grows_after_the_warm_up():
    loss = descriptor_heads.LossConfig(
        "arcface", arcface_margin=0.6, arcface_warmup_epochs=2
    )
    found = [loss.margin_in(epoch) for epoch in range(6)]
    # Thirds of 0.6 are not exact in float64.
    np.testing.assert_allclose(found, [0, 0, 0.2, 0.4, 0.6, 0.6], rtol=1e-12)
    at_once = dataclasses.replace(loss, arcface_warmup_epochs=0)
    assert at_once.margin_in(0) == 0.6


def test_total_adds_the_weighted_lifted_loss():
    rows = tf.constant([[0.0, 1.0], [1.0, 1.0], [0.5, 0.0], [2.0, 0.0]])
    scores, labels = tf.eye(4), tf.constant([0, 0, 1, 1])

    def total(**fields):
        loss = descriptor_heads.LossConfig(**fields)
        return float(descriptor_heads.total(loss, rows, scores, labels, 0.0))

    plain = total(name="cross_entropy")
    once = total(name="lifted", lifted_weight=1.0) - plain
    # Differences of float32 sums.
    assert total(name="lifted", lifted_weight=3.0) - plain == pytest.approx(
        3 * once, rel=1e-5
    )
    assert once > 0


def test_losses_that_cannot_be():
    with pytest.raises(errors.UsageError, match="loss must be one of lifted, cross"):
        descriptor_heads.LossConfig("triplet")
    with pytest.raises(errors.UsageError, match="no label smoothing"):
        descriptor_heads.LossConfig("arcface", label_smoothing=0.1)


def test_what_is_frozen_stays_and_the_rest_moves(tmp_path):
    network = _network()
    before = network.get_weights()
    # The convolution's kernel and bias.
    _train(tmp_path, _stage(epochs=1), network, frozen=network.variables[:2])
    after = network.get_weights()
    for old, new in zip(before[:2], after[:2], strict=True):
        np.testing.assert_array_equal(old, new)
    assert (before[2] != after[2]).any()


def test_a_given_head_is_what_training_starts_with(tmp_path):
    network = _network()
    head = [np.full((6, _PEOPLE), 0.5, np.float32), np.ones(_PEOPLE, np.float32)]
    # Steps that float32 cannot see beside a half.
    still = optimizers.OptimizerConfig(learning_rate=1e-12)
    _train(tmp_path, _stage(epochs=1, optimizer=still), network, head=head)
    kept = checkpoints.load_newest(tmp_path).weights[len(network.get_weights()) :]
    for old, new in zip(head, kept, strict=True):
        np.testing.assert_array_equal(old, new)


def test_raw_pixels_are_the_photographs_own():
    pixels = np.arange(256, dtype=np.uint8)
    found = descriptor_loop.as_raw(pipeline.normalized(pixels))
    np.testing.assert_array_equal(found, pixels.astype(np.float32))
