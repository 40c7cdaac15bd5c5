"""Training of a descriptor network: batches of people, losses over their pairs.

As in training/loop, the state after an epoch is a function of the state before it, the
configuration and the data alone, so that a killed run resumes to the same weights.
"""

import dataclasses
import math
import pathlib
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tfpipeline import errors
from tfpipeline.compat import keras, tf
from tfpipeline.data import augmentation as augmentation_lib
from tfpipeline.data import identity_batches, pipeline, splits
from tfpipeline.training import (
    checkpoints,
    descriptor_heads,
    loop,
    optimizers,
    progress,
)

# Steps between two looks at the loss; one call into TensorFlow each.
_STEPS_PER_CALL = 10


@dataclasses.dataclass(frozen=True)
class StageConfig:
    """One training.

    Attributes:
        name: names files and lines.
        epochs: how many.
        people: of a batch.
        images: of each of them.
        groups_per_person: see identity_batches.epoch_order.
        loss: what is minimized.
        optimizer: see optimizers.OptimizerConfig.
        augmentation: see augmentation.Augmentation.
        seed: of batch order, augmentation and dropout.
        raw_pixels: whether the network takes pixels 0 to 255; normalized ones if not.
    """

    name: str
    epochs: int
    people: int
    images: int
    groups_per_person: int
    loss: descriptor_heads.LossConfig
    optimizer: optimizers.OptimizerConfig
    augmentation: augmentation_lib.Augmentation
    seed: int
    raw_pixels: bool = False

    def __post_init__(self) -> None:
        if self.people < 2 or self.images < 2:
            raise errors.UsageError(
                "a batch needs two people and two images of each, or there are no "
                f"pairs. Received: {self.people} and {self.images}"
            )

    def order(self, labels: np.ndarray, epoch: int) -> np.ndarray:
        """The batches of an epoch (counted from 0)."""
        return identity_batches.epoch_order(
            labels,
            people=self.people,
            images=self.images,
            groups_per_person=self.groups_per_person,
            seed=self.seed,
            epoch=epoch,
        )


def train(
    stage: StageConfig,
    network: keras.Model,
    split: splits.Split,
    *,
    validate: Callable[[], dict[str, float]] | None,
    folder: pathlib.Path,
    reporter: progress.Progress,
    head: Sequence[np.ndarray] = (),
    frozen: Sequence[tf.Variable] = (),
) -> loop.StageResult:
    """Trains `network` for all epochs.

    Args:
        stage: what to do.
        network: image to descriptor; trained in place.
        split: photographs and the class of each, 0 to the number of people less one.
        validate: called after each epoch; its `val_accuracy` decides which epoch is
            the best. None: the last one is.
        folder: of the checkpoints; an interrupted training in it is resumed.
        reporter: of lines and metrics.
        head: weights that the head starts with; fresh ones if not given.
        frozen: variables of `network` that stay as they are.

    Returns:
        The weights are those of `network` alone, without the head.

    Raises:
        DataError: fewer people than a batch needs.
        TrainingError: the loss is not finite.
        StorageError: a checkpoint cannot be written or read.
    """
    num_people = int(split.labels.max()) + 1
    model = descriptor_heads.with_head(network, num_people, stage.loss)
    if head:
        model.set_weights([*network.get_weights(), *head])
    kept = {variable.ref() for variable in frozen}
    variables = [v for v in model.trainable_variables if v.ref() not in kept]
    counts = [len(stage.order(split.labels, epoch)) for epoch in range(stage.epochs)]
    if min(counts) == 0:
        raise errors.DataError("an epoch has no batch; choose fewer --people_per_batch")
    optimizer = optimizers.build(
        stage.optimizer,
        # The number of batches differs a little between epochs.
        steps_per_epoch=math.ceil(sum(counts) / stage.epochs),
        epochs=stage.epochs,
        variables=variables,
    )
    state = checkpoints.load_newest(folder)
    if state is None:
        weights = model.get_weights()
        state = checkpoints.Checkpoint(0, weights, [], weights, ())
    else:
        loop.restore(model, optimizer, state)
    steps = _train_steps(stage, model, optimizer, variables)
    batch_size = stage.people * stage.images
    data = pipeline.source(split, stage.augmentation, batch_size)
    while state.epoch < stage.epochs:
        loop.seed_dropout(model, stage.seed, state.epoch)
        started = time.monotonic()
        order = stage.order(split.labels, state.epoch)
        loss, accuracy = _run_epoch(stage, state.epoch, data, order, steps, reporter)
        trained = time.monotonic()
        record = {
            "stage": stage.name,
            "epoch": state.epoch + 1,
            "loss": loss,
            "accuracy": accuracy,
            **(validate() if validate else {}),
            "learning_rate": float(keras.backend.get_value(optimizer.lr)),
            "images_per_second": order.size / (trained - started),
            "seconds": time.monotonic() - started,
        }
        state = _advance(state, record, model, optimizer)
        checkpoints.save(folder, state)
        reporter.end_epoch(state.history)
    own = len(network.get_weights())
    best_epoch = state.history[-1]["best_epoch"]
    return loop.StageResult(list(state.best_weights)[:own], best_epoch, state.history)


