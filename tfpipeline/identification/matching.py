"""Whose face it is: the nearest descriptor by squared L2 distance, or nobody's.

Distances are exact, in int64. A device that adds them in 32 bits without sign, as the
re-identification demo of the GAP8 does (GreenWaves FaceReID a3bde7e), gets the same
below 2**32.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from tfpipeline import errors
from tfpipeline.identification import people as people_lib

Integers = npt.NDArray[np.int64]


@dataclasses.dataclass(frozen=True, slots=True)
class Match:
    """Answer for one descriptor.

    Attributes:
        nearest: the name whose descriptor is nearest.
        distance: squared L2 to it, in squared steps of the descriptor.
        known: whether the distance is at most the threshold.
    """

    nearest: str
    distance: int
    known: bool


def squared_distances(
    left: npt.NDArray[np.integer], right: npt.NDArray[np.integer]
) -> Integers:
    """Squared L2 between all rows: int64 [a, b] of integers [a, n] and [b, n].

    Exact for up to 2**20 values of 16 bits.
    """
    result = np.empty((len(left), len(right)), np.int64)
    wide = right.astype(np.int64)
    for index, row in enumerate(left):
        difference = wide - row
        result[index] = np.einsum("ij,ij->i", difference, difference)
    return result


def match(
    descriptors: npt.NDArray[np.integer], known: people_lib.People, threshold: int
) -> list[Match]:
    """Finds the nearest person for each row of `descriptors`, [k, n].

    Of equal distances the one enrolled first counts.

    Raises:
        UsageError: nobody is enrolled.
    """
    if not known.persons:
        raise errors.UsageError("nobody is enrolled; enroll somebody first")
    owners = [p.name for p in known.persons for _ in p.descriptors]
    enrolled = np.concatenate([person.descriptors for person in known.persons])
    found = squared_distances(descriptors, enrolled)
    nearest = found.argmin(axis=1)
    return [
        Match(owners[column], int(row[column]), bool(row[column] <= threshold))
        for row, column in zip(found, nearest, strict=True)
    ]


def choose_threshold(
    distances: Sequence[float] | npt.NDArray[np.number],
    same: Sequence[bool] | npt.NDArray[np.bool_],
    max_false_accept_rate: float,
) -> int:
    """The threshold that accepts most, and yet few strangers.

    Of pairs of which it is known whether they show one person. (The one that answers
    most pairs correctly, which LFW's protocol asks for, is `study.verification`'s.)

    Args:
        distances: squared L2 of each pair, whole numbers.
        same: whether a pair shows one person.
        max_false_accept_rate: accept as much as keeps the share of accepted pairs of
            two at most this.

    Returns:
        A pair is accepted at or below it. It lies in the middle of the distances that
        it separates, so that it favors neither.

    Raises:
        DataError: no pair of one person, or none of two.
    """
    values = np.asarray(distances, np.int64)
    truth = np.asarray(same, np.bool_)
    if truth.all() or not truth.any():
        raise errors.DataError(
            "a threshold needs pairs of one person and pairs of two; found "
            f"{int(truth.sum())} and {int((~truth).sum())}"
        )
    order = np.argsort(values, kind="stable")
    values, truth = values[order], truth[order]
    # Accepting the first n pairs, n = 0 to all; equal distances cannot be told apart.
    accepted = np.concatenate([[0], np.cumsum(truth)])
    wrong = np.concatenate([[0], np.cumsum(~truth)])
    possible = np.concatenate([[True], values[1:] != values[:-1], [True]])
    # Divided: a quotient is the decimal that it equals, a product may miss it.
    allowed = wrong / wrong[-1] <= max_false_accept_rate
    score = np.where(allowed, accepted, -1)
    count = int(np.argmax(np.where(possible, score, score.min() - 1)))
    if count == 0:
        return int(values[0]) - 1
    if count == len(values):
        return int(values[-1])
    return int((values[count - 1] + values[count]) // 2)
