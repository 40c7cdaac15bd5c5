"""Cosines of embeddings: who is like whom, person by person."""

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn import metrics

from tfpipeline.study.measures import curves

Array = npt.NDArray[Any]


def cosines(enrolled: Array, pictures: Array) -> npt.NDArray[np.float64]:
    """The heat map: how like each of K people each of M pictures is.

    Args:
        enrolled: [K, D], an embedding a person.
        pictures: [M, D].

    Returns:
        float64 [K, M], -1 to 1; 0 with an embedding of zeros.
    """
    return np.asarray(
        metrics.pairwise.cosine_similarity(
            enrolled.astype(np.float64), pictures.astype(np.float64)
        ),
        np.float64,
    )


def cosines_of_pairs(first: Array, second: Array) -> npt.NDArray[np.float64]:
    """Cosines [M] of pairs of embeddings [M, D]; 0 with one of zeros."""
    first, second = first.astype(np.float64), second.astype(np.float64)
    lengths = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    products = (first * second).sum(axis=1)
    cosine = np.zeros(len(products), np.float64)
    np.divide(products, lengths, out=cosine, where=lengths > 0)
    return cosine


@dataclasses.dataclass(frozen=True)
class HeatMapChange:
    """What a format did to a heat map.

    Attributes:
        mean, largest: of the absolute change of a cosine.
        gap: mean cosine of a person with own pictures less that with others'.
        reference_gap: the same of the reference.
        separation, reference_separation: d' of both.
    """

    mean: float
    largest: float
    gap: float
    reference_gap: float
    separation: float
    reference_separation: float


def compare(
    reference: Array, other: Array, same: npt.NDArray[np.bool_]
) -> HeatMapChange:
    """Compares heat maps of two formats.

    Args:
        reference, other: float [K, M], cosines.
        same: bool [K, M], where the picture is of the person.
    """
    change = np.abs(other - reference)
    return HeatMapChange(
        mean=float(change.mean()),
        largest=float(change.max()),
        gap=_gap(other, same),
        reference_gap=_gap(reference, same),
        separation=curves.separation(other, same),
        reference_separation=curves.separation(reference, same),
    )


@dataclasses.dataclass(frozen=True)
class Person:
    """How well one person is recognized.

    Attributes:
        name: of the person.
        pairs: how many pairs of own pictures there are.
        true_accept_rate: the share of them that is accepted.
        mean_score: of them.
        change: of `true_accept_rate`, from the reference's; 0 of the reference.
    """

    name: str
    pairs: int
    true_accept_rate: float
    mean_score: float
    change: float = 0.0


def by_person(
    names: Array,
    scores: Array,
    threshold: float,
    reference: tuple[Array, float] | None = None,
) -> tuple[Person, ...]:
    """Genuine pairs by person, those that lost the most against the reference first.

    Args:
        names: [M], of the person that a pair is of.
        scores: [M], of the format; accepted are those of at least `threshold`.
        threshold: of the format.
        reference: scores [M] and threshold of the reference.
    """
    accepted = scores >= threshold
    before = accepted if reference is None else reference[0] >= reference[1]
    people = []
    for name in np.unique(names):
        own = names == name
        rate = float(accepted[own].mean())
        people.append(
            Person(
                name=str(name),
                pairs=int(own.sum()),
                true_accept_rate=rate,
                mean_score=float(scores[own].mean()),
                change=rate - float(before[own].mean()),
            )
        )
    return tuple(sorted(people, key=lambda p: (p.change, p.true_accept_rate, p.name)))


def _gap(cosine: Array, same: npt.NDArray[np.bool_]) -> float:
    return float(cosine[same].mean() - cosine[~same].mean())
