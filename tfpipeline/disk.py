"""What stands on the disk, and what must outlive a crash there."""

import contextlib
import fcntl
import hashlib
import os
import pathlib
import stat
from collections.abc import Iterator

from tfpipeline import errors

# Characters of a path in a message, which is one line of up to 400.
_SHOWN = 150
# Of the name of a file that is set aside.
_STEM_BYTES = 240


def digest(data: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def digest_at(path: pathlib.Path) -> str | None:
    """SHA-256 of the file at `path`; None where nothing stands.

    Raises:
        ForeignFileError: what stands there is no plain file.
        OSError: it cannot be read.
    """
    try:
        mode = path.lstat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None
    if not stat.S_ISREG(mode):
        raise errors.ForeignFileError(
            f"{shown(path)} is {_kind(mode)}, where a file is to be written: move it "
            "away, or choose another place"
        )
    with open(path, "rb", opener=_open_plain) as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def digest_behind(path: pathlib.Path) -> str | None:
    """As `digest_at`, of what a link leads to: for files that are only read."""
    return digest_at(path.resolve())


def write_new(path: pathlib.Path, data: bytes) -> None:
    """Writes a file that must not exist, and flushes it; its mode is the umask's."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    with os.fdopen(os.open(path, flags, 0o666), "wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())


def set_aside(path: pathlib.Path) -> pathlib.Path:
    """Gives what stands at `path` a name that nothing has, `NAME.damaged1`; says which.

    Raises:
        OSError: the folder cannot be written.
    """
    number = 1
    # Room for the rest, of the 255 bytes that a name may have.
    stem = os.fsencode(path.name)[:_STEM_BYTES].decode("utf-8", "ignore")
    while os.path.lexists(aside := path.with_name(f"{stem}.damaged{number}")):
        number += 1
    os.rename(path, aside)
    return aside


def sync_folder(folder: pathlib.Path) -> None:
    """Flushes the names of a folder's files."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def locked(folder: pathlib.Path) -> Iterator[None]:
    """Waits for other programs that lock `folder`; where none can, goes on at once."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        # Some network file systems have no locks of folders.
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def shown(path: str | os.PathLike[str]) -> str:
    """A path for a message: printable, and not longer than a line can take."""
    text = os.fspath(path)
    text = text if text.isprintable() else ascii(text)
    return text if len(text) <= _SHOWN else f"...{text[3 - _SHOWN :]}"


def _open_plain(path: str, flags: int) -> int:
    # A pipe that took the file's place would block, a link lead elsewhere.
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)


def _kind(mode: int) -> str:
    if stat.S_ISLNK(mode):
        return "a symbolic link"
    return "a folder" if stat.S_ISDIR(mode) else "no plain file"
