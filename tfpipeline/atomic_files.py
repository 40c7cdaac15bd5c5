"""Files that appear whole or not at all: temporary file, fsync, rename.

No file is replaced that this program did not write. It knows its own by what it wrote
since it started, by the marker of the run's folder (`markers`), or by their content.
"""

import contextlib
import json
import os
import pathlib
import tempfile
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

from tfpipeline import disk, errors, leftovers, markers
from tfpipeline.untrusted import json_values

# Says whether the file at a path is of the kind that the caller writes.
Recognize = Callable[[pathlib.Path], bool]

# Path -> digest of what this process wrote there last.
_WRITTEN: dict[str, str] = {}


@contextlib.contextmanager
def open_for_replace(
    path: str | os.PathLike[str], is_ours: Recognize | None = None
) -> Iterator[BinaryIO]:
    """Opens a temporary file that replaces `path` when the block ends without error.

    The data is flushed to the disk before the rename, and the folder after it, so that
    a crash at any moment leaves either the old file or the new one. A file that has
    these very bytes already is left alone.

    Args:
        path: of the file; its folder is made if need be.
        is_ours: for files that are known by their content, wherever they lie: no marker
            lists these.

    Raises:
        ForeignFileError: there is a file that this program did not write.
        StorageError: the folder or the file cannot be written (permission, disk full).
    """
    target = pathlib.Path(path)
    temporary = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        leftovers.remove(target.parent)
        descriptor, temporary = tempfile.mkstemp(
            dir=target.parent, prefix=leftovers.prefix(target.name), suffix=".tmp"
        )
        with os.fdopen(descriptor, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        digest = disk.digest_at(pathlib.Path(temporary)) or ""
        if not _claim(target, digest, is_ours):
            return
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, target)
        temporary = None
        _WRITTEN[os.path.abspath(target)] = digest
        disk.sync_folder(target.parent)
    except OSError as error:
        raise errors.WriteError(os.fspath(target), error) from error
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(temporary)


def write_bytes(
    path: str | os.PathLike[str], data: bytes, is_ours: Recognize | None = None
) -> None:
    """Writes `data` to `path` atomically; see `open_for_replace`."""
    with open_for_replace(path, is_ours) as stream:
        stream.write(data)


def write_text(
    path: str | os.PathLike[str], text: str, is_ours: Recognize | None = None
) -> None:
    """Writes `text` to `path` atomically, as UTF-8; see `open_for_replace`.

    What UTF-8 lacks, parts of file names that are none themselves, becomes an escape.
    """
    write_bytes(path, text.encode("utf-8", "backslashreplace"), is_ours)


def write_json(
    path: str | os.PathLike[str], value: Any, is_ours: Recognize | None = None
) -> None:
    """Writes `value` to `path` atomically, as `json_text`; see `open_for_replace`."""
    write_text(path, json_text(value), is_ours)


def json_text(value: Any) -> str:
    """Indented JSON with a final newline."""
    return json.dumps(value, indent=2) + "\n"


def read_json(path: str | os.PathLike[str]) -> Any:
    """Reads what `write_json` wrote, if nobody changed it since.

    Raises:
        StorageError: the file is absent, unreadable or not JSON.
    """
    return json_values.read(path)


def _claim(target: pathlib.Path, digest: str, is_ours: Recognize | None) -> bool:
    """Lists `digest` as ours at `target`; False where it stands there already.

    Raises:
        ForeignFileError: something else does that is not ours.
    """
    standing = disk.digest_at(target)
    if standing == digest:
        return False
    if is_ours is not None:
        if standing is not None and not is_ours(target):
            raise _foreign(target)
        return True
    path = pathlib.Path(os.path.abspath(target))
    folder, listed = _run_of(path)
    known = (_WRITTEN.get(str(path)), *listed)
    if standing is not None and standing not in known:
        raise _foreign(target)
    if folder is not None:
        both = (digest,) if standing is None else (standing, digest)
        markers.add(folder, path.relative_to(folder).as_posix(), both)
    return True


def _run_of(path: pathlib.Path) -> tuple[pathlib.Path | None, tuple[str, ...]]:
    """The marked folder of the run that `path` lies in; the digests that it lists."""
    for folder in path.parents:
        try:
            marker = markers.read(folder)
        except errors.ForeignFileError:
            break
        if marker is not None:
            if marker.writer != markers.RUN:
                break
            return folder, marker.files.get(path.relative_to(folder).as_posix(), ())
    return None, ()


def _foreign(target: pathlib.Path) -> errors.ForeignFileError:
    return errors.ForeignFileError(
        f"{disk.shown(target)} is there already, and is not as this program wrote it: "
        "move it away, or choose another place. Nothing was replaced"
    )


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
