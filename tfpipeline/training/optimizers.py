"""Optimizers, learning-rate schedules and the two kinds of weight decay."""

from typing import Any

from tfpipeline.compat import keras, tf
from tfpipeline.configs import recipe

# Cosine schedules end at this fraction of the learning rate.
_COSINE_END = 0.01


def build(
    config: recipe.Optimizer,
    *,
    steps_per_epoch: int,
    epochs: int,
    variables: list,
) -> keras.optimizers.Optimizer:
    """The Keras optimizer of `config`, with its variables created.

    The learning rate is a function of the optimizer's own step counter, so restoring
    the optimizer's variables restores the schedule.

    Args:
        config: see there.
        steps_per_epoch: batches an epoch.
        epochs: length of the schedule.
        variables: the trainable variables.
    """
    rate = _learning_rate(config, steps_per_epoch, epochs)
    decoupled = config.weight_decay if config.weight_decay_mode == "decoupled" else 0.0
    common = {"learning_rate": rate, "weight_decay": decoupled or None}
    if config.name == "adam":
        optimizer = keras.optimizers.Adam(**common)
    else:
        optimizer = keras.optimizers.SGD(
            momentum=config.momentum, nesterov=config.nesterov, **common
        )
    if decoupled:
        optimizer.exclude_from_weight_decay(
            var_list=[variable for variable in variables if not is_kernel(variable)]
        )
    optimizer.build(variables)
    return optimizer


def is_kernel(variable) -> bool:
    """True for the variables that weight decay acts on."""
    return len(variable.shape) >= 2


def _learning_rate(config: recipe.Optimizer, steps_per_epoch: int, epochs: int):
    schedules = keras.optimizers.schedules
    if config.schedule == "constant":
        return config.learning_rate
    if config.schedule == "step":
        boundaries = [milestone * steps_per_epoch for milestone in config.milestones]
        values = [
            config.learning_rate * config.decay**index
            for index in range(len(boundaries) + 1)
        ]
        return schedules.PiecewiseConstantDecay(boundaries, values)
    config.require_room(epochs)
    warmup_steps = int(config.warmup_epochs * steps_per_epoch)
    if config.schedule == "cosine_restarts":
        restarts = schedules.CosineDecayRestarts(
            config.learning_rate,
            config.restart_epochs * steps_per_epoch,
            t_mul=config.restart_factor,
            alpha=_COSINE_END,
        )
        return _AfterRise(restarts, warmup_steps) if warmup_steps else restarts
    decay_steps = epochs * steps_per_epoch - warmup_steps
    if not warmup_steps:
        return schedules.CosineDecay(
            config.learning_rate, decay_steps, alpha=_COSINE_END
        )
    return schedules.CosineDecay(
        0.0,
        decay_steps,
        alpha=_COSINE_END,
        warmup_target=config.learning_rate,
        warmup_steps=warmup_steps,
    )


class _AfterRise(keras.optimizers.schedules.LearningRateSchedule):
    """A linear rise from 0 to where another schedule begins, and then that one."""

    def __init__(
        self, schedule: keras.optimizers.schedules.LearningRateSchedule, steps: int
    ) -> None:
        self._schedule = schedule
        self._steps = steps

    def __call__(self, step: tf.Tensor) -> tf.Tensor:
        done = tf.cast(step, tf.float32)
        since = done - self._steps
        rate = self._schedule(tf.maximum(since, 0.0))
        return tf.where(since < 0.0, rate * done / self._steps, rate)

    def get_config(self) -> dict[str, Any]:
        return {"schedule": self._schedule, "steps": self._steps}
