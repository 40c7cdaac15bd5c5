"""Arrays in `.npy` and `.npz` files, checked before they are allocated."""

import contextlib
import dataclasses
import hashlib
import io
import math
import os
import zipfile
from collections.abc import Collection, Iterator
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from tfpipeline.untrusted import archives, content, damage

Array = npt.NDArray[Any]

# Booleans, integers and reals.
NUMBERS = "biuf"
# NumPy itself writes 128 bytes; Python's parser may need much memory for long ones.
_MAX_HEADER_BYTES = 4096
_MAGIC = b"\x93NUMPY"
_SUFFIX = ".npy"
_KIND = "an .npz of numbers"


def read_npz(
    path: str | os.PathLike[str],
    only: Collection[str] | None = None,
    kinds: str = NUMBERS,
) -> dict[str, Array]:
    """Reads the arrays of an `.npz` file.

    Args:
        path: of the file.
        only: names of those to read; None for all.
        kinds: NumPy's letters for what arrays may hold; U, texts, may be added.

    Raises:
        StorageError: as `content.read`.
        DamagedFileError: as `parse_npz`.
    """
    return parse_npz(content.read(path), os.fspath(path), only, kinds)


@dataclasses.dataclass(frozen=True)
class Member:
    """An array of an `.npz` file that was not read yet.

    Attributes:
        path: of the file.
        name: of the array.
        shape: of it.
        dtype: of its values.
        in_columns: whether its first axis changes fastest, as Fortran has it.
        key: changes whenever the file does: of its name, size and time, and of the
            array's checksum.
    """

    path: str
    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    in_columns: bool
    key: str

    def read(self) -> Array:
        """All of it.

        Raises:
            StorageError: as `content.opened`.
            DamagedFileError: as `parse_npz`.
        """
        with _member(self.path, self.name) as (stream, size):
            return _array(stream, size, self.dtype.kind)

    def chunks(self, count: int) -> Iterator[Array]:
        """Up to `count` rows at a time, in order; not of one `in_columns`.

        Raises:
            StorageError: as `content.opened`.
            DamagedFileError: as `parse_npz`.
        """
        with _member(self.path, self.name) as (stream, _):
            _header(stream, np.lib.format.read_magic(stream))
            row = math.prod(self.shape[1:]) * self.dtype.itemsize
            for start in range(0, self.shape[0], count):
                rows = min(count, self.shape[0] - start)
                data = stream.read(rows * row)
                if len(data) != rows * row:
                    raise ValueError(f"'{self.name}' ends after {start} rows")
                yield np.frombuffer(data, self.dtype).reshape(rows, *self.shape[1:])


def listed_npz(path: str | os.PathLike[str], kinds: str = NUMBERS) -> dict[str, Member]:
    """The arrays of an `.npz` file of any size by name, of which headers are read.

    Args:
        path: of the file.
        kinds: as for `read_npz`.

    Raises:
        StorageError: as `content.opened`.
        DamagedFileError: as `parse_npz`.
    """
    what, found = os.fspath(path), {}
    with _archive(path) as archive:
        stat = os.stat(what)
        for each in archive.infolist():
            name = each.filename.removesuffix(_SUFFIX)
            if name == each.filename:
                raise ValueError(f"'{name}' is no array")
            with archive.open(each) as stream:
                shape, in_columns, dtype = _checked(stream, each.file_size, kinds)
            said = (os.path.abspath(what), stat.st_size, stat.st_mtime_ns, name)
            key = hashlib.sha256(repr((*said, each.CRC)).encode()).hexdigest()
            found[name] = Member(what, name, shape, dtype, in_columns, key)
    return found


@contextlib.contextmanager
def _archive(path: str | os.PathLike[str]) -> Iterator[zipfile.ZipFile]:
    with (
        content.opened(path) as stream,
        damage.reported(os.fspath(path), _KIND),
        archives.opened(stream) as archive,
    ):
        yield archive


@contextlib.contextmanager
def _member(path: str, name: str) -> Iterator[tuple[Any, int]]:
    """The stream of an array, and its bytes."""
    with _archive(path) as archive:
        member = archive.getinfo(f"{name}{_SUFFIX}")
        with archive.open(member) as stream:
            yield stream, member.file_size


def read_npy(path: str | os.PathLike[str]) -> Array:
    """Reads the array of an `.npy` file.

    Raises:
        StorageError: as `content.read`.
        DamagedFileError: as `parse_npy`.
    """
    return parse_npy(content.read(path), os.fspath(path))


def is_npy(data: bytes) -> bool:
    """Whether a file's bytes begin as those of an `.npy`."""
    return data.startswith(_MAGIC)


def parse_npz(
    data: bytes,
    what: str,
    only: Collection[str] | None = None,
    kinds: str = NUMBERS,
) -> dict[str, Array]:
    """The arrays of an `.npz` file by name.

    Args:
        data: of the file.
        what: names it in an error.
        only: names of those to read; None for all.
        kinds: as for `read_npz`.

    Raises:
        DamagedFileError: it is no archive of arrays of numbers, or inflates too far.
    """
    arrays = {}
    with damage.reported(what, _KIND), archives.opened(data) as archive:
        for member in archive.infolist():
            name = member.filename
            if not name.endswith(_SUFFIX):
                raise ValueError(f"'{name}' is no array")
            if only is not None and name.removesuffix(_SUFFIX) not in only:
                continue
            with archive.open(member) as stream:
                arrays[name.removesuffix(_SUFFIX)] = _array(
                    stream, member.file_size, kinds
                )
    return arrays


def parse_npy(data: bytes, what: str) -> Array:
    """The array of an `.npy` file.

    Args:
        data: of the file.
        what: names it in an error.

    Raises:
        DamagedFileError: it is no array of numbers.
    """
    with damage.reported(what, "an .npy of numbers"):
        return _array(io.BytesIO(data), len(data))


def _array(stream: Any, size: int, kinds: str = NUMBERS) -> Array:
    """The array in a stream of `size` bytes."""
    shape, in_columns, dtype = _checked(stream, size, kinds)
    # Read at once: what follows is not checked for its end otherwise.
    values = np.frombuffer(stream.read(), dtype)
    order = shape[::-1] if in_columns else shape
    result = values.reshape(order)
    # A copy, because the bytes cannot be written to.
    return (result.T if in_columns else result).copy(order="K")


def _checked(
    stream: Any, size: int, kinds: str
) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, order and type of an array, whose stream then is at its values."""
    version = np.lib.format.read_magic(stream)
    shape, in_columns, dtype = _header(stream, version)
    if dtype.kind not in kinds:
        raise ValueError(f"an array of {dtype} holds no numbers")
    length = math.prod(shape) * dtype.itemsize
    if length != size - stream.tell():
        raise ValueError(f"an array {dtype} {shape} does not have {size:,} bytes")
    return shape, in_columns, dtype


def _header(
    stream: BinaryIO, version: tuple[int, int]
) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    readers = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    if version not in readers:
        raise ValueError(f"version {version} of the format is not used")
    try:
        result: tuple[tuple[int, ...], bool, np.dtype[Any]]
        result = readers[version](stream, max_header_size=_MAX_HEADER_BYTES)
    # Of Python's parser, for a header that nests deeply.
    except MemoryError as error:
        raise ValueError("the header of an array is no header") from error
    return result
