"""Inputs of splits: in memory, or in files beside it where they are larger.

A file holds the inputs of a split in its order, as bare numbers; it is mapped into
memory, so that what is read is what a program sees. Its folder is named after all that
decides its content, and has a marker with its digest: the same data are read once.
"""

import contextlib
import dataclasses
import hashlib
import logging
import math
import os
import pathlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from tfpipeline import disk, errors, leftovers, markers
from tfpipeline.data import request as requests

if TYPE_CHECKING:
    from tfpipeline.data.own import examples

_LOG = logging.getLogger("tfpipeline.train")
_WRITER = "data_cache"


def default_cache() -> pathlib.Path:
    """Where files are kept: tfpipeline/data in the user's cache folder."""
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return pathlib.Path(cache).expanduser() / "tfpipeline" / "data"


@dataclasses.dataclass(frozen=True)
class Store:
    """Where the splits of a data set go.

    Attributes:
        asked: how the data set is to be read.
        where: names the data set, in errors.
        name: of the data set, in names of folders.
        is_on_disk: whether splits are larger than memory.
    """

    asked: requests.Request
    where: str
    name: str
    is_on_disk: bool

    def inputs(
        self, split: str, part: "examples.Examples", positions: np.ndarray
    ) -> np.ndarray:
        """Inputs [len(positions), *shape] of a part; a np.memmap where on the disk.

        Raises:
            DataError: an input cannot be read, or is not finite.
            StorageError: the file cannot be written; or ForeignFileError: something
                else stands in its place.
        """
        shape = (len(positions), *part.shape)
        if not self.is_on_disk:
            result = np.empty(shape, part.dtype)
            row = 0
            for chunk in self._chunks(split, part, positions):
                result[row : row + len(chunk)] = chunk
                row += len(chunk)
            return result
        path = self._file(split, part, positions)
        return np.memmap(path, part.dtype, "r", shape=shape)

    def _chunks(
        self, split: str, part: "examples.Examples", positions: np.ndarray
    ) -> Iterator[np.ndarray]:
        row = 0
        for chunk in part.read(positions):
            _require_finite(chunk, part, positions[row : row + len(chunk)])
            yield chunk
            row += len(chunk)
        if row != len(positions):
            raise errors.DataError(
                f"{self.where} gave {row} of {len(positions)} {split} examples: it "
                "changed while it was read"
            )

    def _file(
        self, split: str, part: "examples.Examples", positions: np.ndarray
    ) -> pathlib.Path:
        """The file of a split, written if it is not there yet."""
        root = pathlib.Path(self.asked.cache_dir or default_cache()).expanduser()
        folder = root / f"{self.name}-{_key(part, positions)[:20]}"
        path = folder / "inputs.bin"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with disk.locked(folder):
                if not _is_whole(folder, path, part, len(positions)):
                    _LOG.info("%s: writing %s to %s", self.name, split, path)
                    leftovers.remove(folder)
                    if os.path.lexists(path):
                        # Cut off or edited since, or never ours.
                        aside = disk.set_aside(path)
                        _LOG.warning(
                            "%s is not what was written: kept as %s", path, aside.name
                        )
                    _write(folder, path, self._chunks(split, part, positions))
        except OSError as error:
            raise errors.StorageError(
                f"cannot write {disk.shown(path)}: {error.strerror or error}. Free "
                "space, give another --cache_dir, or a larger --memory_limit"
            ) from error
        return path


def is_larger(parts: list[tuple["examples.Examples", int]], limit: int | None) -> bool:
    """Whether examples have more bytes than a limit.

    Args:
        parts: examples, and how many of them.
        limit: bytes; None: a quarter of the machine's memory.
    """
    return limit_bytes(limit) < sum(
        count * math.prod(part.shape) * part.dtype.itemsize for part, count in parts
    )


def limit_bytes(limit: int | None) -> int:
    """The bytes that are held in memory; None: a quarter of the machine's."""
    if limit is not None:
        return limit
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 4


def _key(part: "examples.Examples", positions: np.ndarray) -> str:
    digest = hashlib.sha256(f"{part.key}\0{part.shape}\0{part.dtype}".encode())
    digest.update(np.ascontiguousarray(positions, np.int64).data)
    return digest.hexdigest()


def _is_whole(
    folder: pathlib.Path, path: pathlib.Path, part: "examples.Examples", count: int
) -> bool:
    """Whether a folder of ours has the file of an earlier run.

    Its digest is not computed again: a run compares the data set's own.

    Raises:
        ForeignFileError: the folder holds what is not ours.
    """
    marker = markers.read(folder)
    if marker is None:
        if any(not name.startswith(".") for name in os.listdir(folder)):
            raise errors.ForeignFileError(
                f"{disk.shown(folder)} holds files that no cache of data wrote: move "
                "them away, or give another --cache_dir"
            )
        return False
    if marker.writer != _WRITER:
        raise errors.ForeignFileError(
            f"{disk.shown(folder)} holds what `{marker.writer}` wrote: give another "
            "--cache_dir"
        )
    size = count * math.prod(part.shape) * part.dtype.itemsize
    with contextlib.suppress(OSError):
        return path.name in marker.files and path.stat().st_size == size
    return False


def _write(
    folder: pathlib.Path, path: pathlib.Path, chunks: Iterator[np.ndarray]
) -> None:
    """Writes a file, whole or not at all, and the folder's marker."""
    if markers.read(folder) is None:
        markers.write(folder, markers.Marker(_WRITER))
    temporary = folder / f"{leftovers.prefix(path.name)}new.tmp"
    digest = hashlib.sha256()
    # Opened before what removes it: a name that is taken is another's file.
    with open(temporary, "xb") as stream:
        try:
            for chunk in chunks:
                data = np.ascontiguousarray(chunk).data
                digest.update(data)
                stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
            # Listed first, so that a crash leaves no file of ours unknown.
            files = {path.name: (digest.hexdigest(),)}
            markers.write(folder, markers.Marker(_WRITER, files))
            os.replace(temporary, path)
        finally:
            with contextlib.suppress(OSError):
                temporary.unlink()
    disk.sync_folder(folder)


def _require_finite(
    chunk: np.ndarray, part: "examples.Examples", positions: np.ndarray
) -> None:
    if chunk.dtype == np.uint8 or np.isfinite(chunk).all():
        return
    wrong = np.flatnonzero(~np.isfinite(chunk).reshape(len(chunk), -1).all(1))[0]
    values = chunk[wrong]
    bad = values[~np.isfinite(values)].flat[0]
    raise errors.DataError(
        f"{part.where(int(positions[wrong]))} holds {bad}: inputs must be finite"
    )
