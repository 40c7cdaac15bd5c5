"""Averages of weights: the rule, all floats, and what is validated and kept."""

import numpy as np
import pytest

from tests.training import loop_test
from tfpipeline.compat import keras, tf
from tfpipeline.quantization.tflite import ranges
from tfpipeline.training import averages, checkpoints, loop, stages


def _network() -> keras.Model:
    stages.set_up_tensorflow(0)
    return keras.Sequential(
        [keras.Input((3,)), keras.layers.Dense(2), keras.layers.BatchNormalization()]
    )


def _averages(model, decay=0.9):
    return averages.of(model, decay, tf.distribute.get_strategy())


def test_the_rule_and_that_statistics_are_averaged_as_well():
    model = _network()
    tracked = _averages(model)
    expected = [w.astype(np.float64) for w in model.get_weights()]
    generator = np.random.default_rng(0)
    for step in range(1, 120):
        weights = [generator.normal(size=w.shape) for w in expected]
        model.set_weights(weights)
        tracked.update(tf.constant(step, tf.int64))
        decay = min(0.9, (1 + step) / (10 + step))
        expected = [
            decay * e + (1 - decay) * w for e, w in zip(expected, weights, strict=True)
        ]
    assert len(tracked.values()) == len(expected) == 6
    for found, wanted in zip(tracked.values(), expected, strict=True):
        # float32 against float64.
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


def test_what_never_changes_is_its_own_average_to_the_bit():
    model = _network()
    values = [np.full(w.shape, 1 / 3, np.float32) for w in model.get_weights()]
    model.set_weights(values)
    tracked = _averages(model, 0.999)
    for step in range(1, 50):
        tracked.update(tf.constant(step))
    loop_test._assert_equal(tracked.values(), values)


def test_the_network_gets_its_own_weights_back_also_after_an_error():
    model = _network()
    before = model.get_weights()
    tracked = _averages(model)
    tracked.restore([w + 1 for w in before])
    seen = []
    with pytest.raises(KeyError), tracked.in_place(seen.append):
        assert seen == [model]
        loop_test._assert_equal(model.get_weights(), [w + 1 for w in before])
        raise KeyError
    loop_test._assert_equal(model.get_weights(), before)


def test_no_decay_is_no_average():
    assert _averages(_network(), 0.0) is None


@pytest.mark.slow
def test_training_validates_and_keeps_the_averages(tmp_path):
    stage = loop_test._stage(ema_decay=0.8)
    network, model, result = loop_test._train(tmp_path / "averaged", stage)
    _, plain_model, plain = loop_test._train(tmp_path / "plain")
    # They change nothing in what is trained.
    loop_test._assert_equal(model.get_weights(), plain_model.get_weights())
    for ours, theirs in zip(result.history, plain.history, strict=True):
        assert ours["loss"] == theirs["loss"]
        assert ours["val_mse"] != theirs["val_mse"]
    # What is kept is what gave the figure.
    network.set_weights(result.best_weights)
    points, wanted = loop_test._examples(2)
    found = network(points, training=False).numpy()
    best = result.history[result.best_epoch - 1]
    assert best["val_mse"] == float(np.mean((found - wanted["value"]) ** 2))
    state = checkpoints.load_newest(tmp_path / "averaged")
    assert len(state.averages) == 6
    assert not checkpoints.load_newest(tmp_path / "plain").averages
    assert any(
        (a != b).any() for a, b in zip(state.averages, state.weights, strict=True)
    )


@pytest.mark.slow
def test_a_killed_training_resumes_to_the_same_averages(tmp_path):
    stage = loop_test._stage(ema_decay=0.8)
    _, whole, whole_result = loop_test._train(tmp_path / "whole", stage)
    seen = []

    def kill_in_second_epoch(model):
        seen.append(model)
        # Once for the weights and once for their averages.
        if len(seen) == 4:
            raise loop_test._Killed

    with pytest.raises(loop_test._Killed):
        loop_test._train(tmp_path / "cut", stage, after_epoch=kill_in_second_epoch)
    assert checkpoints.load_newest(tmp_path / "cut").epoch == 1
    _, resumed, resumed_result = loop_test._train(tmp_path / "cut", stage)
    loop_test._assert_equal(whole.get_weights(), resumed.get_weights())
    loop_test._assert_equal(whole_result.best_weights, resumed_result.best_weights)
    ours, theirs = (
        checkpoints.load_newest(tmp_path / name).averages for name in ("whole", "cut")
    )
    loop_test._assert_equal(ours, theirs)


@pytest.mark.slow
def test_clipped_gradients_resume_and_matter(tmp_path):
    def stage(clip_norm):
        optimizer = loop_test.recipe.Optimizer(
            "sgd", learning_rate=0.05, clip_norm=clip_norm
        )
        return loop_test._stage(epochs=1, optimizer=optimizer)

    weights = {}
    for clip_norm in (0.0, 1e-3, 1e6):
        _, model, _ = loop_test._train(tmp_path / str(clip_norm), stage(clip_norm))
        weights[clip_norm] = model.get_weights()
    loop_test._assert_equal(weights[0.0], weights[1e6])
    start = loop_test._networks()[1].get_weights()
    moved = np.sqrt(
        sum(np.sum((a - b) ** 2) for a, b in zip(weights[1e-3], start, strict=True))
    )
    # Three steps at 0.05 of gradients of length 0.001 and of weight decay, whose part
    # is below 0.0001 x the kernels; momentum 0.9 makes of them at most 1 + 1.9 + 2.71.
    assert 0 < moved < 0.05 * 5.61 * (1e-3 + 1e-4 * 5)


def test_ranges_of_fake_quantization_fit_the_averaged_kernels(tmp_path):
    del tmp_path
    from tfpipeline.quantization.tflite import int8

    stages.set_up_tensorflow(0)
    point = keras.Input((4, 4, 1))
    x = keras.layers.Conv2D(2, 3, activation="relu")(point)
    network = keras.Model(point, keras.layers.Dense(2)(keras.layers.Flatten()(x)))
    images = np.random.default_rng(0).uniform(-1, 0.99, (8, 4, 4, 1))
    model = int8.prepare_qat(network, images.astype(np.float32))
    tracked = _averages(model, 0.5)
    model.set_weights(
        [w * 3 if w.dtype == np.float32 else w + 1 for w in model.get_weights()]
    )
    tracked.update(tf.constant(1))
    live = model.get_weights()
    with tracked.in_place(ranges.set_from_weights):
        for entry in ranges.find(model):
            if entry.role in ranges.WEIGHT_ROLES:
                kernel = ranges.float_weight(model, entry).numpy()
                assert entry.maximum.numpy().max() == np.abs(kernel).max()
        # Counters are no floats, and are as they are.
        for ours, theirs in zip(model.get_weights(), live, strict=True):
            if ours.dtype.kind == "i":
                np.testing.assert_array_equal(ours, theirs)
    loop_test._assert_equal(model.get_weights(), live)
    assert isinstance(_stage_of_qat(), loop.StageConfig)


def _stage_of_qat() -> loop.StageConfig:
    from tfpipeline.configs import recipe, run
    from tfpipeline.jobs import classifier

    config = run.Run(training=recipe.Training(ema_decay=0.99))
    stage = classifier._qat_stage(config, "qat")
    assert stage.ema_decay == 0.99
    return stage
