"""Embedding: resumption to the bit, the best epoch, what is frozen or left behind."""

import dataclasses
import pathlib
import shutil
from unittest import mock

import numpy as np
import pytest

from tfpipeline import errors
from tfpipeline.compat import keras, tf
from tfpipeline.configs import descriptor, recipe
from tfpipeline.data import parts, splits
from tfpipeline.data.preprocessing import SIGNED
from tfpipeline.training import (
    checkpoints,
    descriptor_heads,
    loop,
    precision,
    progress,
    stages,
)
from tfpipeline.training.tasks import embedding

_LAYERS = keras.layers
_PEOPLE = 6
_CHECKPOINTS = (
    pathlib.Path(__file__).resolve().parents[2] / "golden/checkpoints/embedding"
)


def _split(seed=0) -> splits.Split:
    """Six people, each a gray of its own, eight photographs of each."""
    generator = np.random.default_rng(seed)
    labels = np.repeat(np.arange(_PEOPLE, dtype=np.int32), 8)
    images = generator.integers(0, 20, (len(labels), 8, 8, 1))
    images += 35 * labels[:, None, None, None]
    return splits.Split(images.astype(np.uint8), labels)


def _stage(**fields) -> loop.StageConfig:
    values = {
        "name": "float",
        "epochs": 3,
        "optimizer": recipe.Optimizer(learning_rate=0.01, schedule="cosine"),
        "patience": 0,
        "seed": 3,
    }
    return loop.StageConfig(**{**values, **fields})


def _config(loss="lifted", **fields) -> embedding.Config:
    values = {
        "people": 3,
        "images": 4,
        "groups_per_person": 2,
        "loss": descriptor.Loss(loss, arcface_scale=8.0, arcface_warmup_epochs=1),
        "augmentation": recipe.Augmentation(random_crop=1, horizontal_flip=True),
    }
    return embedding.Config(**{**values, **fields})


def _network() -> keras.Model:
    stages.set_up_tensorflow(0)
    image = keras.Input((8, 8, 1))
    x = _LAYERS.Conv2D(6, 3, strides=2)(image)
    x = _LAYERS.ReLU()(_LAYERS.BatchNormalization()(x))
    x = _LAYERS.Dropout(0.2)(x)
    return keras.Model(image, _LAYERS.GlobalAveragePooling2D()(x))


def _train(
    folder,
    stage=None,
    config=None,
    network=None,
    *,
    strategy=None,
    head=(),
    **options,
):
    stage, config = stage or _stage(), config or _config()
    strategy = strategy or tf.distribute.get_strategy()
    with strategy.scope():
        network = network or _network()
        model = descriptor_heads.with_head(network, _PEOPLE, config.loss)
    if head:
        model.set_weights([*network.get_weights(), *head])
    return loop.train(
        stage,
        model,
        embedding.task(stage, config, _split(), network, **options),
        strategy=strategy,
        folder=folder,
        reporter=progress.Progress(None, stage.name, stage.epochs),
    )


def _assert_equal(ours, theirs):
    for left, right in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(left, right)


@pytest.mark.parametrize(
    "loss",
    [
        "lifted",
        pytest.param("cross_entropy", marks=pytest.mark.slow),
        pytest.param("arcface", marks=pytest.mark.slow),
    ],
)
def test_the_loss_falls(tmp_path, loss):
    # No margin that grows meanwhile, and the loss with it.
    chosen = descriptor.Loss(
        loss, arcface_scale=8.0, arcface_margin=0.1, arcface_warmup_epochs=0
    )
    config = dataclasses.replace(_config(), loss=chosen)
    result = _train(tmp_path, _stage(epochs=6), config)
    losses = [record["loss"] for record in result.history]
    assert losses[-1] < losses[0]
    assert result.best_epoch == 6


@pytest.mark.slow
@pytest.mark.parametrize(
    "devices",
    [None, pytest.param(["CPU:0"], marks=pytest.mark.slow)],
    ids=["default", "mirrored"],
)
def test_a_killed_training_resumes_to_the_same_weights(tmp_path, devices):
    figures = [{"val_accuracy": value} for value in (0.2, 0.4, 0.3)]
    options = {
        "config": _config("arcface"),
        "strategy": devices and tf.distribute.MirroredStrategy(devices),
    }
    validate = mock.Mock(side_effect=figures)
    whole = _train(tmp_path / "whole", validate=validate, **options)

    # Killed in the second epoch, before its checkpoint is written.
    validate = mock.Mock(side_effect=[figures[0], KeyboardInterrupt])
    with pytest.raises(KeyboardInterrupt):
        _train(tmp_path / "cut", validate=validate, **options)
    assert checkpoints.load_newest(tmp_path / "cut").epoch == 1
    validate = mock.Mock(side_effect=figures[1:])
    resumed = _train(tmp_path / "cut", validate=validate, **options)
    assert resumed.best_epoch == whole.best_epoch == 2
    _assert_equal(resumed.best_weights, whole.best_weights)
    last = [checkpoints.load_newest(tmp_path / name) for name in ("cut", "whole")]
    _assert_equal(last[0].weights, last[1].weights)
    _assert_equal(last[0].optimizer, last[1].optimizer)
    assert [r["loss"] for r in resumed.history] == [r["loss"] for r in whole.history]


@pytest.mark.slow
def test_validation_chooses_the_epoch_and_the_weights_are_its(tmp_path):
    network, seen = _network(), []

    def validate():
        seen.append(network.get_weights())
        return {"val_accuracy": (0.6, 0.9, 0.9)[len(seen) - 1]}

    result = _train(tmp_path, network=network, validate=validate)
    assert result.best_epoch == 2
    _assert_equal(result.best_weights, seen[1])


