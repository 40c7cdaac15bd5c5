"""One process at a time in the folder of a run.

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
from collections.abc import Iterator
from typing import Any

from tfpipeline import disk, errors
from tfpipeline.untrusted import json_values

NAME = ".tfpipeline.lock"
_KEYS = ("process", "host", "since")
_MAX_BYTES = 1000


@contextlib.contextmanager
def held(folder: pathlib.Path) -> Iterator[None]:
    """Has a folder for itself; makes it if need be.

    Where the file system has no locks, there is none.

    Raises:
        UsageError: another process has it; says which.
        WriteError: the folder cannot be written.
    """
    path = folder / NAME
    try:
        folder.mkdir(parents=True, exist_ok=True)
        stream = _locked(path)
    except OSError as error:
        raise errors.WriteError(os.fspath(path), error) from error
    with stream:
        try:
            is_ours = _sign(stream)
        # A full disk: the lock holds, and says less.
        except OSError:
            is_ours = True
        try:
            yield
        finally:
            if is_ours:
                with contextlib.suppress(OSError):
                    path.unlink()


def _locked(path: pathlib.Path) -> io.FileIO:
    """The file, made if need be, which this process alone has locked."""
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK
    while True:
        stream = io.FileIO(os.open(path, flags, 0o666), "r+")
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            with stream:
                holder = _holder(stream.read(_MAX_BYTES))
            raise errors.UsageError(
                f"{disk.shown(path.parent)} is in use by {holder}: wait until it ends, "
                "or choose another --workdir"
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
