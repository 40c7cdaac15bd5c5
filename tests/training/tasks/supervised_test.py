"""Training by examples: resumption to the bit, best epoch, early stop, bfloat16."""

import dataclasses
import pathlib
import shutil

import numpy as np
import pytest
from tensorflow.python.summary import summary_iterator

from tfpipeline import errors
from tfpipeline.compat import keras, tf
from tfpipeline.configs import descriptor, recipe, run, task
from tfpipeline.data import splits
from tfpipeline.tasks import catalog, classification, kind
from tfpipeline.training import checkpoints, loop, progress, stages
from tfpipeline.training.tasks import supervised

_LAYERS = keras.layers
_CHECKPOINTS = (
    pathlib.Path(__file__).resolve().parents[2] / "golden/checkpoints/classification"
)


def _dataset(num_train=96, seed=0) -> splits.Dataset:
    generator = np.random.default_rng(seed)

    def split(count):
        labels = generator.integers(0, 3, count, np.int32)
        images = generator.integers(0, 96, (count, 8, 8, 3), np.uint8)
        images[np.arange(count), :, :, labels] += 96  # the class is a color
        return splits.Split(images, labels)

    return splits.Dataset(
        name="colors",
        class_names=("red", "green", "blue"),
        train=split(num_train),
        validation=split(24),
        test=split(24),
        train_indices=np.arange(num_train),
        validation_indices=np.arange(24),
    )


def _stage(**fields) -> loop.StageConfig:
    values = {
        "name": "float",
        "epochs": 4,
        "optimizer": recipe.Optimizer(
            name="sgd", learning_rate=0.05, schedule="cosine", nesterov=True
        ),
        "patience": 0,
        "seed": 3,
    }
    return loop.StageConfig(**{**values, **fields})


def _config(label_smoothing=0.1, **fields) -> supervised.Config:
    options = kind.Options(label_smoothing=label_smoothing)
    values = {
        "batch_size": 16,
        "augmentation": recipe.Augmentation(
            random_crop=1, horizontal_flip=True, gaussian_noise=0.05
        ),
        "objective": dataclasses.replace(classification.OF_LOGITS, options=options),
    }
    return supervised.Config(**{**values, **fields})


def _model(policy: str = "float32") -> keras.Model:
    stages.set_up_tensorflow(0)
    keras.mixed_precision.set_global_policy(policy)
    try:
        return _layers()
    finally:
        keras.mixed_precision.set_global_policy("float32")


def _layers() -> keras.Model:
    image = keras.Input((8, 8, 3))
    x = _LAYERS.Conv2D(4, 3, use_bias=False)(image)
    x = _LAYERS.BatchNormalization()(x)
    x = _LAYERS.ReLU()(x)
    x = _LAYERS.Dropout(0.3)(x)
    x = _LAYERS.Flatten()(x)
    return keras.Model(image, _LAYERS.Dense(3, dtype="float32")(x))


def _train(
    stage, folder, config=None, model=None, strategy=None, evaluated=None, after=None
):
    strategy = strategy or tf.distribute.get_strategy()
    if model is None:
        with strategy.scope():
            model = _model()
    task = supervised.task(
        stage,
        config or _config(),
        _dataset(),
        model,
        evaluated=evaluated,
        after_epoch=after,
    )
    result = loop.train(
        stage,
        model,
        task,
        strategy=strategy,
        folder=folder / "checkpoints",
        reporter=progress.Progress(folder, stage.name, stage.epochs),
    )
    return model, result


def _assert_equal(ours, theirs):
    for left, right in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(left, right)


class _Killed(Exception):
    pass


# Everything that a good recipe has, at once.
_RECIPE = {
    "optimizer": recipe.Optimizer(
        "sgd",
        learning_rate=0.05,
        nesterov=True,
        schedule="cosine_restarts",
        warmup_epochs=0.5,
        restart_epochs=1,
        clip_norm=0.5,
    ),
    "ema_decay": 0.8,
}
_MIXED = recipe.Augmentation(
    horizontal_flip=True,
    cutout=3,
    mixup_alpha=0.4,
    cutmix_alpha=1.0,
    mix_probability=0.8,
)


