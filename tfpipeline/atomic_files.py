"""Files that appear whole or not at all: temporary file, fsync, rename."""

import contextlib
import json
import os
import pathlib
import tempfile
from collections.abc import Iterator
from typing import Any, BinaryIO

from tfpipeline import errors


@contextlib.contextmanager
def open_for_replace(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Opens a temporary file that replaces `path` when the block ends without error.

    The data is flushed to the disk before the rename, and the folder after it, so that
    a crash at any moment leaves either the old file or the new one.

    Raises:
        StorageError: the folder or the file cannot be written (permission, disk full).
    """
    target = pathlib.Path(path)
    temporary = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(
            dir=target.parent, prefix=f".{target.name}.", suffix=".tmp"
        )
        with os.fdopen(descriptor, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, target)
        temporary = None
        _sync_folder(target.parent)
    except OSError as error:
        raise errors.StorageError(
            f"cannot write {target}: {error.strerror or error}. "
            "Free space or choose another --workdir; nothing already written was lost."
        ) from error
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(temporary)


def write_bytes(path: str | os.PathLike[str], data: bytes) -> None:
    """Writes `data` to `path` atomically."""
    with open_for_replace(path) as stream:
        stream.write(data)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Writes `text` to `path` atomically, as UTF-8."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: str | os.PathLike[str], value: Any) -> None:
    """Writes `value` to `path` atomically, as indented JSON with a final newline."""
    write_text(path, json.dumps(value, indent=2) + "\n")


def read_json(path: str | os.PathLike[str]) -> Any:
    """Reads a JSON file.

    Raises:
        StorageError: the file is absent, unreadable or not JSON.
    """
    try:
        return json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise errors.StorageError(
            f"cannot read {path}: {error.strerror or error}"
        ) from error
    except ValueError as error:
        raise errors.StorageError(f"{path} is not valid JSON: {error}") from error


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _sync_folder(folder: pathlib.Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
