"""The training loop with tasks of other shapes than the pipeline's own."""

import numpy as np
import pytest

from tfpipeline import errors
from tfpipeline.compat import keras, tf
from tfpipeline.configs import recipe
from tfpipeline.training import checkpoints, loop, progress, stages
from tfpipeline.training import task as task_lib

_LAYERS = keras.layers
_BATCH = 8


class _Killed(Exception):
    pass


def _stage(**fields) -> loop.StageConfig:
    values = {
        "name": "float",
        "epochs": 3,
        "optimizer": recipe.Optimizer(learning_rate=0.02),
        "patience": 0,
        "seed": 5,
    }
    return loop.StageConfig(**{**values, **fields})


def _examples(seed) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Points, and targets in a dictionary: a number, and a class of each."""
    points = np.random.default_rng(seed).normal(size=(48, 4)).astype(np.float32)
    value = points.sum(axis=1, keepdims=True)
    return points, {"value": value, "label": (value[:, 0] > 0).astype(np.int32)}


def _networks() -> tuple[keras.Model, keras.Model]:
    """A network of one output, and the same with a head that has another."""
    stages.set_up_tensorflow(0)
    point = keras.Input((4,))
    x = _LAYERS.Dense(6, activation="relu", name="trunk")(point)
    x = _LAYERS.Dropout(0.2)(x)
    scores = _LAYERS.Dense(2, name="scores")(x)
    value = _LAYERS.Dense(1, name="value")(x)
    return keras.Model(point, value), keras.Model(
        point, {"value": value, "scores": scores}
    )


def _loss(outputs, targets, values):
    squares = tf.square(outputs["value"] - targets["value"])
    entropy = keras.losses.sparse_categorical_crossentropy(
        targets["label"], outputs["scores"], from_logits=True
    )
    predicted = tf.argmax(outputs["scores"], axis=-1, output_type=tf.int32)
    table = tf.math.confusion_matrix(targets["label"], predicted, 2)
    loss = tf.reduce_mean(squares) + values["weight"] * tf.reduce_mean(entropy)
    return loss, {"squares": tf.reduce_sum(squares), "table": table}


def _figures(sums, examples):
    assert sums["table"].shape == (2, 2)
    return {
        "mse": sums["squares"] / examples,
        "recall": sums["table"][1, 1] / sums["table"][1].sum(),
        "counted": float(sums["table"].sum()),
    }


def _task(network, **fields) -> task_lib.Task:
    """Two targets, batches of a number that grows, a weight that grows, two sums."""
    points, targets = _examples(1)

    def epoch(number):
        steps = 3 + number
        order = np.random.default_rng([5, number]).permutation(len(points))
        order = order[: steps * _BATCH]
        chosen = (points[order], {name: t[order] for name, t in targets.items()})
        batches = tf.data.Dataset.from_tensor_slices(chosen).batch(_BATCH)
        return task_lib.Epoch(
            lambda part: batches, steps, len(order), {"weight": 0.5 * number}
        )

    def validate():
        held_out, wanted = _examples(2)
        found = network(held_out, training=False).numpy()
        return {"val_mse": float(np.mean((found - wanted["value"]) ** 2))}

    values = {
        "epoch": epoch,
        "steps_per_epoch": 4,
        "loss": _loss,
        "sums": ("squares", "table"),
        "figures": _figures,
        "validate": validate,
        "better": task_lib.lowest("val_mse"),
        "kept": network,
    }
    return task_lib.Task(**{**values, **fields})


def _train(folder, stage=None, **fields):
    network, model = _networks()
    stage = stage or _stage()
    result = loop.train(
        stage,
        model,
        _task(network, **fields),
        strategy=tf.distribute.get_strategy(),
        folder=folder,
        reporter=progress.Progress(None, stage.name, stage.epochs),
    )
    return network, model, result


def _assert_equal(ours, theirs):
    for left, right in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(left, right)


def _untimed(history):
    timings = ("seconds", "images_per_second")
    return [{k: v for k, v in r.items() if k not in timings} for r in history]


def test_any_nest_of_targets_any_sums_and_any_number_of_batches(tmp_path):
    network, model, result = _train(tmp_path, _stage(epochs=3))
    assert [record["counted"] for record in result.history] == [24, 32, 40]
    for record in result.history:
        assert 0 <= record["recall"] <= 1
    # Without the weight of the entropy the first epoch's loss is the squares alone.
    first = result.history[0]
    assert first["loss"] == pytest.approx(first["mse"], rel=1e-6)
    assert result.history[2]["loss"] > result.history[2]["mse"]
    measured = [record["val_mse"] for record in result.history]
    assert result.best_epoch == int(np.argmin(measured)) + 1
    # The head was trained and is in the checkpoints, and only there.
    assert len(result.best_weights) == len(network.get_weights()) == 4
    assert len(checkpoints.load_newest(tmp_path).weights) == 6
    _, fresh = _networks()
    before, after = (m.get_layer("scores").get_weights()[0] for m in (fresh, model))
    assert (before != after).any()


@pytest.mark.slow
def test_what_is_kept_is_found_wherever_it_stands_in_the_model(tmp_path):
    network, model, result = _train(tmp_path, better=task_lib.latest)
    # The head stands in front of the network's last layer in the model's order.
    shapes = [weight.shape for weight in model.get_weights()]
    assert shapes != [w.shape for w in network.get_weights()] + shapes[4:]
    _assert_equal(result.best_weights, network.get_weights())


def test_a_task_of_any_shape_resumes_to_the_same_bits(tmp_path):
    _, whole, whole_result = _train(tmp_path / "whole")
    seen = []

    def kill_in_second_epoch(model):
        seen.append(model)
        if len(seen) == 2:
            raise _Killed

    with pytest.raises(_Killed):
        _train(tmp_path / "cut", after_epoch=kill_in_second_epoch)
    _, resumed, resumed_result = _train(tmp_path / "cut")
    _assert_equal(whole.get_weights(), resumed.get_weights())
    _assert_equal(whole_result.best_weights, resumed_result.best_weights)
    assert _untimed(whole_result.history) == _untimed(resumed_result.history)


@pytest.mark.slow
def test_the_number_of_steps_a_call_changes_nothing(tmp_path, monkeypatch):
    found = []
    for steps in (2, 20):
        monkeypatch.setattr(loop, "_STEPS_PER_CALL", steps)
        found.append(_train(tmp_path / str(steps)))
    (_, two, two_result), (_, all_of_them, result) = found
    _assert_equal(two.get_weights(), all_of_them.get_weights())
    assert _untimed(two_result.history) == _untimed(result.history)


@pytest.mark.slow
def test_frozen_variables_stay_also_under_weight_decay(tmp_path):
    for mode in ("l2", "decoupled"):
        network, model = _networks()
        before = [variable.numpy() for variable in model.get_layer("trunk").variables]
        optimizer = recipe.Optimizer(weight_decay_mode=mode, weight_decay=0.1)
        stage = _stage(epochs=1, optimizer=optimizer)
        loop.train(
            stage,
            model,
            _task(network, frozen=model.get_layer("trunk").variables),
            strategy=tf.distribute.get_strategy(),
            folder=tmp_path / mode,
            reporter=progress.Progress(None, stage.name, stage.epochs),
        )
        _assert_equal(before, model.get_layer("trunk").get_weights())
        assert model.get_layer("value").get_weights()[1] != 0


@pytest.mark.slow
def test_a_teacher_stands_behind_the_loss(tmp_path):
    stages.set_up_tensorflow(0)
    teacher = keras.Sequential([keras.Input((4,)), _LAYERS.Dense(2)])
    student = keras.Sequential([keras.Input((4,)), _LAYERS.Dense(2)])
    points, _ = _examples(1)
    batches = tf.data.Dataset.from_tensor_slices((points, points)).batch(_BATCH)
    known = teacher.get_weights()

    def loss(outputs, inputs, values):
        del values
        wanted = teacher(inputs, training=False)
        return tf.reduce_mean(tf.square(outputs - wanted)), {}

    stage = _stage(
        epochs=60,
        optimizer=recipe.Optimizer(learning_rate=0.05, weight_decay=0.0),
    )
    result = loop.train(
        stage,
        student,
        task_lib.Task(
            epoch=lambda number: task_lib.Epoch(lambda part: batches, 6, 48),
            steps_per_epoch=6,
            loss=loss,
        ),
        strategy=tf.distribute.get_strategy(),
        folder=tmp_path,
        reporter=progress.Progress(tmp_path, stage.name, stage.epochs),
    )
    _assert_equal(known, teacher.get_weights())
    # Adam's steps of 0.05 in float32 end this near to a linear map.
    np.testing.assert_allclose(result.best_weights[0], known[0], atol=1e-3)
    assert result.best_epoch == 60
    text = progress.line(result.history, 60)
    assert "loss 0.0000" in text and "accuracy" not in text


def test_patience_counts_epochs_that_are_not_better(tmp_path):
    figures = iter([0.5, 0.7, 0.7, 0.6, 0.9])
    _, _, result = _train(
        tmp_path,
        _stage(epochs=5, patience=2),
        validate=lambda: {"val_f1": next(figures)},
        better=task_lib.highest("val_f1"),
    )
    assert (result.best_epoch, len(result.history)) == (2, 4)


@pytest.mark.default_cases(1)
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_figure_that_is_not_finite_stops_the_training(tmp_path, value):
    figures = iter([0.5, value])
    with pytest.raises(
        errors.TrainingError, match=rf"val_f1 is {value} at epoch 2.*epoch-00001\.npz"
    ):
        _train(tmp_path, validate=lambda: {"val_f1": next(figures)})
    assert checkpoints.load_newest(tmp_path).epoch == 1


def test_dropout_of_networks_in_a_network_is_restarted():
    stages.set_up_tensorflow(0)
    inner = keras.Sequential([keras.Input((50,)), _LAYERS.Dropout(0.5)])
    point = keras.Input((50,))
    model = keras.Model(point, inner(point))
    ones = np.ones((1, 50), np.float32)
    found = []
    for epoch in (0, 1, 0):
        loop.seed_dropout(model, 3, epoch)
        found.append(model(ones, training=True).numpy())
    np.testing.assert_array_equal(found[0], found[2])
    assert (found[0] != found[1]).any()


@pytest.mark.slow
def test_a_worker_that_is_not_the_chief_writes_nothing(tmp_path):
    network, model = _networks()
    loop.train(
        _stage(epochs=1),
        model,
        _task(network),
        strategy=tf.distribute.get_strategy(),
        folder=tmp_path,
        reporter=progress.Progress(None, "float", 1),
        writes=False,
    )
    assert not list(tmp_path.iterdir())


def test_the_better_epoch():
    low, high = {"figure": 1.0}, {"figure": 2.0}
    assert task_lib.lowest("figure")(low, high)
    assert not task_lib.lowest("figure")(low, low)
    assert task_lib.highest("figure")(high, low)
    assert not task_lib.highest("figure")(high, high)
    assert task_lib.latest(low, high)


@pytest.mark.slow
def test_compiled_steps_are_the_same_steps(monkeypatch, tmp_path):
    """XLA adds and fuses in another order, no more; dropout draws others, so: none."""
    monkeypatch.setattr(_LAYERS, "Dropout", lambda rate: _LAYERS.Activation("linear"))
    _, _, plain = _train(tmp_path / "plain", _stage(epochs=2))
    _, _, compiled = _train(tmp_path / "xla", _stage(epochs=2, jit_compile=True))
    assert plain.best_epoch == compiled.best_epoch
    for left, right in zip(plain.best_weights, compiled.best_weights, strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-4, atol=1e-6)