@pytest.mark.slow
def test_the_whole_recipe_resumes_to_the_same_bits(tmp_path):
    config = _config(augmentation=_MIXED)
    stage = _stage(epochs=3, **_RECIPE)
    whole, whole_result = _train(stage, tmp_path / "whole", config)
    calls = []

    def kill_in_third_epoch(model):
        calls.append(model)
        # Twice an epoch, of the weights and of their average.
        if len(calls) == 5:
            raise _Killed

    with pytest.raises(_Killed):
        _train(stage, tmp_path / "cut", config, after=kill_in_third_epoch)
    resumed, resumed_result = _train(stage, tmp_path / "cut", config)
    _assert_equal(whole.get_weights(), resumed.get_weights())
    _assert_equal(whole_result.best_weights, resumed_result.best_weights)
    for ours, theirs in zip(whole_result.history, resumed_result.history, strict=True):
        for name in ("loss", "accuracy", "val_loss", "learning_rate"):
            assert ours[name] == theirs[name]
    # The statistics of the normalization are averages, too.
    best = whole_result.best_weights
    assert all((a != b).any() for a, b in zip(best, whole.get_weights(), strict=True))


def test_targets_without_shares_are_not_mixed():
    objective = dataclasses.replace(
        classification.OF_LOGITS, kind=catalog.named("regression")
    )
    with pytest.raises(errors.UsageError, match=r"mix classes or labels.*regression"):
        _config(augmentation=_MIXED, objective=objective)
    with pytest.raises(errors.UsageError, match="leave them out"):
        run.Run(task=task.Task("regression"), augmentation=_MIXED)
    with pytest.raises(errors.UsageError, match="a descriptor is of one person"):
        descriptor.DescriptorRun(augmentation=_MIXED)
    with pytest.raises(errors.UsageError, match=r"--mixup_alpha: .*from 0\.05 to 100"):
        recipe.Augmentation(mixup_alpha=0.01)


@pytest.mark.slow
@pytest.mark.parametrize("devices", [None, ["CPU:0"]], ids=["default", "mirrored"])
def test_resumed_run_ends_with_the_same_weights(tmp_path, devices):
    strategy = devices and tf.distribute.MirroredStrategy(devices)
    whole, whole_result = _train(_stage(), tmp_path / "whole", strategy=strategy)

    epochs = []

    def kill_in_third_epoch(model):
        epochs.append(1)
        if len(epochs) == 3:
            raise _Killed

    with pytest.raises(_Killed):
        _train(_stage(), tmp_path / "cut", strategy=strategy, after=kill_in_third_epoch)
    assert checkpoints.load_newest(tmp_path / "cut" / "checkpoints").epoch == 2
    resumed, resumed_result = _train(_stage(), tmp_path / "cut", strategy=strategy)

    assert whole_result.best_epoch == resumed_result.best_epoch
    _assert_equal(whole.get_weights(), resumed.get_weights())
    _assert_equal(whole_result.best_weights, resumed_result.best_weights)
    timings = ("seconds", "images_per_second")
    for left, right in zip(whole_result.history, resumed_result.history, strict=True):
        assert {k: v for k, v in left.items() if k not in timings} == {
            k: v for k, v in right.items() if k not in timings
        }


@pytest.mark.slow
def test_another_seed_gives_other_weights(tmp_path):
    one, _ = _train(_stage(epochs=1), tmp_path / "one")
    two, _ = _train(_stage(epochs=1, seed=4), tmp_path / "two")
    assert not np.array_equal(one.get_weights()[0], two.get_weights()[0])


def test_learns_and_reports(tmp_path):
    _, result = _train(_stage(epochs=6), tmp_path, _config(label_smoothing=0.0))
    last = result.history[-1]
    # A third is chance; the three colors are easy.
    assert last["val_accuracy"] > 0.8
    assert [record["epoch"] for record in result.history] == [1, 2, 3, 4, 5, 6]
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert len(lines) == 6
    [events] = (tmp_path / "tensorboard" / "float").iterdir()
    told = {
        value.tag
        for event in summary_iterator.summary_iterator(str(events))
        for value in event.summary.value
    }
    assert {"val_loss", "keras"} <= told
    assert any(tag.startswith("weights/") for tag in told)
    text = progress.line(result.history, 6)
    for part in ("epoch   6/6", "loss", "accuracy", "images/s", "left 0:00"):
        assert part in text


