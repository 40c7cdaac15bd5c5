"""Optimizers: schedules by formula, and the two kinds of weight decay."""

import math

import numpy as np
import pytest

from tfpipeline import errors
from tfpipeline.compat import tf
from tfpipeline.configs import recipe
from tfpipeline.training import optimizers


def _rates(config, epochs=4, steps_per_epoch=5):
    variable = tf.Variable(np.ones((2, 2), np.float32))
    optimizer = optimizers.build(
        config, steps_per_epoch=steps_per_epoch, epochs=epochs, variables=[variable]
    )
    rates = []
    for _ in range(epochs * steps_per_epoch):
        optimizer.apply_gradients([(tf.zeros((2, 2)), variable)])
        rates.append(float(optimizer.learning_rate))  # of the step just done
    return rates


def test_constant():
    config = recipe.Optimizer(learning_rate=0.25, weight_decay=0.0)
    assert _rates(config) == [0.25] * 20


def test_step_multiplies_after_each_milestone():
    config = recipe.Optimizer(
        learning_rate=1.0, schedule="step", milestones=(1, 3), decay=0.5
    )
    # Keras' PiecewiseConstantDecay keeps the old value at the boundary itself.
    expected = [1.0] * 6 + [0.5] * 10 + [0.25] * 4
    assert _rates(config) == expected


def test_cosine_with_warmup_rises_then_falls_to_a_hundredth():
    config = recipe.Optimizer(learning_rate=0.1, schedule="cosine", warmup_epochs=1)
    rates = _rates(config)
    np.testing.assert_allclose(rates[:5], [0.0, 0.02, 0.04, 0.06, 0.08], rtol=1e-6)
    for step in range(15):
        expected = 0.1 * (0.99 * (1 + math.cos(math.pi * step / 15)) / 2 + 0.01)
        # float32 arithmetic of the schedule.
        assert rates[5 + step] == pytest.approx(expected, rel=1e-5)


def test_cosine_with_restarts_rises_then_falls_again_and_again():
    config = recipe.Optimizer(
        learning_rate=0.1,
        schedule="cosine_restarts",
        warmup_epochs=1,
        restart_epochs=1,
        restart_factor=2,
    )
    rates = _rates(config)
    np.testing.assert_allclose(rates[:5], [0.0, 0.02, 0.04, 0.06, 0.08], rtol=1e-6)

    def fall(steps):
        part = np.arange(steps) / steps
        return 0.1 * (0.99 * (1 + np.cos(np.pi * part)) / 2 + 0.01)

    # float32 arithmetic of the schedule, and its division into periods.
    np.testing.assert_allclose(rates[5:10], fall(5), rtol=1e-4)
    np.testing.assert_allclose(rates[10:], fall(10), rtol=1e-4)


def test_a_restored_step_restores_the_schedule_of_restarts():
    config = recipe.Optimizer(schedule="cosine_restarts", warmup_epochs=0.5)
    schedule = optimizers._learning_rate(config, 4, 8)
    rebuilt = type(schedule)(
        schedule.get_config()["schedule"], schedule.get_config()["steps"]
    )
    assert float(schedule(13)) == float(rebuilt(13)) > 0


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        # SGD, rate 0.1, gradient 1, weight 2, decay 0.5: L2 adds 0.5 x 2 to the
        # gradient, which the training loop does, so the optimizer sees the gradient.
        ("l2", 2.0 - 0.1 * 1.0),
        # Decoupled: the kernel also loses rate x decay x kernel = 0.1.
        ("decoupled", 2.0 - 0.1 * 0.5 * 2.0 - 0.1 * 1.0),
    ],
)
def test_weight_decay_acts_on_kernels_only(mode, expected):
    config = recipe.Optimizer(
        name="sgd",
        learning_rate=0.1,
        momentum=0.0,
        weight_decay=0.5,
        weight_decay_mode=mode,
    )
    kernel = tf.Variable(np.full((1, 1), 2.0, np.float32), name="kernel")
    bias = tf.Variable(np.full((1,), 2.0, np.float32), name="bias")
    optimizer = optimizers.build(
        config, steps_per_epoch=1, epochs=1, variables=[kernel, bias]
    )
    optimizer.apply_gradients([(tf.ones((1, 1)), kernel), (tf.ones((1,)), bias)])
    assert kernel.numpy()[0, 0] == pytest.approx(expected, rel=1e-6)
    assert bias.numpy()[0] == pytest.approx(1.9, rel=1e-6)
    assert config.l2 == (0.5 if mode == "l2" else 0.0)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"name": "lion"}, "--optimizer must be one of adam, sgd"),
        ({"schedule": "cubic"}, "schedule must be one of constant, cosine, cosine_re"),
        ({"weight_decay_mode": "l1"}, "must be one of l2, decoupled"),
        ({"warmup_epochs": 1.0}, "cosine or cosine_restarts; found constant"),
        ({"restart_factor": 0.5}, "restart_factor must be 1 or more"),
        ({"clip_norm": -1.0}, "--clip_norm must be 0 or more"),
        ({"schedule": "step"}, "needs --learning_rate_milestones"),
    ],
)
def test_refused(fields, message):
    with pytest.raises(errors.UsageError, match=message):
        recipe.Optimizer(**fields)


def test_warmup_longer_than_the_stage_is_refused():
    config = recipe.Optimizer(schedule="cosine", warmup_epochs=4)
    with pytest.raises(errors.UsageError, match="less than the 4 epochs"):
        _rates(config)
