"""LFW as a classification data set: who is it, among people with many photographs.

LFW itself has no train and test images; its own task is verification. Here each person
with at least 20 photographs is a class, and every fifth photograph of a person is a
test image, so that all people are in both.
"""

import dataclasses

import numpy as np
import tensorflow_datasets as tfds

from tfpipeline import errors
from tfpipeline.data import specs, tfds_source

# 62 people in full LFW; with fewer images the classes become too small to learn.
MIN_IMAGES = 20
# Rank 4, 9, 14, ... of a person's images goes to test: a fifth.
_TEST_EVERY = 5
# The official builder gives 250x250; this is the window of the prepared 128x128 copy.
_OFFICIAL_SIZE = 250
_CROP_OFFSET = 64


@dataclasses.dataclass(frozen=True, eq=False)
class Selection:
    """Which photographs stand for which class.

    Attributes:
        class_names: people, in alphabetical order.
        train, test: int64, positions in the source; the n-th photograph of everyone
            comes before the (n+1)-th of anyone, so that the beginning holds all people.
    """

    class_names: tuple[str, ...]
    train: np.ndarray
    test: np.ndarray


def select(names: np.ndarray, min_images: int = MIN_IMAGES) -> Selection:
    """Chooses the people with at least `min_images` photographs.

    Args:
        names: the person on each photograph, in the source's order.
        min_images: least number of photographs of a person.

    Raises:
        DataError: fewer than two people have so many.
    """
    people, labels, counts = np.unique(names, return_inverse=True, return_counts=True)
    if (counts >= min_images).sum() < 2:
        raise errors.DataError(
            f"identity classification needs two people with {min_images} photographs; "
            f"the largest of {len(people)} people has {counts.max(initial=0)}"
        )
    rank = np.empty(len(labels), np.int64)
    for person in range(len(people)):
        own = np.flatnonzero(labels == person)
        rank[own] = np.arange(len(own))
    by_rank = np.lexsort((labels, rank))
    is_known = counts[labels][by_rank] >= min_images
    is_test = rank[by_rank] % _TEST_EVERY == _TEST_EVERY - 1
    return Selection(
        class_names=tuple(map(_text, people[counts >= min_images])),
        train=by_rank[is_known & ~is_test],
        test=by_rank[is_known & is_test],
    )


def read(
    builder: tfds.core.DatasetBuilder,
    positions: np.ndarray,
    class_names: tuple[str, ...],
) -> tuple[np.ndarray, np.ndarray]:
    """Reads photographs at `positions`, in that order.

    Returns:
        images uint8 [N, 128, 128, 3] and labels int32 [N].

    Raises:
        DataError: a record is unreadable, or an image is neither 128x128 nor 250x250.
    """
    size = builder.info.features["image"].shape[0]
    size = _OFFICIAL_SIZE if size == _OFFICIAL_SIZE else specs.LFW_SIDE
    ascending = np.sort(positions)
    images, names = tfds_source.read_images(
        builder, "train", (size, size, 3), ascending
    )
    if size == _OFFICIAL_SIZE:
        window = slice(_CROP_OFFSET, _CROP_OFFSET + specs.LFW_SIDE)
        images = images[:, window, window]
    numbers = {name: number for number, name in enumerate(class_names)}
    labels = np.array([numbers[_text(name)] for name in names], np.int32)
    order = np.searchsorted(ascending, positions)
    return images[order], labels[order]


def _text(name: bytes | str) -> str:
    return name.decode() if isinstance(name, bytes) else str(name)
