"""Arrays in `.npy` and `.npz` files, checked before they are allocated."""

import io
import math
import os
from collections.abc import Collection
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
    with damage.reported(what, "an .npz of numbers"), archives.opened(data) as archive:
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
    version = np.lib.format.read_magic(stream)
    shape, in_columns, dtype = _header(stream, version)
    if dtype.kind not in kinds:
        raise ValueError(f"an array of {dtype} holds no numbers")
    length = math.prod(shape) * dtype.itemsize
    if length != size - stream.tell():
        raise ValueError(f"an array {dtype} {shape} does not have {size:,} bytes")
    # Read at once: what follows is not checked for its end otherwise.
    values = np.frombuffer(stream.read(), dtype)
    order = shape[::-1] if in_columns else shape
    result = values.reshape(order)
    # A copy, because the bytes cannot be written to.
    return (result.T if in_columns else result).copy(order="K")


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
