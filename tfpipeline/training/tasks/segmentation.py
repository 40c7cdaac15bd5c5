"""The loss of a class for each pixel; pictures are mirrored with their masks."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tfpipeline import errors
from tfpipeline.compat import tf
from tfpipeline.data import parts, pipeline, splits
from tfpipeline.tasks import kind as kinds
from tfpipeline.tasks import segmentation
from tfpipeline.training import task as task_lib
from tfpipeline.training.tasks import head_logits

SUMS = ("right", "counted")
# Stream of the draws of which pictures are mirrored.
_FLIPS = 0xF11B


def loss(
    outputs: tf.Tensor, masks: tf.Tensor, objective: kinds.Objective
) -> tuple[tf.Tensor, Mapping[str, tf.Tensor]]:
    """Mean cross entropy of the pixels that are labeled, and how many are right.

    Args:
        outputs: float32 [N, H, W, classes].
        masks: uint8 [N, H, W].
        objective: its head says what the outputs are.
    """
    logits = head_logits.of_outputs(outputs, objective.head)
    is_counted = masks != segmentation.UNLABELED
    labels = tf.cast(tf.where(is_counted, masks, tf.zeros_like(masks)), tf.int32)
    # Not the sparse form, whose gradient has no deterministic kernel on every device.
    entropy = tf.nn.softmax_cross_entropy_with_logits(
        tf.one_hot(labels, logits.shape[-1]), logits
    )
    weights = tf.cast(is_counted, tf.float32)
    counted = tf.reduce_sum(weights)
    predicted = tf.argmax(outputs, axis=-1, output_type=tf.int32)
    right = tf.reduce_sum(tf.cast(predicted == labels, tf.float32) * weights)
    mean = tf.math.divide_no_nan(tf.reduce_sum(entropy * weights), counted)
    return mean, {"right": right, "counted": counted}


def figures(sums: Mapping[str, np.ndarray], examples: int) -> dict[str, float]:
    """The share of labeled pixels that are right."""
    del examples
    return {"pixel_accuracy": float(sums["right"]) / max(float(sums["counted"]), 1.0)}


def epochs(
    config: Any, dataset: splits.Dataset, seed: int
) -> tuple[Callable[[int], task_lib.Epoch], int]:
    """Epochs of all pictures, shuffled, and the steps of each.

    Args:
        config: `supervised.Config`.
        dataset: pictures and masks.
        seed: of the stage.

    Raises:
        TrainingError: the data are fewer than a batch.
        UsageError: transforms that would move pictures under their masks.
    """
    augmentation = config.augmentation
    if augmentation.random_crop or augmentation.rotation:
        raise errors.UsageError(
            "--random_crop and --rotation move pictures without their masks: leave "
            "them out with --task=segmentation"
        )
    pipeline.require_batch(len(dataset.train), config.batch_size)
    data = pipeline.source(
        dataset.train,
        dataclasses.replace(augmentation, horizontal_flip=False),
        config.batch_size,
        config.preprocessing,
    )

    def epoch(number: int) -> task_lib.Epoch:
        def batches(part: parts.Part) -> tf.data.Dataset:
            made = pipeline.training_batches(data, seed=seed, epoch=number, part=part)
            if augmentation.horizontal_flip:
                rows = parts.Rows(config.batch_size, part.rows(config.batch_size))
                made = _mirrored(made, rows, seed, number)
            return made

        return task_lib.Epoch(batches, data.steps, data.steps * config.batch_size)

    return epoch, data.steps


def _mirrored(
    batches: tf.data.Dataset, rows: parts.Rows, seed: int, epoch: int
) -> tf.data.Dataset:
    """Half of the pictures, and their masks, left for right."""
    base = np.random.default_rng([seed, epoch, _FLIPS]).integers(2**31 - 1)

    def turn(step: tf.Tensor, batch: tuple[tf.Tensor, tf.Tensor]) -> Any:
        images, masks = batch
        key = tf.stack((tf.constant(base, tf.int32), tf.cast(step, tf.int32)))
        is_turned = rows.of(tf.random.stateless_uniform((rows.total,), key)) < 0.5
        return (
            tf.where(is_turned[:, None, None, None], images[:, :, ::-1], images),
            tf.where(is_turned[:, None, None], masks[:, :, ::-1], masks),
        )

    return batches.enumerate().map(turn)
