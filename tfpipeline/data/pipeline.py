"""Batches for training and evaluation: decoded once, shuffled by seed, prefetched."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from tfpipeline import errors
from tfpipeline.compat import tf
from tfpipeline.configs import recipe
from tfpipeline.data import augmentation as augmentation_lib
from tfpipeline.data import mixing, parts, splits
from tfpipeline.data.preprocessing import SIGNED, Preprocessing


@dataclasses.dataclass(frozen=True, eq=False)
class Source:
    """A training split in TensorFlow's memory, and how a batch of it is made.

    Made once a stage, because copying the inputs and tracing the augmentation would
    otherwise cost each epoch a fraction of a second.

    Attributes:
        num_examples: in the split.
        batch_size: examples a batch.
        load: part of a batch -> function (seed int32 [2], positions int64 [batch]) ->
            that part's (inputs, targets), the latter a pair where there are further
            ones. Nothing else of the batch is read.
    """

    num_examples: int
    batch_size: int
    load: Callable[
        [parts.Part], Callable[[tf.Tensor, tf.Tensor], tuple[tf.Tensor, Any]]
    ]

    @property
    def steps(self) -> int:
        """Full batches an epoch."""
        return steps_per_epoch(self.num_examples, self.batch_size)


def source(
    split: splits.Split,
    augmentation: recipe.Augmentation,
    batch_size: int,
    preprocessing: Preprocessing = SIGNED,
    shares: Callable[[tf.Tensor], tf.Tensor] | None = None,
    beside: np.ndarray | None = None,
) -> Source:
    """Copies `split` into TensorFlow's memory, or streams it from the disk.

    Args:
        split: the training split.
        augmentation: random transforms, of pictures.
        batch_size: examples a batch.
        preprocessing: what the network takes of a stored input.
        shares: targets of a batch -> float32 [batch, K] that can be mixed; where the
            augmentation mixes, batches have such targets.
        beside: float32 [N, ...], further targets of each example; batches then have
            pairs of both. They are mixed in the same shares.

    Raises:
        UsageError: transforms of pictures, and inputs that are none.
    """
    if not split.has_pictures:
        _require_off(augmentation, split)
    gather, targets = _gatherer(split.inputs), tf.constant(split.targets)
    more = None if beside is None else tf.constant(beside)
    mixed = shares if augmentation.mixes else None

    def load(
        given: parts.Rows, size: int, seed: tf.Tensor, positions: tf.Tensor
    ) -> tuple[tf.Tensor, Any]:
        positions = given.of(positions)
        batch = tf.ensure_shape(gather(positions), (size, *split.inputs.shape[1:]))
        if split.has_pictures:
            batch = augmentation_lib.augment(
                batch, augmentation, seed, preprocessing, given
            )
        else:
            batch = augmentation_lib.to_input(batch, preprocessing)
        wanted = tf.gather(targets, positions)
        if mixed is not None:
            wanted = mixed(wanted)
        if more is not None:
            wanted = wanted, tf.gather(more, positions)
        if mixed is not None:
            return mixing.mix(batch, wanted, augmentation, seed, given)
        return batch, wanted

    @functools.cache
    def of_part(part: parts.Part) -> Callable[..., tuple[tf.Tensor, Any]]:
        rows = part.rows(batch_size)
        if part.count == 1:
            whole = functools.partial(load, parts.Rows(batch_size), batch_size)
            return tf.function(whole, autograph=False)
        # The partner of the last row, which goes again.
        taken = rows if mixed is None else part.rows(batch_size, beyond=1)

        def cut(seed: tf.Tensor, positions: tf.Tensor) -> tuple[tf.Tensor, Any]:
            given = parts.Rows(batch_size, taken)
            made = load(given, len(taken), seed, positions)
            return tf.nest.map_structure(lambda values: values[: len(rows)], made)

        return tf.function(cut, autograph=False)

    return Source(len(split), batch_size, of_part)


def _gatherer(inputs: np.ndarray) -> Callable[[tf.Tensor], tf.Tensor]:
    """(positions int64 [batch]) -> the inputs there.

    Of a np.memmap, whose file is larger than memory may hold, each batch is read when
    it is its turn, several at once ahead of the training.
    """
    if not isinstance(inputs, np.memmap):
        constant = tf.constant(inputs)
        return lambda positions: tf.gather(constant, positions)

    def rows(positions: np.ndarray) -> np.ndarray:
        # Of a plain array: TensorFlow would keep the map itself.
        return np.asarray(inputs)[positions]

    return lambda positions: tf.numpy_function(rows, (positions,), inputs.dtype)


def _require_off(augmentation: recipe.Augmentation, split: splits.Split) -> None:
    switched_on = augmentation.of_pictures
    if switched_on:
        raise errors.UsageError(
            f"--{switched_on[0]} transforms pictures, uint8 [H, W, C], and the inputs "
            f"are {split.inputs.dtype} {list(split.inputs.shape[1:])}: leave it out"
        )


def require_batch(examples: int, batch_size: int) -> None:
    """Raises a TrainingError where examples are fewer than a batch."""
    if examples < batch_size:
        raise errors.TrainingError(
            f"batch_size {batch_size} is larger than the {examples} training images; "
            "choose a smaller --batch_size"
        )


def training_batches(
    data: Source, *, seed: int, epoch: int, part: parts.Part = parts.WHOLE
) -> tf.data.Dataset:
    """One epoch of shuffled, augmented, full batches.

    The order and the augmentation depend on (seed, epoch) only, never on what ran
    before, so a resumed run sees the same batches. The incomplete last batch is left
    out; other examples fall into it in the next epoch.

    Args:
        data: the training split.
        seed: of the run and stage.
        epoch: counted from 0.
        part: of each batch.

    Returns:
        A data set of (inputs float32 [batch, ...], targets as the split has them), of
        the rows of the part.
    """
    order = np.random.default_rng([seed, epoch]).permutation(data.num_examples)
    order = order[: data.steps * data.batch_size].reshape(data.steps, data.batch_size)
    return ordered_batches(data, order, seed=seed, epoch=epoch, part=part)


def ordered_batches(
    data: Source,
    order: np.ndarray,
    *,
    seed: int,
    epoch: int,
    part: parts.Part = parts.WHOLE,
) -> tf.data.Dataset:
    """One epoch of augmented batches in an order of one's own.

    Args:
        data: the training split.
        order: int64 [steps, batch], positions in the split.
        seed: of the run and stage; with `epoch`, of the augmentation.
        epoch: counted from 0.
        part: of each batch.

    Returns:
        A data set of (inputs float32 [batch, ...], targets as the split has them), of
        the rows of the part.
    """
    steps = len(order)
    base = np.random.default_rng([seed, epoch, 1]).integers(2**31 - 1)
    seeds = np.stack((np.full(steps, base), np.arange(steps)), axis=1)
    return (
        tf.data.Dataset.from_tensor_slices((seeds.astype(np.int32), order))
        .map(data.load(part), num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
        .prefetch(4)
    )


def steps_per_epoch(num_examples: int, batch_size: int) -> int:
    """Full batches in `num_examples`."""
    return num_examples // batch_size
