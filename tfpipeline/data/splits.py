"""The values that the data package hands to everyone else: splits and data sets."""

import dataclasses
import hashlib
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tfpipeline import errors


@dataclasses.dataclass(frozen=True, eq=False)
class Split:
    """Inputs and targets of one split, in memory.

    Attributes:
        inputs: as they are stored, uint8 or float32 [N, ...], of any shape; what the
            network takes is `Preprocessing.real` of them.
        targets: int32 [N], class indices; or float32 [N, ...]: the numbers of a
            regression, 0 or 1 for each label of several, boxes; or uint8 [N, H, W],
            class indices of pixels.
    """

    inputs: np.ndarray
    targets: np.ndarray

    def __post_init__(self) -> None:
        inputs, targets = self.inputs, self.targets
        if inputs.dtype not in (np.uint8, np.float32) or inputs.ndim < 2:
            raise errors.DataError(
                "inputs must be uint8 or float32 [N, ...]. "
                f"Received: {inputs.dtype} {list(inputs.shape)}"
            )
        is_classes = targets.dtype == np.int32 and targets.ndim == 1
        is_numbers = targets.dtype == np.float32 and targets.ndim > 1
        is_masks = targets.dtype == np.uint8 and targets.ndim == 3
        if not (is_classes or is_numbers or is_masks) or len(targets) != len(inputs):
            raise errors.DataError(
                f"targets must be int32 [{len(inputs)}], float32 "
                f"[{len(inputs)}, ...] or uint8 masks. "
                f"Received: {targets.dtype} {list(targets.shape)}"
            )

    def __len__(self) -> int:
        return len(self.inputs)

    @property
    def has_classes(self) -> bool:
        """Whether targets are class indices."""
        return self.targets.dtype == np.int32

    @property
    def has_masks(self) -> bool:
        """Whether targets are class indices of pixels."""
        return self.targets.dtype == np.uint8

    @property
    def has_pictures(self) -> bool:
        """Whether inputs are pictures: uint8 [N, H, W, C]."""
        return self.inputs.dtype == np.uint8 and self.inputs.ndim == 4

    def take(self, indices: np.ndarray) -> "Split":
        """The examples at `indices` (int [M]), in that order."""
        return Split(self.inputs[indices], self.targets[indices])


@dataclasses.dataclass(frozen=True, eq=False)
class Dataset:
    """A data set with its three splits, which are alike in all but their length.

    Attributes:
        name: the name in the catalog.
        class_names: one name a class, or a column of float targets; a class is its
            index here. May be empty where targets are no classes.
        train: what the weights are fitted to.
        validation: what early stopping and every choice looks at.
        test: touched once, at the end.
        train_indices: int64 [len(train)], positions in the source's train split.
        validation_indices: int64 [len(validation)], likewise.
        description: one line on where the examples come from.
        pictures: `boxed_pictures.Picture` of each train example, where targets are
            boxes; training crops them.
    """

    name: str
    class_names: tuple[str, ...]
    train: Split
    validation: Split
    test: Split
    train_indices: np.ndarray
    validation_indices: np.ndarray
    description: str = ""
    pictures: Sequence[Any] = ()

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Of one input; (H, W, C) of a picture."""
        return self.train.inputs.shape[1:]

    @property
    def num_classes(self) -> int:
        """Classes, or numbers that a target of floats has."""
        if self.train.has_classes or self.train.has_masks:
            return len(self.class_names)
        return math.prod(self.train.targets.shape[1:])

    def fingerprint(self) -> str:
        """SHA-256 (hex) over the inputs and targets of the three splits.

        Of pictures and classes it is that of their bytes alone, as it always was; of
        anything else, their types and shapes count as well.
        """
        digest = hashlib.sha256()
        for split in (self.train, self.validation, self.test):
            if not (split.has_pictures and split.has_classes):
                for values in (split.inputs, split.targets):
                    digest.update(f"{values.dtype}{list(values.shape)}".encode())
            digest.update(np.ascontiguousarray(split.inputs).data)
            digest.update(np.ascontiguousarray(split.targets).data)
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
    """Positions in the train split whose inputs calibrate activation ranges.

    Returns:
        int64 [min(count, num_train)], sorted, drawn without replacement.
    """
    generator = np.random.default_rng([seed, 0xCA11B])
    chosen = generator.choice(num_train, size=min(count, num_train), replace=False)
    return np.sort(chosen)
