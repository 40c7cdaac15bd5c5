"""Folders of files by class: `root/class/file`, or `root/part/class/file`."""

import dataclasses
import hashlib
import os
from collections.abc import Iterator

import numpy as np

from tfpipeline import errors
from tfpipeline.data.own import examples

# Of files of a class that are no data, to be named in a message.
_LISTED = 3


@dataclasses.dataclass(frozen=True, eq=False)
class Files:
    """Files of a part.

    Attributes:
        paths: one a file, ordered by class and name.
        classes: int32 [N], of each.
        key: changes when files do: from their names, sizes and times.
    """

    paths: list[str]
    classes: np.ndarray
    key: str


def find(root: str, suffixes: tuple[str, ...]) -> tuple[dict[str, Files], list[str]]:
    """All files of a folder by part, and the names of the classes in order.

    A class is a folder; files may lie in folders of it. Names that begin with a dot
    are left out, and so are files of other suffixes. Links to folders are followed
    one level, that of classes.

    Args:
        root: the folder.
        suffixes: of files, in lower case.

    Raises:
        DataError: a class without a file, or one that is missing from the train part.
        StorageError: a folder cannot be read.
    """
    parts = _parts(root)
    names = sorted({name for folder in parts.values() for name in _folders(folder)})
    found = {}
    for part, folder in parts.items():
        listed = {name: _files(os.path.join(folder, name), suffixes) for name in names}
        empty = [
            name
            for name, files in listed.items()
            if not files and (part == examples.TRAIN or name in _folders(folder))
        ]
        if empty:
            raise errors.DataError(
                f"{os.path.join(folder, empty[0])} holds no {suffixes[0]} file or the "
                f"like ({errors.listed(empty, _LISTED)}): fill it, or remove the class"
            )
        found[part] = _gathered(listed, names)
    return found, names


def below(root: str, suffixes: tuple[str, ...]) -> list[str]:
    """Paths of all files of a folder and of those in it, sorted, without classes.

    Raises:
        StorageError: a folder cannot be read.
    """
    return sorted(path for path, _ in _walk(root, suffixes))


def _parts(root: str) -> dict[str, str]:
    """Part -> folder of its classes; the root alone where it has no parts."""
    below = _folders(root)
    parts = {
        examples.PART_NAMES[name.lower()]: os.path.join(root, name)
        for name in below
        if name.lower() in examples.PART_NAMES
    }
    if not parts or len(parts) < len(below):
        if examples.TRAIN in parts:
            others = [name for name in below if name.lower() not in examples.PART_NAMES]
            raise errors.DataError(
                f"{root} holds a train folder beside {errors.listed(others, _LISTED)}: "
                "it is either parts (train, validation, test) or classes"
            )
        return {examples.TRAIN: root}
    return parts


def _gathered(listed: dict[str, list[tuple[str, str]]], names: list[str]) -> Files:
    digest = hashlib.sha256()
    paths, counts = [], []
    for name in names:
        counts.append(len(listed[name]))
        for path, state in listed[name]:
            paths.append(path)
            digest.update(f"{path}\0{state}\n".encode(errors="surrogateescape"))
    classes = np.repeat(np.arange(len(names), dtype=np.int32), counts)
    return Files(paths, classes, digest.hexdigest())


def _folders(folder: str) -> list[str]:
    return sorted(
        entry.name
        for entry in _entries(folder)
        if entry.is_dir() and not entry.name.startswith(".")
    )


def _files(folder: str, suffixes: tuple[str, ...]) -> list[tuple[str, str]]:
    """(path, size and time) of the files of a class, by name."""
    if not os.path.isdir(folder):
        return []
    return sorted(_walk(folder, suffixes))


def _walk(folder: str, suffixes: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    for entry in _entries(folder):
        if entry.name.startswith("."):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(entry.path, suffixes)
        elif entry.name.lower().endswith(suffixes) and entry.is_file():
            state = entry.stat()
            yield entry.path, f"{state.st_size} {state.st_mtime_ns}"


def _entries(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError as error:
        raise errors.StorageError(
            f"cannot read {folder}: {error.strerror or error}"
        ) from error
