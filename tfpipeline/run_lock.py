"""One process at a time in the folder of a run, or of an export.

The lock is the system's, on a hidden file: it ends with the process, however that ends.
"""

import contextlib
import datetime
import fcntl
import io
import json
import os
import pathlib
import socket
import stat
from collections.abc import Iterator
from typing import Any

from tfpipeline import disk, errors
from tfpipeline.untrusted import json_values

NAME = ".tfpipeline.lock"
_KEYS = ("process", "host", "since")
_MAX_BYTES = 1000
# Of the name of an export's folder, in that of its lock.
_MAX_NAME_CHARACTERS = 40


@contextlib.contextmanager
def held(folder: pathlib.Path) -> Iterator[None]:
    """Has the folder of a run for itself; makes it if need be.

    Where the file system has no locks, there is none.

    Raises:
        UsageError: another process has it; says which.
        ForeignFileError: what has the name of the lock is no file.
        WriteError: the folder cannot be written.
    """
    path = folder / NAME
    try:
        folder.mkdir(parents=True, exist_ok=True)
        stream = _locked(path, folder, "--workdir")
    except OSError as error:
        raise errors.WriteError(os.fspath(path), error) from error
    with _signed(stream, path):
        yield


@contextlib.contextmanager
def held_beside(folder: pathlib.Path) -> Iterator[None]:
    """Has a folder of an export for itself, by a lock beside it, which may be absent.

    Where the lock cannot be, there is none; `marked_folder` writes all or nothing.

    Raises:
        UsageError: another process has it; says which.
        ForeignFileError: what has the name of the lock is no file.
    """
    real = pathlib.Path(os.path.realpath(folder))
    if not real.name:
        yield
        return
    path = real.with_name(f".{real.name[:_MAX_NAME_CHARACTERS]}{NAME}")
    try:
        stream = _locked(path, folder, "--output")
    except OSError:
        yield
        return
    with _signed(stream, path):
        yield


@contextlib.contextmanager
def _signed(stream: io.FileIO, path: pathlib.Path) -> Iterator[None]:
    """A locked file that says who has it, and goes with the block if it is ours."""
    with stream:
        is_ours = False
        # On a full disk the lock holds, and says less.
        with contextlib.suppress(OSError):
            is_ours = _sign(stream)
        try:
            yield
        finally:
            if is_ours:
                with contextlib.suppress(OSError):
                    path.unlink()


def _locked(path: pathlib.Path, folder: pathlib.Path, flag: str) -> io.FileIO:
    """The file, made if need be, which this process alone has locked.

    Args:
        path: of the file.
        folder: that is locked by it, for the message.
        flag: which chose the folder.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK
    while True:
        stream = io.FileIO(os.open(path, flags, 0o666), "r+")
        if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
            stream.close()
            raise errors.ForeignFileError(
                f"{disk.shown(path)} is no plain file, and has the name of a lock of "
                "ours: move it away"
            )
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            with stream:
                holder = _holder(stream.read(_MAX_BYTES))
            raise errors.UsageError(
                f"{disk.shown(folder)} is in use by {holder}: wait until it ends, or "
                f"choose another {flag}"
            ) from None
        except OSError:
            return stream
        # Who had it may have removed it since it was opened.
        if _is_at(stream, path):
            return stream
        stream.close()


def _is_at(stream: io.FileIO, path: pathlib.Path) -> bool:
    try:
        return os.path.samestat(os.fstat(stream.fileno()), path.lstat())
    except FileNotFoundError:
        return False


def _sign(stream: io.FileIO) -> bool:
    """Says in the file who holds it; False, and leaves it, if it is somebody else's."""
    content = stream.read(_MAX_BYTES)
    if content and _fields(content) is None:
        return False
    now = datetime.datetime.now().astimezone().isoformat(" ", "seconds")
    fields = dict(zip(_KEYS, (os.getpid(), socket.gethostname(), now), strict=True))
    stream.seek(0)
    stream.truncate()
    stream.write(json.dumps(fields).encode())
    return True


def _holder(content: bytes) -> str:
    fields = _fields(content)
    if fields is None:
        return "another process"
    process, host, since = (errors.one_line(str(fields[key]), 60) for key in _KEYS)
    return f"process {process} on {host} since {since}"


def _fields(content: bytes) -> dict[str, Any] | None:
    try:
        fields = json_values.parse(content, NAME)
    except errors.DamagedFileError:
        return None
    is_ours = isinstance(fields, dict) and fields.keys() == set(_KEYS)
    return fields if is_ours else None