@pytest.mark.slow
def test_training_stops_when_validation_does_not_improve(tmp_path):
    figures = [{"val_accuracy": value} for value in (0.5, 0.4, 0.5, 0.9)]
    stage = _stage(epochs=4, patience=2)
    result = _train(tmp_path, stage, validate=mock.Mock(side_effect=figures))
    assert (result.best_epoch, len(result.history)) == (1, 3)


@pytest.mark.slow
def test_a_float32_twin_gets_what_bfloat16_trains(tmp_path):
    twin = _network()
    with precision.computing_in("bfloat16"):
        network = _network()
    seen = []

    def validate():
        seen.append(twin.get_weights())
        return {"val_accuracy": 0.5}

    stage = _stage(epochs=1)
    result = _train(tmp_path, stage, network=network, validate=validate, evaluated=twin)
    assert network.layers[1].compute_dtype == "bfloat16"
    _assert_equal(seen[0], result.best_weights)
    _assert_equal(seen[0], network.get_weights())


@pytest.mark.parametrize(("people", "replicas"), [(3, 2), (2, 2), (5, 3)])
def test_people_that_devices_cannot_share_are_refused(people, replicas):
    with pytest.raises(errors.UsageError, match="a multiple of the number of devices"):
        embedding.task(
            _stage(), _config(people=people), _split(), _network(), replicas=replicas
        )


def test_devices_share_people_evenly():
    task = embedding.task(_stage(), _config(people=4), _split(), _network(), replicas=2)
    assert task.epoch(0).examples == task.epoch(0).steps * 16


@pytest.mark.slow
def test_checkpoint_of_another_loss_is_refused(tmp_path):
    _train(tmp_path, _stage(epochs=1), _config("arcface"))
    with pytest.raises(errors.StorageError, match="another network or optimizer"):
        _train(tmp_path, _stage(epochs=2), _config("lifted"))


@pytest.mark.slow
def test_a_checkpoint_of_an_earlier_version_is_resumed(tmp_path):
    shutil.copytree(_CHECKPOINTS, tmp_path / "one")
    shutil.copytree(_CHECKPOINTS, tmp_path / "two")
    stored = checkpoints.load_newest(tmp_path / "one")
    assert stored.epoch == 2
    config = _config("arcface")
    # Nothing is left to do: what comes out is what was stored, but for the head.
    result = _train(tmp_path / "one", _stage(epochs=2), config)
    _assert_equal([*result.best_weights, stored.weights[-1]], stored.best_weights)
    assert result.history == stored.history

    results = [_train(tmp_path / name, config=config) for name in ("one", "two")]
    _assert_equal(results[0].best_weights, results[1].best_weights)
    for result in results:
        assert result.history[:2] == stored.history
        assert [list(each) for each in result.history] == [list(stored.history[0])] * 3


@pytest.mark.slow
def test_a_loss_that_is_not_finite_stops_with_its_step(tmp_path):
    optimizer = recipe.Optimizer(name="sgd", learning_rate=1e30)
    with pytest.raises(errors.TrainingError, match="at epoch 1, step"):
        _train(tmp_path, _stage(optimizer=optimizer, epochs=1))


def test_batches_without_pairs_are_refused():
    for fields in ({"people": 1}, {"images": 1}):
        with pytest.raises(errors.UsageError, match="there are no pairs"):
            _config(**fields)


def test_more_people_than_there_are(tmp_path):
    with pytest.raises(errors.DataError, match="a batch needs 7 people"):
        _train(tmp_path, config=_config(people=7))


@pytest.mark.slow
def test_what_is_frozen_stays_and_the_rest_moves(tmp_path):
    network = _network()
    before = network.get_weights()
    # The convolution's kernel and bias.
    frozen = network.variables[:2]
    _train(tmp_path, _stage(epochs=1), network=network, frozen=frozen)
    after = network.get_weights()
    _assert_equal(before[:2], after[:2])
    assert (before[2] != after[2]).any()


@pytest.mark.slow
def test_a_given_head_is_what_training_starts_with(tmp_path):
    network = _network()
    head = [np.full((6, _PEOPLE), 0.5, np.float32), np.ones(_PEOPLE, np.float32)]
    # Steps that float32 cannot see beside a half.
    still = recipe.Optimizer(learning_rate=1e-12)
    _train(tmp_path, _stage(epochs=1, optimizer=still), network=network, head=head)
    kept = checkpoints.load_newest(tmp_path).weights[len(network.get_weights()) :]
    _assert_equal(head, kept)


def test_raw_pixels_are_the_photographs_own():
    pixels = np.arange(256, dtype=np.uint8)
    found = embedding.as_raw(SIGNED.real(pixels))
    np.testing.assert_array_equal(found, pixels.astype(np.float32))


def test_raw_batches_hold_the_same_photographs():
    plain, raw = (
        embedding.task(_stage(), _config(raw_pixels=raw), _split(), _network())
        for raw in (False, True)
    )
    batches = zip(
        plain.epoch(1).batches(parts.WHOLE),
        raw.epoch(1).batches(parts.WHOLE),
        strict=True,
    )
    for (images, labels), (raw_images, raw_labels) in batches:
        np.testing.assert_array_equal(embedding.as_raw(images), raw_images)
        np.testing.assert_array_equal(labels, raw_labels)
