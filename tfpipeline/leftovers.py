"""Names for what a program writes for a while, and the removal of what was left.

A program that is killed leaves its temporary files. The name of each says who made it,
so that a later program finds those whose maker is gone; it touches no others.
"""

import contextlib
import hashlib
import os
import pathlib
import re
import shutil
import socket
import stat
import tempfile
from collections.abc import Iterator

_TAG = "tfpipeline"
_HOST = hashlib.sha256(socket.gethostname().encode()).hexdigest()[:8]
# Of the name of the file that a temporary one is for: a name has up to 255 bytes.
_MAX_NAME_CHARACTERS = 40
_NAME = re.compile(rf"(?:\.[^/]*\.)?{_TAG}-([0-9a-f]{{8}})-(\d{{1,10}})-\w+(?:\.tmp)?")


def prefix(name: str = "") -> str:
    """How names of temporary files and folders of this process begin.

    Args:
        name: of the file that a temporary one is for; none of a folder.
    """
    hidden = f".{name[:_MAX_NAME_CHARACTERS]}." if name else ""
    return f"{hidden}{_TAG}-{_HOST}-{os.getpid()}-"


def remove(folder: pathlib.Path, *, deep: bool = False) -> list[str]:
    """Removes the temporary files and folders in a folder whose maker is gone.

    Args:
        folder: which may be absent.
        deep: whether to look into the folders below as well.

    Returns:
        The names of what was removed. What cannot be removed stays.
    """
    removed = []
    for root, folders, files in os.walk(folder):
        for name in [name for name in (*folders, *files) if _is_left(name)]:
            if _remove(pathlib.Path(root, name)):
                removed.append(name)
        folders[:] = [name for name in folders if deep and not _is_left(name)]
    return removed


@contextlib.contextmanager
def scratch_folder() -> Iterator[pathlib.Path]:
    """A folder for temporary files that goes with the block, after those of the dead.

    Raises:
        OSError: there is no place for one.
    """
    remove(pathlib.Path(tempfile.gettempdir()))
    with tempfile.TemporaryDirectory(prefix=prefix()) as folder:
        yield pathlib.Path(folder)


def _is_left(name: str) -> bool:
    """Whether a name is that of a temporary file whose process has ended."""
    parts = _NAME.fullmatch(name)
    if parts is None or parts[1] != _HOST or int(parts[2]) == os.getpid():
        return False
    try:
        os.kill(int(parts[2]), 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        return False
    return False


def _remove(path: pathlib.Path) -> bool:
    try:
        about = path.lstat()
        if about.st_uid != os.getuid():
            return False
        if stat.S_ISDIR(about.st_mode):
            shutil.rmtree(path)
        elif stat.S_ISREG(about.st_mode):
            path.unlink()
        else:
            return False
    except OSError:
        return False
    return True
