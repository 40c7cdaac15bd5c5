"""One training stage of any task: epochs, validation, early stopping, resumption.

What is trained is a `task.Task`. The state after an epoch is a function of the state
before it, the stage's configuration, the task and the data alone. Whoever is killed in
epoch k starts again from the checkpoint of epoch k-1 and ends with the same weights,
bit for bit (on the same machine and library versions).
"""

import contextlib
import dataclasses
import math
import pathlib
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tfpipeline import errors
from tfpipeline.compat import keras, tf
from tfpipeline.configs import recipe
from tfpipeline.training import averages as averages_lib
from tfpipeline.training import checkpoints, optimizers, progress, strategies
from tfpipeline.training import task as task_lib

# Steps between two looks at the loss; one call into TensorFlow each. No result depends
# on it.
_STEPS_PER_CALL = 20


@dataclasses.dataclass(frozen=True)
class StageConfig:
    """One stage, of whatever task.

    Attributes:
        name: of the stage; also names files.
        epochs: at most this many.
        optimizer: how weights move.
        patience: stop after this many epochs without a better one; 0: never.
        seed: of batch order, augmentation and dropout.
        ema_decay: what the average of the weights keeps of itself in a step; 0: the
            weights themselves are validated and kept.
        jit_compile: whether XLA compiles a step, of one device.
    """

    name: str
    epochs: int
    optimizer: recipe.Optimizer
    patience: int
    seed: int
    ema_decay: float = 0.0
    jit_compile: bool = False


@dataclasses.dataclass(frozen=True, eq=False)
class StageResult:
    """What a stage ends with.

    Attributes:
        best_weights: of what the task keeps, in the order of its `get_weights()`.
        best_epoch: counted from 1.
        history: one record an epoch, with `epoch` counted from 1.
    """

    best_weights: list[np.ndarray]
    best_epoch: int
    history: tuple[dict[str, Any], ...]


def train(
    stage: StageConfig,
    model: keras.Model,
    task: task_lib.Task,
    *,
    strategy: tf.distribute.Strategy,
    folder: pathlib.Path,
    reporter: progress.Progress,
    writes: bool = True,
) -> StageResult:
    """Trains `model` until its epochs are over or validation stops improving.

    Args:
        stage: how.
        model: trained in place; its weights at the end are those of the last epoch.
        task: what.
        strategy: under whose scope all networks were built.
        folder: of the checkpoints; an interrupted stage in it is resumed.
        reporter: of the lines and metrics.
        writes: False for workers other than the chief.

    Raises:
        TrainingError: the loss or a figure of validation is not finite.
        StorageError: a checkpoint cannot be written or read.
    """
    frozen = {variable.ref() for variable in task.frozen}
    variables = [v for v in model.trainable_variables if v.ref() not in frozen]
    with strategy.scope():
        optimizer = optimizers.build(
            stage.optimizer,
            steps_per_epoch=task.steps_per_epoch,
            epochs=stage.epochs,
            variables=variables,
        )
    averages = averages_lib.of(model, stage.ema_decay, strategy)
    state = _state(folder, model, optimizer, averages)
    training = _Training(stage, model, task, variables, optimizer, strategy, averages)
    train_steps = _train_steps(training)
    if writes and not state.epoch:
        reporter.show_network(model)
    while state.epoch < stage.epochs and not _stalled(stage, state.history):
        try:
            record, result = _epoch(training, state.epoch, train_steps, reporter)
        except _NotFiniteError as error:
            raise errors.TrainingError(
                f"{stage.name} training: {error}. Last good checkpoint: "
                f"{checkpoints.newest_path(folder)}. "
                "Try a lower --learning_rate in a new --workdir."
            ) from error
        state = _advance(training, state, record, result)
        if writes:
            checkpoints.save(folder, state)
            names = [variable.name for variable in model.weights]
            reporter.end_epoch(state.history, zip(names, state.weights, strict=True))
    best_epoch = state.history[-1]["best_epoch"]
    best_weights = _kept_weights(model, task.kept, state.best_weights)
    return StageResult(best_weights, best_epoch, state.history)


