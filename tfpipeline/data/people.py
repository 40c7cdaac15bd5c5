"""Photographs of people, and pairs of them that ask: the same person or not?"""

import dataclasses
import hashlib
from collections.abc import Sequence

import numpy as np

from tfpipeline import errors

# People whose photographs are in no pair belong to no fold.
NO_FOLD = -1


@dataclasses.dataclass(frozen=True, eq=False)
class Pairs:
    """Questions of a verification protocol, in folds that share no person.

    Attributes:
        first, second: int64 [M], positions of photographs.
        same: bool [M], the answers.
        folds: int64 [M], number of the fold that each pair is in, from 0.
    """

    first: np.ndarray
    second: np.ndarray
    same: np.ndarray
    folds: np.ndarray

    def __len__(self) -> int:
        return len(self.same)

    @property
    def num_folds(self) -> int:
        """Number of folds."""
        return int(self.folds.max()) + 1

    def take(self, folds: Sequence[int]) -> "Pairs":
        """The pairs of some folds, in the same order."""
        chosen = np.isin(self.folds, folds)
        return Pairs(
            self.first[chosen],
            self.second[chosen],
            self.same[chosen],
            self.folds[chosen],
        )


@dataclasses.dataclass(frozen=True, eq=False)
class People:
    """Gray photographs in memory.

    Attributes:
        name: of the data set.
        images: uint8 [N, S, S, 1].
        labels: int32 [N], number of the person on each.
        names: one a person.
        pairs: of positions in `images`.
        colors: uint8 [N, H, W, 3], the same photographs as they were taken, for those
            who see more than the network; None where they were not asked for or are
            gray.
    """

    name: str
    images: np.ndarray
    labels: np.ndarray
    names: tuple[str, ...]
    pairs: Pairs
    colors: np.ndarray | None = None

    def fingerprint(self) -> str:
        """SHA-256 (hex) over the pixels, who is on them, and the pairs."""
        digest = hashlib.sha256()
        pairs = self.pairs
        for array in (
            *(self.images, self.labels),
            *(pairs.first, pairs.second, pairs.same, pairs.folds),
        ):
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()


def folds_of_people(labels: np.ndarray, pairs: Pairs, num_people: int) -> np.ndarray:
    """The fold that each person is in.

    Args:
        labels: int [N], number of the person on each photograph.
        pairs: of positions in `labels`.
        num_people: how many there are.

    Returns:
        int64 [num_people], `NO_FOLD` for people in no pair.

    Raises:
        DataError: a person is in two folds, or a pair's answer is not what the labels
            say; the first three are named.
    """
    wrong = np.flatnonzero((labels[pairs.first] == labels[pairs.second]) != pairs.same)
    if len(wrong):
        raise errors.DataError(
            f"{len(wrong)} pairs contradict the labels, the first of them numbers "
            f"{', '.join(map(str, wrong[:3]))} (from 0)"
        )
    people = np.concatenate([labels[pairs.first], labels[pairs.second]])
    folds = np.concatenate([pairs.folds, pairs.folds])
    result = np.full(num_people, NO_FOLD, np.int64)
    result[people] = folds
    torn = np.unique(people[result[people] != folds])
    if len(torn):
        raise errors.DataError(
            f"{len(torn)} people are in pairs of two folds, for example number "
            f"{torn[0]}: a test would know people from training"
        )
    return result


def training_positions(
    source: People, held_out: Sequence[int], min_images: int = 1
) -> np.ndarray:
    """Positions of photographs of people that no pair of the folds `held_out` shows.

    Args:
        source: the data set.
        held_out: folds that training must not know anyone of.
        min_images: least number of photographs of a person.

    Returns:
        int64, ascending.

    Raises:
        DataError: fewer than two people are left.
    """
    folds = folds_of_people(source.labels, source.pairs, len(source.names))
    counts = np.bincount(source.labels, minlength=len(source.names))
    allowed = ~np.isin(folds, held_out) & (counts >= min_images)
    if allowed.sum() < 2:
        raise errors.DataError(
            f"{source.name}: {allowed.sum()} people with {min_images} photographs are "
            "left to train on; hold out fewer folds"
        )
    return np.flatnonzero(allowed[source.labels])


def box_resized(images: np.ndarray, side: int) -> np.ndarray:
    """Images at a smaller side, each pixel the rounded mean of those it covers.

    Args:
        images: uint8 [N, S, S, C].
        side: a divisor of S.

    Raises:
        DataError: it is none.
    """
    old = images.shape[1]
    if old == side:
        return images
    if side < 1 or old % side:
        raise errors.DataError(
            f"images of {old}x{old} become smaller by a whole factor only; "
            f"Received: {side}"
        )
    factor = old // side
    parts = images.reshape(len(images), side, factor, side, factor, -1)
    area = factor * factor
    return ((parts.sum(axis=(2, 4), dtype=np.int64) + area // 2) // area).astype(
        np.uint8
    )
