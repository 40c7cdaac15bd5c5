"""HDF5 files, whose parts are all inside of them and of a size that is bounded."""

import contextlib
import io
import math
from collections.abc import Iterator
from typing import Any

import h5py

from tfpipeline.untrusted import damage

_MAX_OBJECTS = 100_000
# What the arrays of a file may have: this, or `_MAX_RATIO` times its own size. HDF5
# compresses them, and leaves out what was never written.
_FREE_BYTES = 1 << 28
_MAX_RATIO = 20
# Numbers, booleans (an enumeration) and texts of a fixed length.
_KINDS = "biufS"


@contextlib.contextmanager
def opened(data: bytes, what: str) -> Iterator[h5py.File]:
    """Opens a copy in memory, which may be changed.

    Args:
        data: of the file.
        what: names it in an error.

    Raises:
        DamagedFileError: it is no HDF5 file, refers to other files, or has arrays that
            are too large; what the block raises stays as it is.
    """
    # HDF5 raises errors of every class.
    with contextlib.ExitStack() as stack:
        with damage.reported(what, "an HDF5 file"):
            with h5py.File(io.BytesIO(data), "r") as file:
                _require_bounded(file, max(_FREE_BYTES, _MAX_RATIO * len(data)))
            # This alone would make a file of no bytes.
            copy = stack.enter_context(h5py.File(io.BytesIO(data), "r+"))
        yield copy


def _require_bounded(file: h5py.File, limit: int) -> None:
    total, seen = 0, set()
    waiting: list[Any] = [file]
    while waiting:
        group = waiting.pop()
        for name in group:
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise ValueError(f"'{name}' lies elsewhere")
            member = group[name]
            place = h5py.h5o.get_info(member.id).addr
            if place in seen:
                continue
            seen.add(place)
            if len(seen) > _MAX_OBJECTS:
                raise ValueError(f"it has over {_MAX_OBJECTS:,} parts")
            if isinstance(member, h5py.Group):
                waiting.append(member)
            elif isinstance(member, h5py.Dataset):
                total += _bytes(name, member)
        if total > limit:
            raise ValueError(f"its arrays have over {limit:,} bytes")


def _bytes(name: str, dataset: h5py.Dataset) -> int:
    if dataset.external or dataset.is_virtual:
        raise ValueError(f"the values of '{name}' lie elsewhere")
    if dataset.dtype.kind not in _KINDS:
        raise ValueError(f"'{name}' holds no numbers")
    return math.prod(dataset.shape or ()) * int(dataset.dtype.itemsize)
