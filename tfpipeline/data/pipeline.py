"""Batches for training and evaluation: decoded once, shuffled by seed, prefetched."""

import dataclasses
from collections.abc import Callable

import numpy as np

from tfpipeline.compat import tf
from tfpipeline.configs import recipe
from tfpipeline.data import augmentation as augmentation_lib
from tfpipeline.data import splits


@dataclasses.dataclass(frozen=True, eq=False)
class Source:
    """A training split in TensorFlow's memory, and how a batch of it is made.

    Made once a stage, because copying the images and tracing the augmentation would
    otherwise cost each epoch a fraction of a second.

    Attributes:
        num_examples: in the split.
        batch_size: images a batch.
        load: (seed int32 [2], positions int64 [batch]) -> (images, labels).
    """

    num_examples: int
    batch_size: int
    load: Callable[[tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor]]

    @property
    def steps(self) -> int:
        """Full batches an epoch."""
        return steps_per_epoch(self.num_examples, self.batch_size)


def source(
    split: splits.Split,
    augmentation: recipe.Augmentation,
    batch_size: int,
    normalize: bool = True,
) -> Source:
    """Copies `split` into TensorFlow's memory.

    Args:
        split: the training split.
        augmentation: random transforms.
        batch_size: images a batch.
        normalize: see augmentation.to_input.
    """
    images, labels = tf.constant(split.images), tf.constant(split.labels)
    shape = (batch_size, *split.images.shape[1:])

    @tf.function(autograph=False)
    def load(seed: tf.Tensor, positions: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        batch = tf.ensure_shape(tf.gather(images, positions), shape)
        return (
            augmentation_lib.augment(batch, augmentation, seed, normalize),
            tf.gather(labels, positions),
        )

    return Source(len(split), batch_size, load)


def training_batches(data: Source, *, seed: int, epoch: int) -> tf.data.Dataset:
    """One epoch of shuffled, augmented, full batches.

    The order and the augmentation depend on (seed, epoch) only, never on what ran
    before, so a resumed run sees the same batches. The incomplete last batch is left
    out; other images fall into it in the next epoch.

    Args:
        data: the training split.
        seed: of the run and stage.
        epoch: counted from 0.

    Returns:
        A data set of (float32 [batch, H, W, C], int32 [batch]).
    """
    order = np.random.default_rng([seed, epoch]).permutation(data.num_examples)
    order = order[: data.steps * data.batch_size].reshape(data.steps, data.batch_size)
    return ordered_batches(data, order, seed=seed, epoch=epoch)


def ordered_batches(
    data: Source, order: np.ndarray, *, seed: int, epoch: int
) -> tf.data.Dataset:
    """One epoch of augmented batches in an order of one's own.

    Args:
        data: the training split.
        order: int64 [steps, batch], positions in the split.
        seed: of the run and stage; with `epoch`, of the augmentation.
        epoch: counted from 0.

    Returns:
        A data set of (float32 [batch, H, W, C], int32 [batch]).
    """
    steps = len(order)
    base = np.random.default_rng([seed, epoch, 1]).integers(2**31 - 1)
    seeds = np.stack((np.full(steps, base), np.arange(steps)), axis=1)
    return (
        tf.data.Dataset.from_tensor_slices((seeds.astype(np.int32), order))
        .map(data.load, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
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