def as_raw(images: tf.Tensor) -> tf.Tensor:
    """Normalized pixels (augmentation.to_input) as 0 to 255 again, exactly."""
    return images * 128.0 + 128.0


def _advance(
    state: checkpoints.Checkpoint,
    record: dict[str, Any],
    model: keras.Model,
    optimizer: keras.optimizers.Optimizer,
) -> checkpoints.Checkpoint:
    weights = model.get_weights()
    highest = max((r.get("val_accuracy", -1.0) for r in state.history), default=-1.0)
    improved = "val_accuracy" not in record or record["val_accuracy"] > highest
    best_epoch = record["epoch"] if improved else state.history[-1]["best_epoch"]
    return checkpoints.Checkpoint(
        epoch=record["epoch"],
        weights=weights,
        optimizer=[variable.numpy() for variable in optimizer.variables],
        best_weights=weights if improved else state.best_weights,
        history=(*state.history, {**record, "best_epoch": best_epoch}),
    )


def _run_epoch(
    stage: StageConfig,
    epoch: int,
    data: pipeline.Source,
    order: np.ndarray,
    train_steps: Callable,
    reporter: progress.Progress,
) -> tuple[float, float]:
    """Trains for one epoch; returns its mean loss and share of people recognized."""
    batches = pipeline.ordered_batches(data, order, seed=stage.seed, epoch=epoch)
    iterator = iter(batches)
    margin = tf.constant(stage.loss.margin_in(epoch), tf.float32)
    total_loss, total_correct = 0.0, 0.0
    reporter.begin_epoch(epoch, len(order))
    try:
        for done in range(0, len(order), _STEPS_PER_CALL):
            count = min(_STEPS_PER_CALL, len(order) - done)
            losses, correct = train_steps(iterator, tf.constant(count), margin)
            losses = losses.numpy()
            bad = np.flatnonzero(~np.isfinite(losses))
            if bad.size:
                raise errors.TrainingError(
                    f"{stage.name} training: the loss is {losses[bad[0]]} at epoch "
                    f"{epoch + 1}, step {done + int(bad[0]) + 1} of {len(order)}. "
                    "Try a lower --learning_rate in a new --workdir."
                )
            total_loss += float(losses.sum(dtype=np.float64))
            total_correct += float(correct)
            reporter.advance(count, float(losses[-1]))
    finally:
        reporter.stop_bar()
    return total_loss / len(order), total_correct / order.size


def _train_steps(
    stage: StageConfig,
    model: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    variables: Sequence[tf.Variable],
) -> Callable:
    """A function (iterator, n, margin) -> (losses float32 [n], number recognized)."""
    l2 = stage.optimizer.l2

    def step(images, labels, margin):
        if stage.raw_pixels:
            images = as_raw(images)
        with tf.GradientTape() as tape:
            descriptors, scores = model(images, training=True)
            loss = descriptor_heads.total(
                stage.loss, descriptors, scores, labels, margin
            )
        gradients = tape.gradient(loss, variables)
        if l2:
            gradients = [
                gradient + l2 * variable if optimizers.is_kernel(variable) else gradient
                for gradient, variable in zip(gradients, variables, strict=True)
            ]
        optimizer.apply_gradients(zip(gradients, variables, strict=True))
        predicted = tf.argmax(scores, axis=-1, output_type=tf.int32)
        return loss, tf.reduce_sum(tf.cast(predicted == labels, tf.float32))

    # Without AutoGraph, which has nothing to rewrite in Keras layers and takes seconds.
    @tf.function(reduce_retracing=True, autograph=False)
    def train_steps(iterator, count, margin):
        def body(index, losses, correct):
            loss, hits = step(*next(iterator), margin)
            return index + 1, losses.write(index, loss), correct + hits

        _, losses, correct = tf.while_loop(
            lambda index, *_: index < count,
            body,
            (0, tf.TensorArray(tf.float32, size=count), tf.constant(0.0)),
            parallel_iterations=1,
        )
        return losses.stack(), correct

    return train_steps
