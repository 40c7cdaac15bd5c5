"""Checkpoints of a training stage: one file each, whole or absent, newest two kept."""

import dataclasses
import json
import logging
import pathlib
import zipfile
from collections.abc import Sequence
from typing import Any

import numpy as np

from tfpipeline import atomic_files, errors

_LOG = logging.getLogger(__name__)
_KEEP = 2
_PATTERN = "epoch-*.npz"


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
    with atomic_files.open_for_replace(path) as stream:
        np.savez(stream, **arrays)
    for old in sorted(folder.glob(_PATTERN))[:-_KEEP]:
        old.unlink(missing_ok=True)
    return path


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
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise errors.StorageError(
            f"checkpoint {path} cannot be read: {error}"
        ) from error


def load_newest(folder: pathlib.Path) -> Checkpoint | None:
    """The newest readable checkpoint of `folder`; None when there is none at all.

    A damaged file is skipped with a warning, and the one before it is taken.

    Raises:
        StorageError: there are checkpoints, and none of them can be read.
    """
    paths = sorted(folder.glob(_PATTERN), reverse=True)
    for path in paths:
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
    return max(folder.glob(_PATTERN), default=None)
