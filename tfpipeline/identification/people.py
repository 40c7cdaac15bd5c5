"""The people that a device knows: a small file of names and integer descriptors.

One JSON file. Each change reads it, and writes it again whole under an exclusive lock,
so that neither a crash nor a second command at the same time loses a person.
"""

import contextlib
import dataclasses
import fcntl
import json
import os
import pathlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from tfpipeline import atomic_files, errors

Descriptors = npt.NDArray[np.int16]

_FORMAT = "tfpipeline people"
_VERSION = 1
_INT16 = np.iinfo(np.int16)
# Longer than any name on a door, short enough for a line of output.
MAX_NAME_LENGTH = 80


@dataclasses.dataclass(frozen=True, eq=False)
class Person:
    """Somebody with at least one descriptor, int16 [k, n]."""

    name: str
    descriptors: Descriptors


@dataclasses.dataclass(frozen=True, eq=False)
class People:
    """Who is known, in the order of enrollment.

    Attributes:
        network: fingerprint of the network that made all descriptors: those of
            different networks cannot be compared.
        length: values of a descriptor.
        persons: with names that differ.
    """

    network: str
    length: int
    persons: tuple[Person, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """All names, in the order of enrollment."""
        return tuple(person.name for person in self.persons)

    def added(self, person: Person) -> "People":
        """With one person more.

        Raises:
            UsageError: the name is taken, or is no name.
        """
        require_name(person.name)
        if person.name in self.names:
            raise errors.UsageError(
                f"'{person.name}' is enrolled already; remove them first, or choose "
                "another name"
            )
        return dataclasses.replace(self, persons=(*self.persons, person))

    def removed(self, name: str) -> "People":
        """Without a person.

        Raises:
            UsageError: nobody has that name.
        """
        if name not in self.names:
            known = ", ".join(f"'{each}'" for each in self.names) or "nobody"
            raise errors.UsageError(f"'{name}' is not enrolled; known: {known}")
        rest = tuple(person for person in self.persons if person.name != name)
        return dataclasses.replace(self, persons=rest)


def require_name(name: str) -> None:
    """Checks that a name can be printed on a line.

    Raises:
        UsageError: it is empty, too long, or has characters that do not print.
    """
    if not name.strip() or name != name.strip() or not name.isprintable():
        raise errors.UsageError(
            f"a name must have printable characters and no space at its ends; found "
            f"{name!r}"
        )
    if len(name) > MAX_NAME_LENGTH:
        raise errors.UsageError(
            f"a name may have up to {MAX_NAME_LENGTH} characters; found {len(name)}"
        )


def read(path: str | os.PathLike[str]) -> People | None:
    """The people of a file, `None` where there is none.

    Raises:
        StorageError: the file cannot be read, or does not hold people.
    """
    if not pathlib.Path(path).exists():
        return None
    content = atomic_files.read_json(path)
    try:
        return _from_json(content)
    except (KeyError, TypeError, ValueError, errors.UsageError) as error:
        raise errors.StorageError(
            f"{path} does not hold people that `identify enroll` wrote: "
            f"{str(error) or type(error).__name__}"
        ) from error


@contextlib.contextmanager
def _locked(path: pathlib.Path) -> Iterator[None]:
    """Waits for other commands on the file; the lock is a file beside it."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Appending changes nothing, whosoever the file is.
        stream = path.with_name(f".{path.name}.lock").open("a")
    except OSError as error:
        raise errors.StorageError(
            f"cannot write {path}: {error.strerror or error}"
        ) from error
    with stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def change(
    path: str | os.PathLike[str], edit: Callable[[People | None], People]
) -> People:
    """Writes what `edit` makes of the people of a file; returns that.

    Args:
        path: the file, which need not exist.
        edit: takes what the file holds, `None` if there is none; what it raises leaves
            the file as it is.

    Raises:
        StorageError: the file cannot be read or written.
    """
    # Where a link leads, so that the link stays.
    file = pathlib.Path(os.path.realpath(path))
    with _locked(file):
        changed = edit(read(file))
        atomic_files.write_text(file, _to_text(changed), is_ours=_holds_people)
    return changed


def _holds_people(path: pathlib.Path) -> bool:
    return read(path) is not None


def _to_text(people: People) -> str:
    """JSON with a line for each descriptor."""
    rows = ",\n".join(
        f'  {{"name": {json.dumps(person.name)}, "descriptors": [\n   '
        + ",\n   ".join(json.dumps(row) for row in person.descriptors.tolist())
        + "]}"
        for person in people.persons
    )
    head = {
        "format": _FORMAT,
        "version": _VERSION,
        "network": people.network,
        "length": people.length,
    }
    return f'{json.dumps(head)[:-1]}, "people": [\n{rows}\n]}}\n'


def _from_json(content: Any) -> People:
    if (content["format"], content["version"]) != (_FORMAT, _VERSION):
        raise ValueError(f"version {content['version']} of {content['format']!r}")
    network, length = content["network"], content["length"]
    if not isinstance(network, str) or not isinstance(length, int):
        raise TypeError("'network' must be text and 'length' a whole number")
    people = People(network, length)
    for fields in content["people"]:
        name = fields["name"]
        if not isinstance(name, str):
            raise TypeError(f"a name must be text; found {name!r}")
        found = Person(name, _descriptors(fields["descriptors"], length))
        people = people.added(found)
    return people


def _descriptors(rows: Any, length: int) -> Descriptors:
    values = np.array(rows)
    if values.dtype.kind != "i" or values.ndim != 2 or values.shape[1] != length:
        raise ValueError(f"descriptors must be rows of {length} whole numbers")
    if values.min() < _INT16.min or values.max() > _INT16.max:
        raise ValueError("descriptors must be numbers of 16 bits")
    return values.astype(np.int16)
