"""The values that the data package hands to everyone else: splits and data sets."""

import dataclasses
import hashlib

import numpy as np

from tfpipeline import errors


@dataclasses.dataclass(frozen=True, eq=False)
class Split:
    """Images and labels of one split, in memory.

    Attributes:
        images: uint8 [N, H, W, C].
        labels: int32 [N], class indices.
    """

    images: np.ndarray
    labels: np.ndarray

    def __post_init__(self) -> None:
        if self.images.dtype != np.uint8 or self.images.ndim != 4:
            raise errors.DataError(
                "images must be uint8 [N, H, W, C]. "
                f"Received: {self.images.dtype} {list(self.images.shape)}"
            )
        if self.labels.dtype != np.int32 or self.labels.shape != self.images.shape[:1]:
            raise errors.DataError(
                f"labels must be int32 [{len(self.images)}]. "
                f"Received: {self.labels.dtype} {list(self.labels.shape)}"
            )

    def __len__(self) -> int:
        return len(self.images)

    def take(self, indices: np.ndarray) -> "Split":
        """The examples at `indices` (int [M]), in that order."""
        return Split(self.images[indices], self.labels[indices])


@dataclasses.dataclass(frozen=True, eq=False)
class Dataset:
    """A classification data set with its three splits.

    Attributes:
        name: the name in the catalog.
        class_names: one name a class; the label is the index.
        train: what the weights are fitted to.
        validation: what early stopping and every choice looks at.
        test: touched once, at the end.
        train_indices: int64 [len(train)], positions in the source's train split.
        validation_indices: int64 [len(validation)], likewise.
        description: one line on where the examples come from.
    """

    name: str
    class_names: tuple[str, ...]
    train: Split
    validation: Split
    test: Split
    train_indices: np.ndarray
    validation_indices: np.ndarray
    description: str = ""

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(H, W, C) of one image."""
        height, width, channels = self.train.images.shape[1:]
        return height, width, channels

    @property
    def num_classes(self) -> int:
        return len(self.class_names)

    def fingerprint(self) -> str:
        """SHA-256 (hex) over the pixels and labels of the three splits."""
        digest = hashlib.sha256()
        for split in (self.train, self.validation, self.test):
            digest.update(np.ascontiguousarray(split.images).data)
            digest.update(np.ascontiguousarray(split.labels).data)
        return digest.hexdigest()


def split_validation(
    num_examples: int, validation_fraction: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Splits positions 0..num_examples-1 into (train, validation), both sorted.

    The permutation is `numpy.random.default_rng([seed, 0x5EED])`'s, so the same seed
    gives the same split on every machine.

    Args:
        num_examples: size of the source's train split.
        validation_fraction: share of validation, in (0, 1).
        seed: recorded in run.json.

    Returns:
        Two int64 arrays of positions, disjoint, together all positions.
    """
    if not 0.0 < validation_fraction < 1.0:
        raise errors.UsageError(
            "validation_fraction must be above 0 and below 1. "
            f"Received: {validation_fraction}"
        )
    num_validation = round(num_examples * validation_fraction)
    if not 0 < num_validation < num_examples:
        raise errors.DataError(
            f"{num_examples} training examples cannot be split with "
            f"validation_fraction={validation_fraction}: one part would be empty"
        )
    order = np.random.default_rng([seed, 0x5EED]).permutation(num_examples)
    return np.sort(order[num_validation:]), np.sort(order[:num_validation])


def calibration_indices(num_train: int, count: int, seed: int) -> np.ndarray:
    """Positions in the train split whose images calibrate activation ranges.

    Returns:
        int64 [min(count, num_train)], sorted, drawn without replacement.
    """
    generator = np.random.default_rng([seed, 0xCA11B])
    chosen = generator.choice(num_train, size=min(count, num_train), replace=False)
    return np.sort(chosen)
