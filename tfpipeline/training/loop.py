"""One training stage: epochs, validation, early stopping, resumption.

The state after an epoch is a function of the state before it, the stage's configuration
and the data alone. Whoever is killed in epoch k starts again from the checkpoint of
epoch k-1 and ends with the same weights, bit for bit (on the same machine and library
versions).
"""

import dataclasses
import math
import pathlib
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from tfpipeline import errors
from tfpipeline.compat import keras, tf
from tfpipeline.data import augmentation as augmentation_lib
from tfpipeline.data import pipeline, splits
from tfpipeline.training import checkpoints, evaluation, optimizers, progress

# Steps between two looks at the loss; one call into TensorFlow each.
_STEPS_PER_CALL = 20


@dataclasses.dataclass(frozen=True)
class StageConfig:
    """One stage: float training or quantization-aware training.

    Attributes:
        name: "float" or "qat"; also names files.
        epochs: at most this many.
        batch_size: images a step, over all replicas.
        optimizer: see optimizers.OptimizerConfig.
        augmentation: see augmentation.Augmentation.
        label_smoothing: share of the target spread over all classes.
        patience: stop after this many epochs without a lower validation loss; 0: never.
        seed: of batch order, augmentation and dropout.
    """

    name: str
    epochs: int
    batch_size: int
    optimizer: optimizers.OptimizerConfig
    augmentation: augmentation_lib.Augmentation
    label_smoothing: float
    patience: int
    seed: int


@dataclasses.dataclass(frozen=True, eq=False)
class StageResult:
    """What a stage ends with.

    Attributes:
        best_weights: in the order of `model.get_weights()`.
        best_epoch: counted from 1.
        history: one record an epoch, with `epoch` counted from 1.
    """

    best_weights: list[np.ndarray]
    best_epoch: int
    history: tuple[dict[str, Any], ...]


def train(
    stage: StageConfig,
    model: keras.Model,
    evaluation_model: keras.Model,
    dataset: splits.Dataset,
    *,
    strategy: tf.distribute.Strategy,
    folder: pathlib.Path,
    reporter: progress.Progress,
    after_epoch: Callable[[keras.Model], None] | None = None,
    writes: bool = True,
) -> StageResult:
    """Trains `model` until its epochs are over or validation loss stops improving.

    Args:
        stage: what to do.
        model: trained in place; its weights at the end are those of the last epoch.
        evaluation_model: a float32 twin with the same weight order (or `model`).
        dataset: train and validation are used, test is not.
        strategy: under whose scope both models were built.
        folder: of the checkpoints; an interrupted stage in it is resumed.
        reporter: of the lines and metrics.
        after_epoch: called on `model` before each validation.
        writes: False for workers other than the chief.

    Raises:
        TrainingError: the loss is not finite, or the data are fewer than a batch.
        StorageError: a checkpoint cannot be written or read.
    """
    steps = pipeline.steps_per_epoch(len(dataset.train), stage.batch_size)
    if not steps:
        raise errors.TrainingError(
            f"batch_size {stage.batch_size} is larger than the {len(dataset.train)} "
            "training images; choose a smaller --batch_size"
        )
    with strategy.scope():
        optimizer = optimizers.build(
            stage.optimizer,
            steps_per_epoch=steps,
            epochs=stage.epochs,
            variables=model.trainable_variables,
        )
    state = checkpoints.load_newest(folder)
    if state is not None:
        restore(model, optimizer, state)
    else:
        weights = model.get_weights()
        state = checkpoints.Checkpoint(0, weights, [], weights, ())
    train_steps = _train_steps(stage, model, optimizer, strategy)
    forward = evaluation.forward_function(evaluation_model)
    data = pipeline.source(dataset.train, stage.augmentation, stage.batch_size)
    while state.epoch < stage.epochs and not _stalled(stage, state.history):
        seed_dropout(model, stage.seed, state.epoch)
        started = time.monotonic()
        try:
            loss, accuracy = _run_epoch(
                stage, state.epoch, data, train_steps, strategy, reporter
            )
            seconds = time.monotonic() - started
            if after_epoch is not None:
                after_epoch(model)
            if evaluation_model is not model:
                evaluation_model.set_weights(model.get_weights())
            validated = _validate(stage, state.epoch, forward, dataset.validation)
        except _NotFiniteError as error:
            raise errors.TrainingError(
                f"{stage.name} training: {error}. Last good checkpoint: "
                f"{checkpoints.newest_path(folder)}. "
                "Try a lower --learning_rate in a new --workdir."
            ) from error
        record = {
            "stage": stage.name,
            "epoch": state.epoch + 1,
            "loss": loss,
            "accuracy": accuracy,
            **validated,
            "learning_rate": float(keras.backend.get_value(optimizer.lr)),
            "images_per_second": steps * stage.batch_size / seconds,
            "seconds": time.monotonic() - started,
        }
        state = _advance(state, record, model, optimizer)
        if writes:
            checkpoints.save(folder, state)
            reporter.end_epoch(state.history)
    best_epoch = state.history[-1]["best_epoch"]
    return StageResult(list(state.best_weights), best_epoch, state.history)


def _validate(
    stage: StageConfig,
    epoch: int,
    forward: Callable[[tf.Tensor], tf.Tensor],
    split: splits.Split,
) -> dict[str, float]:
    logits = evaluation.logits(forward, split.images, stage.augmentation.normalize)
    loss = evaluation.cross_entropy(logits, split.labels)
    if not math.isfinite(loss):
        raise _NotFiniteError(f"the validation loss is {loss} at epoch {epoch + 1}")
    accuracy = evaluation.accuracy(logits, split.labels)
    return {"val_loss": loss, "val_accuracy": accuracy}


