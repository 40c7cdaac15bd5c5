"""The hidden file that says which files of a folder this program wrote.

`.tfpipeline` holds JSON: {"format", "version", "writer", "staged", "files": {name:
[sha256, ...]}}. A name is a path below the folder. It has two digests while what stands
there is being replaced: both are listed before the replacement, so that a crash leaves
no file of ours unknown. It is read as if anybody could have written it.
"""

import contextlib
import dataclasses
import json
import os
import pathlib
import re
import stat
from collections.abc import Mapping
from typing import Any

from tfpipeline import disk, errors
from tfpipeline.untrusted import json_values

NAME = ".tfpipeline"
TEMPORARY = f"{NAME}.tmp"
# Who writes into the folder of a run; other writers have a folder of their own.
RUN = "run"

_FORMAT = "tfpipeline files"
_VERSION = 1
# How every marker begins, by which half of one is known.
_HEAD = f'{{\n "format": "{_FORMAT}"'.encode()
# A thousand files are 0.1 MB; what is larger is no marker.
_MAX_BYTES, _MAX_STAGED = 1 << 22, 1 << 16
# What Linux allows for a part of a path, and for a path.
_MAX_PART_BYTES, _MAX_NAME_BYTES = 255, 2048
_WRITER = re.compile(r"[a-z0-9_]{1,40}")
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclasses.dataclass(frozen=True)
class Marker:
    """Files of ours in a folder.

    Attributes:
        writer: the command that wrote them, or RUN.
        files: name -> digests, of which the file has one; it may be absent.
        staged: temporary files that a command which did not end may have left.
    """

    writer: str
    files: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    staged: int = 0


def read(folder: pathlib.Path) -> Marker | None:
    """The marker of a folder; None if there is none.

    Raises:
        ForeignFileError: there is a file of that name which is no marker.
        OSError: it cannot be read.
    """
    path = folder / NAME
    try:
        mode = path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    if not stat.S_ISREG(mode.st_mode) or mode.st_size > _MAX_BYTES:
        raise _damaged(path)
    data = path.read_bytes()
    try:
        return _marker(json_values.parse(data, NAME))
    except (
        *(errors.DamagedFileError, ValueError, KeyError),
        *(TypeError, AttributeError),
    ) as error:
        raise _damaged(path) from error


def write(folder: pathlib.Path, marker: Marker) -> None:
    """Writes the marker of a folder, whole or not at all.

    Raises:
        ForeignFileError: a file has the name of the temporary one.
        OSError: it cannot be written.
    """
    temporary = folder / TEMPORARY
    if not is_leftover(temporary):
        raise errors.ForeignFileError(
            f"{disk.shown(temporary)} is in the way, which no program of ours wrote: "
            "move it away"
        )
    temporary.unlink(missing_ok=True)
    content = {
        "format": _FORMAT,
        "version": _VERSION,
        "writer": marker.writer,
        "staged": marker.staged,
        "files": dict(sorted(marker.files.items())),
    }
    try:
        disk.write_new(temporary, json.dumps(content, indent=1).encode() + b"\n")
        os.replace(temporary, folder / NAME)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    disk.sync_folder(folder)


def add(folder: pathlib.Path, name: str, digests: tuple[str, ...]) -> None:
    """Lists a file more in a folder that has a marker.

    Raises:
        ForeignFileError: its marker is damaged.
        OSError: it cannot be written.
    """
    with disk.locked(folder):
        marker = read(folder)
        if marker is None or marker.files.get(name) == digests:
            return
        files = {**marker.files, name: digests}
        write(folder, dataclasses.replace(marker, files=files))


def is_leftover(path: pathlib.Path) -> bool:
    """Whether `path` is absent, or the beginning of a marker that a kill cut short."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return True
    if not stat.S_ISREG(mode):
        return False
    with path.open("rb") as stream:
        start = stream.read(len(_HEAD))
    return _HEAD.startswith(start)


def is_name(name: Any) -> bool:
    """Whether `name` is a path below a folder that a file of ours could have."""
    if not isinstance(name, str) or "\0" in name:
        return False
    try:
        parts = [os.fsencode(part) for part in name.split("/")]
    except UnicodeEncodeError:
        return False
    if sum(map(len, parts)) > _MAX_NAME_BYTES or name in (NAME, TEMPORARY):
        return False
    return all(
        part not in (b"", b".", b"..") and len(part) <= _MAX_PART_BYTES
        for part in parts
    )


def _marker(content: Any) -> Marker:
    if (content["format"], content["version"]) != (_FORMAT, _VERSION):
        raise ValueError("another format")
    writer, staged, files = content["writer"], content["staged"], content["files"]
    if not _WRITER.fullmatch(writer):
        raise ValueError("no writer")
    if type(staged) is not int or not 0 <= staged <= _MAX_STAGED:
        raise ValueError("no number of staged files")
    for name, digests in files.items():
        if not is_name(name) or type(digests) is not list:
            raise ValueError("no file of a folder")
        if not all(_DIGEST.fullmatch(each) for each in digests):
            raise ValueError("no digest")
    return Marker(writer, {name: tuple(each) for name, each in files.items()}, staged)


def _damaged(path: pathlib.Path) -> errors.ForeignFileError:
    return errors.ForeignFileError(
        f"{disk.shown(path)} does not say which files of its folder are ours: it is "
        "damaged, or of another version. Choose a new or empty folder"
    )
