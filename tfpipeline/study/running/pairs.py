"""Pairs of pictures to verify, in folds that share no person."""

import dataclasses
import itertools
import os
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from tfpipeline import errors
from tfpipeline.data import lfw_pairs
from tfpipeline.study.running import sources

FOLDS = 10
# Of each kind, in a fold of people that nobody paired.
_DRAWN = 300


@dataclasses.dataclass(frozen=True, eq=False)
class Pairs:
    """Which pictures are asked about.

    Attributes:
        first, second: names of the pictures.
        same: bool [M].
        folds: int64 [M], from 0.
    """

    first: tuple[str, ...]
    second: tuple[str, ...]
    same: npt.NDArray[np.bool_]
    folds: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.first)

    def names(self) -> tuple[str, ...]:
        """Of all pictures, each once, sorted."""
        return tuple(sorted({*self.first, *self.second}))


def person_of(name: str) -> str:
    """Who is in a picture: the folder, else LFW's `NAME_NUMBER.jpg`."""
    folder, file = os.path.split(name)
    if folder:
        return os.path.basename(folder)
    stem = os.path.splitext(file)[0]
    return stem.rpartition("_")[0] or stem


def read(path: str, a_fold: int = 0) -> Pairs:
    """LFW's `pairs.txt`, or CSV with the columns fold, same, file1, file2.

    Args:
        path: of the file.
        a_fold: the first so many pairs of each kind in each fold; 0 for all.

    Raises:
        DataError: it cannot be read, or is of neither form.
    """
    if path.endswith(".csv"):
        rows = [
            (_fold(row["fold"], path), row["same"] == "1", row["file1"], row["file2"])
            for row in sources.table(path, ("fold", "same", "file1", "file2"))
        ]
    else:
        rows = [
            (each.fold, each.same, each.first.file_name, each.second.file_name)
            for each in lfw_pairs.read(path)
        ]
    return _made(rows, a_fold)


def drawn(people: Mapping[str, Sequence[str]], seed: int, a_fold: int = 0) -> Pairs:
    """Pairs of people's pictures, in folds of about as many people.

    Args:
        people: person -> names of pictures.
        seed: of the draws.
        a_fold: so many of each kind at most; 0 for 300, as LFW has.

    Raises:
        DataError: there are too few people or pictures for two folds.
    """
    random = np.random.default_rng(seed)
    folds = min(FOLDS, len(people) // 2)
    most = a_fold or _DRAWN
    rows: list[tuple[int, bool, str, str]] = []
    names = sorted(people)
    for fold in range(folds):
        own = names[fold::folds]
        same = [
            pair for name in own for pair in itertools.combinations(people[name], 2)
        ]
        places = sorted(random.permutation(len(same))[:most].tolist())
        chosen = [same[place] for place in places]
        rows += [(fold, True, one, other) for one, other in chosen]
        seen: set[tuple[str, str]] = set()
        # Twice as many draws as pairs, so that small folds end, too.
        for _ in range(2 * len(chosen)):
            two = random.choice(len(own), 2, replace=False)
            first, second = (people[own[i]] for i in two)
            pair = str(random.choice(first)), str(random.choice(second))
            if len(seen) < len(chosen):
                seen.add(pair)
        rows += [(fold, False, one, other) for one, other in sorted(seen)]
    if folds < 2 or not any(row[1] for row in rows):
        raise errors.DataError(
            "pairs need at least four people, and some with two pictures"
        )
    return _made(rows, 0)


def _made(rows: Sequence[tuple[int, bool, str, str]], a_fold: int) -> Pairs:
    counts: dict[tuple[int, bool], int] = {}
    kept = []
    for row in rows:
        counts[row[:2]] = counts.get(row[:2], 0) + 1
        if not a_fold or counts[row[:2]] <= a_fold:
            kept.append(row)
    return Pairs(
        tuple(row[2] for row in kept),
        tuple(row[3] for row in kept),
        np.array([row[1] for row in kept], np.bool_),
        np.array([row[0] for row in kept], np.int64),
    )


def _fold(text: str, path: str) -> int:
    if not text.isdecimal():
        raise errors.DataError(f"{path}: fold '{text[:20]}' is no whole number")
    return int(text)
