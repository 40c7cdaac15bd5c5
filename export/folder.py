"""Folders that appear whole or not at all, also where an older one is replaced."""

import contextlib
import ctypes
import os
import pathlib
import shutil
import tempfile
from collections.abc import Iterator

from tfpipeline import errors

# renameat2(2), linux/fs.h and fcntl.h.
_RENAME_EXCHANGE = 2
_AT_FDCWD = -100


@contextlib.contextmanager
def replace(path: str | os.PathLike[str]) -> Iterator[pathlib.Path]:
    """Yields a temporary folder that becomes `path` when the block ends without error.

    Files are flushed to the disk before the folder takes its name. An older folder at
    `path` stays as it is until then, and if anything fails.

    Raises:
        StorageError: the folder cannot be written (permission, disk full).
    """
    target = pathlib.Path(path)
    temporary = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(target)
        temporary = pathlib.Path(
            tempfile.mkdtemp(
                dir=target.parent, prefix=f".{target.name}.", suffix=".tmp"
            )
        )
        temporary.chmod(0o777 & ~_umask())
        yield temporary
        for file in sorted(temporary.rglob("*")):
            _sync(file)
        _sync(temporary)
        _take_place(temporary, target)
        _sync(target.parent)
    except OSError as error:
        raise errors.StorageError(
            f"cannot write {target}: {error.strerror or error}. Free space or choose "
            "another folder; what stood there before is untouched."
        ) from error
    finally:
        # After an exchange this is the older folder.
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)


def _remove_leftovers(target: pathlib.Path) -> None:
    """Removes what a killed process left; one process at a time writes a folder."""
    for leftover in target.parent.glob(f".{target.name}.*.tmp*"):
        # Killed between the two steps of a swap: the older folder is the only one.
        if leftover.suffix == ".old" and not target.exists():
            os.rename(leftover, target)
        else:
            shutil.rmtree(leftover, ignore_errors=True)


def _take_place(temporary: pathlib.Path, target: pathlib.Path) -> None:
    if not target.exists():
        os.rename(temporary, target)
    elif not _exchange(temporary, target):
        _swap_in_two_steps(temporary, target)


def _exchange(first: pathlib.Path, second: pathlib.Path) -> bool:
    """Exchanges two folders in one step; False where the system cannot."""
    try:
        renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):
        return False
    result = renameat2(
        _AT_FDCWD,
        os.fsencode(first),
        _AT_FDCWD,
        os.fsencode(second),
        _RENAME_EXCHANGE,
    )
    return bool(result == 0)


def _swap_in_two_steps(temporary: pathlib.Path, target: pathlib.Path) -> None:
    """Replaces `target` where no exchange exists; a failure puts the older one back."""
    older = temporary.with_name(f"{temporary.name}.old")
    os.rename(target, older)
    try:
        os.rename(temporary, target)
    except OSError:
        os.rename(older, target)
        raise
    shutil.rmtree(older, ignore_errors=True)


def _sync(path: pathlib.Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