def _state(
    folder: pathlib.Path,
    model: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    averages: averages_lib.Averages | None,
) -> checkpoints.Checkpoint:
    """The newest checkpoint, its values put into place; or that of a new stage.

    Raises:
        StorageError: it is of another network or optimizer, or cannot be read.
    """
    state = checkpoints.load_newest(folder)
    if state is None:
        weights = model.get_weights()
        return checkpoints.Checkpoint(0, weights, [], weights, ())
    variables = list(optimizer.variables)
    averaged = () if averages is None else averages.variables
    expected = [tuple(v.shape) for v in (*model.weights, *variables, *averaged)]
    stored = (*state.weights, *state.optimizer, *state.averages)
    if expected != [a.shape for a in stored]:
        raise errors.StorageError(
            "the checkpoint in this workdir is of another network or optimizer. "
            "Choose another --workdir."
        )
    model.set_weights(state.weights)
    for variable, value in zip(variables, state.optimizer, strict=True):
        variable.assign(value)
    if averages is not None:
        averages.restore(state.averages)
    return state


def seed_dropout(model: keras.Model, *key: int) -> None:
    """Restarts each layer's random generator: an epoch must not depend on the past.

    Keras gives a layer a `tf.random.Generator` when `enable_tf_random_generator` is on
    (stages.set_up_tensorflow turns it on).

    Args:
        model: networks inside it are restarted as well.
        *key: seed of the stage and number of the epoch.
    """
    for index, layer in enumerate(model.layers):
        inner = getattr(layer, "layer", layer)  # tfmot wraps layers
        if isinstance(inner, keras.Model):
            seed_dropout(inner, *key, index)
        generator = getattr(inner, "_random_generator", None)
        generator = getattr(generator, "_generator", None)
        if generator is not None:
            generator.reset_from_seed(hash((*key, index)) % 2**31)


@dataclasses.dataclass(frozen=True, eq=False)
class _Training:
    """What stays the same through a stage."""

    stage: StageConfig
    model: keras.Model
    task: task_lib.Task
    variables: list[tf.Variable]
    optimizer: keras.optimizers.Optimizer
    strategy: tf.distribute.Strategy
    averages: averages_lib.Averages | None


class _NotFiniteError(Exception):
    """A loss or a figure is infinite or not a number."""


def _epoch(
    training: _Training,
    number: int,
    train_steps: Callable,
    reporter: progress.Progress,
) -> tuple[dict[str, Any], list[np.ndarray]]:
    """Trains and validates.

    Returns:
        The record of the epoch, and the weights that it tells of.
    """
    model, task = training.model, training.task
    started = time.monotonic()
    seed_dropout(model, training.stage.seed, number)
    epoch = task.epoch(number)
    loss, sums = _run_steps(training, number, epoch, train_steps, reporter)
    seconds = time.monotonic() - started
    if task.after_epoch is not None:
        task.after_epoch(model)
    with contextlib.ExitStack() as held:
        if training.averages is not None:
            held.enter_context(training.averages.in_place(task.after_epoch))
        result = model.get_weights()
        if task.evaluated is not None:
            kept = model if task.kept is None else task.kept
            task.evaluated.set_weights(kept.get_weights())
        validated = task.validate()
    for name, value in validated.items():
        if not math.isfinite(value):
            raise _NotFiniteError(f"{name} is {value} at epoch {number + 1}")
    record = {
        "stage": training.stage.name,
        "epoch": number + 1,
        "loss": loss,
        **task.figures(sums, epoch.examples),
        **validated,
        "learning_rate": float(keras.backend.get_value(training.optimizer.lr)),
        "images_per_second": epoch.examples / seconds,
        "seconds": time.monotonic() - started,
    }
    return record, result


def _run_steps(
    training: _Training,
    number: int,
    epoch: task_lib.Epoch,
    train_steps: Callable,
    reporter: progress.Progress,
) -> tuple[float, dict[str, np.ndarray]]:
    """Trains for one epoch; returns its mean loss, and the sums over it in float64."""
    iterator = iter(strategies.shared(training.strategy, epoch.batches))
    values = {name: tf.constant(v, tf.float32) for name, v in epoch.values.items()}
    losses: list[np.ndarray] = []
    sums: dict[str, list[np.ndarray]] = {name: [] for name in training.task.sums}
    reporter.begin_epoch(number, epoch.steps)
    try:
        for done in range(0, epoch.steps, _STEPS_PER_CALL):
            count = min(_STEPS_PER_CALL, epoch.steps - done)
            by_step, added = train_steps(iterator, tf.constant(count), values)
            losses.append(by_step.numpy())
            bad = np.flatnonzero(~np.isfinite(losses[-1]))
            if bad.size:
                raise _NotFiniteError(
                    f"the loss is {losses[-1][bad[0]]} at epoch {number + 1}, "
                    f"step {done + int(bad[0]) + 1} of {epoch.steps}"
                )
            for name, parts in sums.items():
                parts.append(added[name].numpy())
            reporter.advance(count, float(losses[-1][-1]))
    finally:
        reporter.stop_bar()
    total = float(np.concatenate(losses).sum(dtype=np.float64))
    return total / epoch.steps, {
        name: np.concatenate(parts).sum(axis=0, dtype=np.float64)
        for name, parts in sums.items()
    }