@pytest.mark.slow
def test_best_epoch_has_the_lowest_validation_loss(tmp_path):
    model, result = _train(_stage(), tmp_path)
    losses = [record["val_loss"] for record in result.history]
    assert result.best_epoch == int(np.argmin(losses)) + 1
    state = checkpoints.load_newest(tmp_path / "checkpoints")
    _assert_equal(result.best_weights, state.best_weights)
    assert len(result.best_weights) == len(model.get_weights())


@pytest.mark.slow
def test_early_stopping_counts_epochs_without_a_lower_validation_loss(tmp_path):
    frozen = recipe.Optimizer(name="sgd", learning_rate=0.0)

    # Without movement the validation loss is the first epoch's ever after, but for
    # the moving averages of BatchNormalization; freeze those too.
    def freeze(model):
        for layer in model.layers:
            if isinstance(layer, _LAYERS.BatchNormalization):
                layer.set_weights([*layer.get_weights()[:2], np.zeros(4), np.ones(4)])

    stage = _stage(epochs=50, patience=3, optimizer=frozen)
    _, result = _train(stage, tmp_path, after=freeze)
    assert (result.best_epoch, len(result.history)) == (1, 4)


@pytest.mark.slow
def test_infinite_loss_stops_with_epoch_step_and_checkpoint(tmp_path):
    _train(_stage(epochs=1), tmp_path)
    broken = dataclasses.replace(
        _stage().optimizer, learning_rate=1e30, schedule="constant", weight_decay=0.0
    )
    with pytest.raises(errors.TrainingError) as raised:
        _train(_stage(epochs=3, optimizer=broken), tmp_path / "other")
    text = str(raised.value)
    assert "epoch 1, step" in text and "--learning_rate" in text
    assert "Last good checkpoint: None" in text
    assert checkpoints.load_newest(tmp_path / "checkpoints").epoch == 1


@pytest.mark.slow
def test_checkpoint_of_another_network_is_refused(tmp_path):
    _train(_stage(epochs=1), tmp_path)
    other = dataclasses.replace(_stage().optimizer, name="adam", nesterov=False)
    with pytest.raises(errors.StorageError, match="another network or optimizer"):
        _train(_stage(optimizer=other), tmp_path)


def test_fewer_images_than_a_batch_is_refused(tmp_path):
    with pytest.raises(errors.TrainingError, match="smaller --batch_size"):
        _train(_stage(), tmp_path, _config(batch_size=97))


@pytest.mark.slow
def test_bfloat16_trains_a_float32_twin(tmp_path):
    twin, trained = _model(), _model("mixed_bfloat16")
    _, result = _train(
        _stage(epochs=6),
        tmp_path,
        _config(label_smoothing=0.0),
        model=trained,
        evaluated=twin,
    )
    assert trained.layers[1].compute_dtype == "bfloat16"
    assert {weight.dtype for weight in trained.weights} == {tf.float32}
    _assert_equal(trained.get_weights(), twin.get_weights())
    assert result.history[-1]["val_accuracy"] > 0.8


@pytest.mark.slow
def test_a_checkpoint_of_an_earlier_version_is_resumed(tmp_path):
    folder = tmp_path / "checkpoints"
    shutil.copytree(_CHECKPOINTS, folder)
    stored = checkpoints.load_newest(folder)
    assert stored.epoch == 2
    # Nothing is left to do: what comes out is what was stored.
    model, result = _train(_stage(epochs=2), tmp_path)
    _assert_equal(model.get_weights(), stored.weights)
    _assert_equal(result.best_weights, stored.best_weights)
    assert result.history == stored.history

    model, result = _train(_stage(), tmp_path)
    assert result.history[:2] == stored.history
    assert [record["epoch"] for record in result.history] == [1, 2, 3, 4]
    assert [list(record) for record in result.history] == [list(stored.history[0])] * 4
    shutil.rmtree(folder)
    shutil.copytree(_CHECKPOINTS, folder)
    again, _ = _train(_stage(), tmp_path)
    _assert_equal(model.get_weights(), again.get_weights())
