"""`pairs.txt`: the folds of LFW's View 2, as the data set's authors wrote them.

The first line holds the number of folds and the number of pairs of each kind in a fold,
10 and 300. Each fold has that many lines `NAME NUMBER NUMBER`, two photographs of one
person, and then as many lines `NAME NUMBER NAME NUMBER`, of two people.
"""

import dataclasses
import os

from tfpipeline import errors
from tfpipeline.untrusted import content, numbers

_MAX_BYTES = 1 << 28
# Files hold as many pairs as they say; this many at most, to refuse a corrupt number.
_MAX_PAIRS = 10_000_000


@dataclasses.dataclass(frozen=True)
class Photograph:
    """One photograph of LFW: the person, and its number counted from 1."""

    name: str
    number: int

    @property
    def file_name(self) -> str:
        """As in the data set: `Abel_Pacheco_0001.jpg`."""
        return f"{self.name}_{self.number:04d}.jpg"


@dataclasses.dataclass(frozen=True)
class Question:
    """One line of the file."""

    fold: int
    first: Photograph
    second: Photograph

    @property
    def same(self) -> bool:
        """Whether both are of one person."""
        return self.first.name == self.second.name


def read(path: str | os.PathLike[str]) -> tuple[Question, ...]:
    """Reads `pairs.txt`.

    Returns:
        The pairs in the file's order; folds are counted from 0.

    Raises:
        DataError: the file cannot be read, or a line is not what its place asks for;
            the line is named.
    """
    try:
        lines = content.read_text(path, _MAX_BYTES).splitlines()
    except errors.StorageError as error:
        raise errors.DataError(f"the pairs: {error}") from error
    folds, each = _head(path, lines)
    if len(lines) != 1 + folds * 2 * each:
        raise errors.DataError(
            f"{path}: {folds} folds of {each} + {each} pairs need "
            f"{1 + folds * 2 * each} lines; found {len(lines)}"
        )
    return tuple(
        _question(path, number, line, each)
        for number, line in enumerate(lines[1:], start=1)
    )


def _head(path: str | os.PathLike[str], lines: list[str]) -> tuple[int, int]:
    words = lines[0].split() if lines else []
    try:
        folds, each = map(numbers.whole, words)
    except ValueError:
        folds = each = 0
    if folds >= 1 and each >= 1 and folds * each <= _MAX_PAIRS:
        return folds, each
    raise errors.DataError(
        f"{path}: the first line must hold the number of folds and of pairs of each "
        f"kind; found {errors.brief(lines[0] if lines else 'an empty file')}"
    )


def _question(
    path: str | os.PathLike[str], number: int, line: str, each: int
) -> Question:
    fold, place = divmod(number - 1, 2 * each)
    words = line.split()
    try:
        if place < each:
            name, one, two = words
            other = name
        else:
            name, one, other, two = words
        first = Photograph(name, numbers.whole(one))
        second = Photograph(other, numbers.whole(two))
    except ValueError:
        first = second = Photograph("", 0)
    if min(first.number, second.number) < 1 or (first.name == second.name) != (
        place < each
    ):
        kind = "NAME NUMBER NUMBER" if place < each else "NAME NUMBER NAME NUMBER"
        raise errors.DataError(
            f"{path}: line {number + 1} must be {kind}; found {errors.brief(line)}"
        )
    return Question(fold, first, second)
