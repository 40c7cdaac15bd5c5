"""Batches for training and evaluation: decoded once, shuffled by seed, prefetched."""

import dataclasses

import numpy as np

from tfpipeline.compat import tf
from tfpipeline.data import augmentation as augmentation_lib
from tfpipeline.data import splits


@dataclasses.dataclass(frozen=True, eq=False)
class Source:
    """A split as tensors, made once and read by every epoch.

    Attributes:
        images: uint8 [N, H, W, C].
        labels: int32 [N].
    """

    images: tf.Tensor
    labels: tf.Tensor


def source(split: splits.Split) -> Source:
    """Copies `split` into TensorFlow's memory."""
    return Source(tf.constant(split.images), tf.constant(split.labels))


def training_batches(
    data: Source,
    augmentation: augmentation_lib.Augmentation,
    *,
    batch_size: int,
    seed: int,
    epoch: int,
) -> tf.data.Dataset:
    """One epoch of shuffled, augmented, full batches.

    The order and the augmentation depend on (seed, epoch) only, never on what ran
    before, so a resumed run sees the same batches.

    Args:
        data: the training split.
        augmentation: random transforms.
        batch_size: images a batch; the incomplete last batch is left out, and other
            images fall into it in the next epoch.
        seed: of the run and stage.
        epoch: counted from 0.

    Returns:
        A data set of (float32 [batch, H, W, C] in [-1, 127/128], int32 [batch]).
    """
    count, *shape = data.images.shape
    order = np.random.default_rng([seed, epoch]).permutation(count)
    steps = steps_per_epoch(count, batch_size)
    order = order[: steps * batch_size].reshape(steps, batch_size)
    base = np.random.default_rng([seed, epoch, 1]).integers(2**31 - 1)

    def load(step: tf.Tensor, positions: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        batch_seed = tf.stack((tf.cast(base, tf.int32), tf.cast(step, tf.int32)))
        batch = tf.ensure_shape(tf.gather(data.images, positions), (batch_size, *shape))
        return (
            augmentation_lib.augment(batch, augmentation, batch_seed),
            tf.gather(data.labels, positions),
        )

    return (
        tf.data.Dataset.from_tensor_slices((np.arange(steps), order))
        .map(load, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
        .prefetch(4)
    )


def steps_per_epoch(num_examples: int, batch_size: int) -> int:
    """Full batches in `num_examples`."""
    return num_examples // batch_size


def normalized(images: np.ndarray, normalize: bool = True) -> np.ndarray:
    """Pixels uint8 [...] as the network's float32 input (see augmentation.to_input)."""
    pixels = images.astype(np.float32)
    if normalize:
        return (pixels - np.float32(128)) / np.float32(128)
    return pixels / np.float32(256)
