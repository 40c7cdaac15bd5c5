"""The bytes and the text of a file: up to a size in one read, or piece by piece."""

import contextlib
import os
import stat
from collections.abc import Iterator
from typing import BinaryIO

from tfpipeline import errors

# No network of a microcontroller, no checkpoint of its training is larger.
MAX_BYTES = 1 << 31
# Of what a person writes: flags, policies, labels.
MAX_TEXT_BYTES = 1 << 20
_PIECE_BYTES = 1 << 20


def read(path: str | os.PathLike[str], limit: int = MAX_BYTES) -> bytes:
    """Reads a file.

    Args:
        path: of the file; neither a pipe, which may have no end, nor a device.
        limit: most bytes.

    Raises:
        StorageError: it is absent or cannot be read, is no plain file, or is larger.
    """
    with opened(path) as stream:
        data = _up_to(stream, limit)
    if data is None:
        raise errors.StorageError(
            f"{_name(path)} has over {limit:,} bytes, more than any such file needs"
        )
    return data


@contextlib.contextmanager
def opened(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Opens a file of any size, which the block reads piece by piece.

    Args:
        path: of the file; neither a pipe, which may have no end, nor a device.

    Raises:
        StorageError: it is absent, is no plain file, or cannot be read by the block.
    """
    try:
        with open(path, "rb", opener=_open) as stream:
            if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                raise errors.StorageError(f"{_name(path)} is no plain file")
            yield stream
    # A ValueError is a NUL in the name.
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise errors.StorageError(f"cannot read {_name(path)}: {reason}") from error


def read_text(path: str | os.PathLike[str], limit: int = MAX_TEXT_BYTES) -> str:
    """Reads a text file of UTF-8.

    Args:
        path: of the file.
        limit: most bytes.

    Returns:
        The text with `\\n` at the end of lines, without a byte order mark.

    Raises:
        StorageError: as `read`.
        DamagedFileError: it is not UTF-8, or binary.
    """
    data = read(path, limit)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise errors.DamagedFileError(
            f"{_name(path)} is no text: byte {error.start + 1} is not UTF-8"
        ) from error
    if "\0" in text:
        raise errors.DamagedFileError(
            f"{_name(path)} is no text: byte {data.index(0) + 1} is NUL"
        )
    return text.replace("\r\n", "\n").replace("\r", "\n")


def exists(path: str | os.PathLike[str]) -> bool:
    """Whether something stands at `path`; False for what cannot be a path."""
    try:
        return os.path.exists(path)
    except (OSError, ValueError):
        return False


def _open(path: str, flags: int) -> int:
    # A pipe without a writer would block.
    return os.open(path, flags | os.O_NONBLOCK)


def _up_to(stream: BinaryIO, limit: int) -> bytes | None:
    """What is left of a file; None if that is over `limit` bytes."""
    # Memory is taken for all that is asked for, whatever the file has.
    size = os.fstat(stream.fileno()).st_size
    data = stream.read(min(size, limit) + 1)
    # It grows, or does not say its size, as those of Linux' /proc.
    while size < len(data) <= limit:
        more = stream.read(min(limit + 1 - len(data), _PIECE_BYTES))
        if not more:
            break
        data += more
    return data if len(data) <= limit else None


def _name(path: str | os.PathLike[str]) -> str:
    return os.fspath(path)
