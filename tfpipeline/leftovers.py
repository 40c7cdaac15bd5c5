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
# Of the first process namespace of a machine: PROC_PID_INIT_INO of Linux'
# include/linux/proc_ns.h.
_FIRST_NAMESPACE = 0xEFFFFFFC
# Of the name of the file that a temporary one is for: a name has up to 255 bytes.
_MAX_NAME_CHARACTERS = 40
_NAME = re.compile(rf"(?:\.[^/]*\.)?{_TAG}-([0-9a-f]{{8}})-(\d{{1,10}})-\w+(?:\.tmp)?")


def _numbering(root: pathlib.Path = pathlib.Path("/")) -> str:
    """Eight digits, of whatever gives process numbers their meaning.

    Containers may share a folder and the name of their host, and number their processes
    each for itself; so may machines. A number is looked up only where it was given:
    what a container left stays when the next one, with numbers of its own, starts.

    Args:
        root: of the file system that describes the machine.
    """
    parts = [socket.gethostname()]
    with contextlib.suppress(OSError):
        namespace = (root / "proc/self/ns/pid").stat().st_ino
        # The name of a machine outlives its restart, with which all processes end. A
        # namespace does not, and its number is unique only until then.
        named = "etc/machine-id"
        if namespace != _FIRST_NAMESPACE:
            named = "proc/sys/kernel/random/boot_id"
        parts.append(str(namespace))
        parts.append((root / named).read_text("ascii", "replace"))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:8]


_NUMBERING = _numbering()


def prefix(name: str = "") -> str:
    """How names of temporary files and folders of this process begin.

    Args:
        name: of the file that a temporary one is for; none of a folder.
    """
    hidden = f".{name[:_MAX_NAME_CHARACTERS]}." if name else ""
    return f"{hidden}{_TAG}-{_NUMBERING}-{os.getpid()}-"


def is_name(name: str) -> bool:
    """Whether a name is that of a temporary file or folder, of whatever process."""
    return _NAME.fullmatch(name) is not None


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
    if parts is None or parts[1] != _NUMBERING or int(parts[2]) == os.getpid():
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