def _train_steps(training: _Training) -> Callable:
    """A function (iterator, n, values) -> (losses float32 [n], sums [n, ...])."""
    model, task, strategy = training.model, training.task, training.strategy
    optimizer, variables = training.optimizer, training.variables
    replicas = strategy.num_replicas_in_sync
    l2, clip_norm = training.stage.optimizer.l2, training.stage.optimizer.clip_norm

    def step(inputs, targets, values):
        with tf.GradientTape() as tape:
            outputs = tf.nest.map_structure(_as_float32, model(inputs, training=True))
            loss, sums = task.loss(outputs, targets, values)
            scaled = loss / replicas
        gradients = tape.gradient(scaled, variables)
        if clip_norm:
            # The length is that of the whole batch's gradient, so it is summed first.
            gradients = optimizer.aggregate_gradients(
                zip(gradients, variables, strict=True)
            )
            gradients, _ = tf.clip_by_global_norm(
                [gradient for gradient, _ in gradients], clip_norm
            )
        if l2:
            share = 1 if clip_norm else replicas
            gradients = [
                gradient + l2 / share * variable
                if optimizers.is_kernel(variable)
                else gradient
                for gradient, variable in zip(gradients, variables, strict=True)
            ]
        optimizer.apply_gradients(
            zip(gradients, variables, strict=True),
            skip_gradients_aggregation=bool(clip_norm),
        )
        return scaled, {name: tf.cast(sums[name], tf.float32) for name in task.sums}

    if training.stage.jit_compile:
        step = tf.function(step, jit_compile=True, autograph=False)

    def over_replicas(value: tf.Tensor) -> tf.Tensor:
        return strategy.reduce(tf.distribute.ReduceOp.SUM, value, axis=None)

    # Without AutoGraph, which has nothing to rewrite in Keras layers and takes seconds.
    @tf.function(reduce_retracing=True, autograph=False)
    def train_steps(iterator, count, values):
        def body(index, losses, sums):
            loss, added = strategy.run(step, args=(*next(iterator), values))
            if training.averages is not None:
                training.averages.update(optimizer.iterations)
            return (
                index + 1,
                losses.write(index, over_replicas(loss)),
                {n: a.write(index, over_replicas(added[n])) for n, a in sums.items()},
            )

        def array() -> tf.TensorArray:
            return tf.TensorArray(tf.float32, size=count)

        _, losses, sums = tf.while_loop(
            lambda index, *_: index < count,
            body,
            (0, array(), {name: array() for name in task.sums}),
            parallel_iterations=1,
        )
        return losses.stack(), {name: array.stack() for name, array in sums.items()}

    return train_steps


def _as_float32(output: tf.Tensor) -> tf.Tensor:
    return tf.cast(output, tf.float32) if output.dtype.is_floating else output


def _advance(
    training: _Training,
    state: checkpoints.Checkpoint,
    record: dict[str, Any],
    result: Sequence[np.ndarray],
) -> checkpoints.Checkpoint:
    weights = training.model.get_weights()
    if training.strategy.num_replicas_in_sync > 1:
        # Each replica has moving statistics of its own; what is read is their mean.
        # All go on with it, as they would from the checkpoint.
        training.model.set_weights(weights)
    best_epoch, best_weights = record["epoch"], result
    if state.history:
        best = state.history[state.history[-1]["best_epoch"] - 1]
        if not training.task.better(record, best):
            best_epoch, best_weights = best["epoch"], state.best_weights
    return checkpoints.Checkpoint(
        epoch=record["epoch"],
        weights=weights,
        optimizer=[variable.numpy() for variable in training.optimizer.variables],
        best_weights=best_weights,
        history=(*state.history, {**record, "best_epoch": best_epoch}),
        averages=[] if training.averages is None else training.averages.values(),
    )


def _stalled(stage: StageConfig, history: tuple[dict[str, Any], ...]) -> bool:
    if not stage.patience or not history:
        return False
    return history[-1]["epoch"] - history[-1]["best_epoch"] >= stage.patience


def _kept_weights(
    model: keras.Model, kept: keras.Model | None, weights: Sequence[np.ndarray]
) -> list[np.ndarray]:
    """The part of `weights`, which are `model`'s in its order, that is `kept`'s."""
    if kept is None:
        return list(weights)
    places = {variable.ref(): place for place, variable in enumerate(model.weights)}
    return [weights[places[variable.ref()]] for variable in kept.weights]
