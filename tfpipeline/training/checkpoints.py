"""Checkpoints of a training stage: one file each, whole or absent, newest two kept."""

import dataclasses
import hashlib
import json
import logging
import pathlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tfpipeline import atomic_files, disk, errors
from tfpipeline.untrusted import arrays, damage, json_values

_LOG = logging.getLogger(__name__)
_KEEP = 2
_NAME = re.compile(r"epoch-\d{5,}\.npz")
_GROUPS = ("weights", "optimizer", "best_weights", "averages")
_HEAD = "head"


@dataclasses.dataclass(frozen=True, eq=False)
class Checkpoint:
    """Everything that the next epoch depends on.

    Attributes:
        epoch: epochs done, so the next one has this number (counted from 0).
        weights: the model's weights, in the order of `model.get_weights()`.
        optimizer: the optimizer's variables, in its own order.
        best_weights: weights of the best epoch so far.
        history: one record an epoch, oldest first.
        averages: of the weights over the steps, where the stage has them.
    """

    epoch: int
    weights: Sequence[np.ndarray]
    optimizer: Sequence[np.ndarray]
    best_weights: Sequence[np.ndarray]
    history: tuple[dict[str, Any], ...]
    averages: Sequence[np.ndarray] = ()


def save(folder: pathlib.Path, checkpoint: Checkpoint) -> pathlib.Path:
    """Writes `checkpoint` into `folder` and removes all but the newest two.

    A damaged file of its name is set aside, as `*.damagedN`.

    Raises:
        StorageError: it cannot be written; older checkpoints stay as they are.
    """
    path = folder / _file_name(checkpoint.epoch)
    stored = {
        f"{group}/{index:05d}": array
        for group in _GROUPS
        for index, array in enumerate(getattr(checkpoint, group))
    }
    head = {
        "epoch": checkpoint.epoch,
        "history": checkpoint.history,
        "sha256": _digest(checkpoint.epoch, checkpoint.history, stored),
    }
    stored[_HEAD] = np.frombuffer(json.dumps(head).encode("utf-8"), np.uint8)
    with atomic_files.open_for_replace(path, is_ours=_is_checkpoint) as stream:
        _set_aside(path)
        np.savez(stream, **stored)
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
        with damage.reported(path.name, "a checkpoint"):
            head = _head(arrays.read_npz(path, only=(_HEAD,)), path)
            return path.name == _file_name(head["epoch"])
    except errors.StorageError:
        return False


def _set_aside(path: pathlib.Path) -> None:
    """Gives another name to a file that has the name of a checkpoint and is none."""
    if not path.is_file() or path.is_symlink() or _is_checkpoint(path):
        return
    aside = disk.set_aside(path)
    _LOG.warning("%s is no checkpoint and is now called %s", path, aside.name)


def load(path: pathlib.Path) -> Checkpoint:
    """Reads one checkpoint.

    Raises:
        StorageError: the file is truncated, corrupt, changed, or not a checkpoint.
    """
    stored = arrays.read_npz(path)
    with damage.reported(str(path), "a checkpoint"):
        head = _head(stored, path)
        epoch, history = head["epoch"], tuple(head["history"])
        if path.name != _file_name(epoch) or history[-1]["epoch"] != epoch:
            raise ValueError(f"it says epoch {errors.brief(epoch)}")
        # Those of earlier versions have none.
        digest = head.get("sha256")
        del stored[_HEAD]
        if digest is not None and digest != _digest(epoch, history, stored):
            raise ValueError("it was changed since it was written")
        groups: dict[str, list[np.ndarray]] = {group: [] for group in _GROUPS}
        for name in sorted(stored):
            groups[name.split("/")[0]].append(stored[name])
        return Checkpoint(epoch=epoch, history=history, **groups)


def _head(stored: Mapping[str, np.ndarray], path: pathlib.Path) -> dict[str, Any]:
    return json_values.parse(stored[_HEAD].tobytes(), f"the head of {path}")


def _file_name(epoch: Any) -> str:
    return f"epoch-{epoch:05d}.npz"


def _digest(
    epoch: int,
    history: Sequence[dict[str, Any]],
    stored: Mapping[str, np.ndarray],
) -> str:
    """SHA-256 of all that a checkpoint holds."""
    digest = hashlib.sha256(json.dumps([epoch, history]).encode("utf-8"))
    for name in sorted(stored):
        array = np.asarray(stored[name])
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


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
