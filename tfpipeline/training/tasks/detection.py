"""The loss and the examples of a detector: crops by face and branch, see `losses`."""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tfpipeline import errors
from tfpipeline.compat import tf
from tfpipeline.data import augmentation as augmentation_lib
from tfpipeline.data import detection_crops, parts, splits
from tfpipeline.detection import hard_negatives, targets
from tfpipeline.tasks import detection
from tfpipeline.tasks import kind as kinds
from tfpipeline.training import task as task_lib

SUMS = ("found", "cells")
# Stream of the crops' seeds, beside the batches' own.
_CROPS = 0xC409


def loss(
    outputs: Sequence[tf.Tensor],
    expected: Sequence[Mapping[str, tf.Tensor]],
    objective: kinds.Objective,
) -> tuple[tf.Tensor, Mapping[str, tf.Tensor]]:
    """LFFD's loss of a batch, and how many object cells are told from background.

    Args:
        outputs: float32 logits [N, h, w, 2] and boxes [N, h, w, 4] of each branch.
        expected: of each branch `state` int8 [N, h, w], `boxes` float32 [N, h, w, 4]
            and `has_box` bool [N, h, w].
        objective: its `box_weight` multiplies the boxes' part.
    """
    total = tf.constant(0.0)
    found = cells = tf.constant(0.0)
    for logits, boxes, wanted in zip(
        outputs[0::2], outputs[1::2], expected, strict=True
    ):
        state = wanted["state"]
        background = logits[..., 1] - logits[..., 0]
        is_object = state == targets.OBJECT
        entropy = tf.nn.softplus(tf.where(is_object, background, -background))
        kept = tf.cast(_kept(tf.stop_gradient(background), state), tf.float32)
        count = tf.reduce_sum(kept)
        total += tf.math.divide_no_nan(tf.reduce_sum(entropy * kept), count)
        squares = tf.reduce_sum(tf.square(boxes - wanted["boxes"]), axis=-1)
        squares *= tf.cast(wanted["has_box"], tf.float32)
        size = 2.0 * 4.0 * tf.cast(tf.size(state), tf.float32)
        total += objective.options.box_weight * tf.reduce_sum(squares) / size
        found += tf.reduce_sum(tf.cast(is_object & (background < 0), tf.float32))
        cells += tf.reduce_sum(tf.cast(is_object, tf.float32))
    return total, {"found": found, "cells": cells}


def figures(sums: Mapping[str, np.ndarray], examples: int) -> dict[str, float]:
    """The share of object cells that are told from background."""
    del examples
    return {"recall": float(sums["found"]) / max(float(sums["cells"]), 1.0)}


def _kept(background: tf.Tensor, state: tf.Tensor) -> tf.Tensor:
    """`hard_negatives.select` of a batch, bool of the same shape."""
    flat = tf.reshape(background, (-1,))
    states = tf.reshape(state, (-1,))
    is_object = states == targets.OBJECT
    objects = tf.reduce_sum(tf.cast(is_object, tf.int32))
    few = tf.cast(
        tf.math.floor(
            hard_negatives.SHARE_WITHOUT_OBJECTS * tf.cast(tf.size(states), tf.float64)
        ),
        tf.int32,
    )
    count = tf.where(objects > 0, hard_negatives.RATIO * objects, few)
    is_candidate = states == targets.BACKGROUND
    values = tf.where(is_candidate, flat, np.inf)
    rank = tf.argsort(tf.argsort(values, stable=True))
    return tf.reshape(is_object | (is_candidate & (rank < count)), tf.shape(state))


def epochs(
    config: Any, dataset: splits.Dataset, seed: int
) -> tuple[Callable[[int], task_lib.Epoch], int]:
    """Epochs of crops, as many as `crops_per_picture` times the train pictures.

    Args:
        config: `supervised.Config`.
        dataset: its pictures.
        seed: of the stage.

    Returns:
        Number of an epoch -> what it trains on, and the steps of each.

    Raises:
        TrainingError: an epoch is fewer crops than a batch.
        UsageError: transforms that leave boxes behind.
    """
    options, augmentation = config.objective.options, config.augmentation
    if augmentation.random_crop or augmentation.rotation:
        raise errors.UsageError(
            "--random_crop and --rotation move pictures without their boxes: leave "
            "them out with --task=detection, which crops by itself"
        )
    crops = len(dataset.pictures) * options.crops_per_picture
    steps = crops // config.batch_size
    if not steps:
        raise errors.TrainingError(
            f"batch_size {config.batch_size} is larger than the {crops} crops of an "
            "epoch; choose a smaller --batch_size, or more --crops_per_picture"
        )
    layout = detection.layout_of(config.objective)
    shape = dataset.input_shape
    assert len(shape) == 3
    sampler = detection_crops.sampler(
        dataset.pictures, shape, layout.branches, flips=augmentation.horizontal_flip
    )

    def drawn(
        rows: np.ndarray, epoch: np.ndarray, step: np.ndarray
    ) -> list[np.ndarray]:
        """Images, and of each branch state, boxes and has_box, of rows of a batch."""
        made = []
        for place in rows.tolist():
            key = [seed, _CROPS, int(epoch), int(step), place]
            crop = sampler.draw(np.random.default_rng(key))
            wanted = [
                targets.assign(crop.boxes, branch, cells, crop.ignored)
                for branch, cells in zip(layout.branches, layout.cells, strict=True)
            ]
            parts = [x for w in wanted for x in (w.state, w.boxes, w.has_box)]
            made.append([crop.image, *parts])
        return [np.stack(column) for column in zip(*made, strict=True)]

    types = [tf.uint8, *[tf.int8, tf.float32, tf.bool] * len(layout.branches)]

    def load(
        rows: np.ndarray, epoch: tf.Tensor, step: tf.Tensor
    ) -> tuple[tf.Tensor, Any]:
        images, *drawings = tf.numpy_function(drawn, (rows, epoch, step), types)
        images = tf.ensure_shape(images, (len(rows), *shape))
        base = np.random.default_rng([seed, _CROPS]).integers(2**31 - 1)
        key = tf.stack((tf.constant(base, tf.int32) + epoch, step))
        # Mirrored by now, with its boxes.
        images = augmentation_lib.augment(
            images,
            dataclasses.replace(augmentation, horizontal_flip=False),
            key,
            config.preprocessing,
            parts.Rows(config.batch_size, rows),
        )
        wanted = []
        for place, cells in enumerate(layout.cells):
            state, boxes, has_box = drawings[3 * place : 3 * place + 3]
            lead = (len(rows), *cells)
            wanted.append(
                {
                    "state": tf.ensure_shape(state, lead),
                    "boxes": tf.ensure_shape(boxes, (*lead, 4)),
                    "has_box": tf.ensure_shape(has_box, lead),
                }
            )
        return images, tuple(wanted)

    @functools.cache
    def of_part(part: parts.Part) -> Callable[..., tuple[tf.Tensor, Any]]:
        rows = part.rows(config.batch_size)
        return tf.function(functools.partial(load, rows), autograph=False)

    def epoch(number: int) -> task_lib.Epoch:
        def batches(part: parts.Part) -> tf.data.Dataset:
            made = of_part(part)
            return (
                tf.data.Dataset.range(steps, output_type=tf.int32)
                .map(
                    lambda step: made(tf.constant(number, tf.int32), step),
                    num_parallel_calls=tf.data.AUTOTUNE,
                    deterministic=True,
                )
                .prefetch(4)
            )

        return task_lib.Epoch(batches, steps, steps * config.batch_size)

    return epoch, steps
