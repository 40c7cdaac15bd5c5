"""Checkpoints of a training stage: one file each, whole or absent, newest two kept."""

import dataclasses
import json
import logging
import os
import pathlib
import re
import zipfile
from collections.abc import Sequence
from typing import Any

import numpy as np

from tfpipeline import atomic_files, errors

_LOG = logging.getLogger(__name__)
_KEEP = 2
_NAME = re.compile(r"epoch-\d{5,}\.npz")
_UNREADABLE = (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile)


@dataclasses.dataclass(frozen=True, eq=False)
class Checkpoint:
    """Everything that the next epoch depends on.

    Attributes:
        epoch: epochs done, so the next one has this number (counted from 0).
        weights: the model's weights, in the order of `model.get_weights()`.
        optimizer: the optimizer's variables, in its own order.
        best_weights: weights of the best epoch so far.
        history: one record an epoch, oldest first.
    """

    epoch: int
    weights: Sequence[np.ndarray]
    optimizer: Sequence[np.ndarray]
    best_weights: Sequence[np.ndarray]
    history: tuple[dict[str, Any], ...]


def save(folder: pathlib.Path, checkpoint: Checkpoint) -> pathlib.Path:
    """Writes `checkpoint` into `folder` and removes all but the newest two.

    A damaged file of its name is set aside, as `*.damagedN`.

    Raises:
        StorageError: it cannot be written; older checkpoints stay as they are.
    """
    path = folder / f"epoch-{checkpoint.epoch:05d}.npz"
    arrays = {
        f"{group}/{index:05d}": array
        for group in ("weights", "optimizer", "best_weights")
        for index, array in enumerate(getattr(checkpoint, group))
    }
    head = json.dumps({"epoch": checkpoint.epoch, "history": checkpoint.history})
    arrays["head"] = np.frombuffer(head.encode("utf-8"), np.uint8)
    with atomic_files.open_for_replace(path, is_ours=_is_checkpoint) as stream:
        _set_aside(path)
        np.savez(stream, **arrays)
    for old in _paths(folder)[:-_KEEP]:
        if _is_checkpoint(old):
            old.unlink(missing_ok=True)
    return path


def _paths(folder: pathlib.Path) -> list[pathlib.Path]:
    """The checkpoints of a stage, oldest first; not a copy by another name."""
    return sorted(path for path in folder.glob("*") if _NAME.fullmatch(path.name))


def _is_checkpoint(path: pathlib.Path) -> bool:
    """Whether a file says that it is the checkpoint that its name says."""
    try:
        with path.open("rb") as stream, np.load(stream) as archive:
            epoch = json.loads(archive["head"].tobytes().decode("utf-8"))["epoch"]
    except _UNREADABLE:
        return False
    return path.name == f"epoch-{epoch:05d}.npz"


def _set_aside(path: pathlib.Path) -> None:
    """Gives another name to a file that has the name of a checkpoint and is none."""
    if not path.is_file() or path.is_symlink() or _is_checkpoint(path):
        return
    number = 1
    while os.path.lexists(aside := path.with_name(f"{path.name}.damaged{number}")):
        number += 1
    path.rename(aside)
    _LOG.warning("%s is no checkpoint and is now called %s", path, aside.name)


def load(path: pathlib.Path) -> Checkpoint:
    """Reads one checkpoint.

    Raises:
        StorageError: the file is truncated, corrupt, or not a checkpoint.
    """
    try:
        # NumPy leaves a file open that it opened itself and then could not read.
        with path.open("rb") as stream, np.load(stream) as archive:
            arrays = {name: archive[name] for name in archive.files}
        head = json.loads(arrays.pop("head").tobytes().decode("utf-8"))
        groups: dict[str, list[np.ndarray]] = {
            "weights": [],
            "optimizer": [],
            "best_weights": [],
        }
        for name in sorted(arrays):
            groups[name.split("/")[0]].append(arrays[name])
        return Checkpoint(epoch=head["epoch"], history=tuple(head["history"]), **groups)
    except _UNREADABLE as error:
        raise errors.StorageError(
            f"checkpoint {path} cannot be read: {error}"
        ) from error


def load_newest(folder: pathlib.Path) -> Checkpoint | None:
    """The newest readable checkpoint of `folder`; None when there is none at all.

    A damaged file is skipped with a warning, and the one before it is taken.

    Raises:
        StorageError: there are checkpoints, and none of them can be read.
    """
    paths = _paths(folder)
    for path in reversed(paths):
        try:
            return load(path)
        except errors.StorageError as error:
            _LOG.warning("%s; falling back to the one before", error)
    if paths:
        raise errors.StorageError(
            f"none of the {len(paths)} checkpoints in {folder} can be read. "
            "Remove that folder to train this stage again."
        )
    return None


def newest_path(folder: pathlib.Path) -> pathlib.Path | None:
    """The file that `load_newest` would try first."""
    return max(_paths(folder), default=None)