def _advance(
    state: checkpoints.Checkpoint,
    record: dict[str, Any],
    model: keras.Model,
    optimizer: keras.optimizers.Optimizer,
) -> checkpoints.Checkpoint:
    weights = model.get_weights()
    lowest = min((r["val_loss"] for r in state.history), default=math.inf)
    improved = record["val_loss"] < lowest
    best_epoch = record["epoch"] if improved else state.history[-1]["best_epoch"]
    return checkpoints.Checkpoint(
        epoch=record["epoch"],
        weights=weights,
        optimizer=[variable.numpy() for variable in optimizer.variables],
        best_weights=weights if improved else state.best_weights,
        history=(*state.history, {**record, "best_epoch": best_epoch}),
    )


def _stalled(stage: StageConfig, history: tuple[dict[str, Any], ...]) -> bool:
    if not stage.patience or not history:
        return False
    return history[-1]["epoch"] - history[-1]["best_epoch"] >= stage.patience


def restore(
    model: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    state: checkpoints.Checkpoint,
) -> None:
    """Puts a checkpoint's values into `model` and `optimizer`.

    Raises:
        StorageError: it is of another network or optimizer.
    """
    variables = list(optimizer.variables)
    expected = [tuple(v.shape) for v in model.weights] + [
        tuple(v.shape) for v in variables
    ]
    found = [a.shape for a in state.weights] + [a.shape for a in state.optimizer]
    if expected != found:
        raise errors.StorageError(
            "the checkpoint in this workdir is of another network or optimizer. "
            "Choose another --workdir."
        )
    model.set_weights(state.weights)
    for variable, value in zip(variables, state.optimizer, strict=True):
        variable.assign(value)


class _NotFiniteError(Exception):
    """The loss of a step is infinite or not a number."""


def _run_epoch(
    stage: StageConfig,
    epoch: int,
    data: pipeline.Source,
    train_steps: Callable,
    strategy: tf.distribute.Strategy,
    reporter: progress.Progress,
) -> tuple[float, float]:
    """Trains for one epoch; returns its mean loss and accuracy."""
    batches = pipeline.training_batches(data, seed=stage.seed, epoch=epoch)
    if strategy.num_replicas_in_sync > 1:
        batches = strategy.experimental_distribute_dataset(batches)
    iterator = iter(batches)
    steps = data.steps
    total_loss, total_correct = 0.0, 0.0
    reporter.begin_epoch(epoch, steps)
    try:
        for done in range(0, steps, _STEPS_PER_CALL):
            count = min(_STEPS_PER_CALL, steps - done)
            losses, correct = train_steps(iterator, tf.constant(count))
            losses = losses.numpy()
            bad = np.flatnonzero(~np.isfinite(losses))
            if bad.size:
                raise _NotFiniteError(
                    f"the loss is {losses[bad[0]]} at epoch {epoch + 1}, "
                    f"step {done + int(bad[0]) + 1} of {steps}"
                )
            total_loss += float(losses.sum(dtype=np.float64))
            total_correct += float(correct)
            reporter.advance(count, float(losses[-1]))
    finally:
        reporter.stop_bar()
    return total_loss / steps, total_correct / (steps * stage.batch_size)


def seed_dropout(model: keras.Model, seed: int, epoch: int) -> None:
    """Restarts each layer's random generator: an epoch must not depend on the past.

    Keras gives a layer a `tf.random.Generator` when
    `enable_tf_random_generator` is on (train.py turns it on).
    """
    for index, layer in enumerate(model.layers):
        inner = getattr(layer, "layer", layer)  # tfmot wraps layers
        generator = getattr(inner, "_random_generator", None)
        generator = getattr(generator, "_generator", None)
        if generator is not None:
            generator.reset_from_seed(hash((seed, epoch, index)) % 2**31)


def _train_steps(
    stage: StageConfig,
    model: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    strategy: tf.distribute.Strategy,
) -> Callable:
    """A function (iterator, n) -> (losses float32 [n], number of correct images)."""
    variables = model.trainable_variables
    replicas = strategy.num_replicas_in_sync
    l2 = stage.optimizer.l2

    def step(images: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        with tf.GradientTape() as tape:
            logits = tf.cast(model(images, training=True), tf.float32)
            targets = tf.one_hot(labels, logits.shape[-1])
            loss = tf.reduce_mean(
                keras.losses.categorical_crossentropy(
                    targets,
                    logits,
                    from_logits=True,
                    label_smoothing=stage.label_smoothing,
                )
            )
            scaled = loss / replicas
        gradients = tape.gradient(scaled, variables)
        if l2:
            gradients = [
                gradient + l2 / replicas * variable
                if optimizers.is_kernel(variable)
                else gradient
                for gradient, variable in zip(gradients, variables, strict=True)
            ]
        optimizer.apply_gradients(zip(gradients, variables, strict=True))
        predicted = tf.argmax(logits, axis=-1, output_type=tf.int32)
        correct = tf.reduce_sum(tf.cast(predicted == labels, tf.float32))
        return scaled, correct

    # Without AutoGraph, which has nothing to rewrite in Keras layers and takes seconds.
    @tf.function(reduce_retracing=True, autograph=False)
    def train_steps(iterator, count):
        def body(index, losses, correct):
            loss, hits = strategy.run(step, args=next(iterator))
            total = tf.distribute.ReduceOp.SUM
            losses = losses.write(index, strategy.reduce(total, loss, axis=None))
            correct += strategy.reduce(total, hits, axis=None)
            return index + 1, losses, correct

        _, losses, correct = tf.while_loop(
            lambda index, *_: index < count,
            body,
            (0, tf.TensorArray(tf.float32, size=count), tf.constant(0.0)),
            parallel_iterations=1,
        )
        return losses.stack(), correct

    return train_steps
