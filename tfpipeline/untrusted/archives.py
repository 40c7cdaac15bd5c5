"""Zip archives, whose members are read up to a size that is known before."""

import contextlib
import io
import zipfile
from collections.abc import Iterator
from typing import BinaryIO

_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_MAX_MEMBERS = 20_000
# What an archive may inflate to: this, or `_MAX_RATIO` times its own size.
_FREE_BYTES = 1 << 28
# Weights deflate to half at best; a bomb has a ratio of 1,000.
_MAX_RATIO = 20
_ENCRYPTED = 1


@contextlib.contextmanager
def opened(data: bytes | BinaryIO) -> Iterator[zipfile.ZipFile]:
    """Opens an archive of members with names that differ and sizes that are bounded.

    Of a stream, members are read when they are asked for. Within `damage.reported`:
    zipfile raises errors of every class.

    Raises:
        ValueError: it has too many members, one twice, or one that is encrypted,
            compressed in another way than deflated, or inflates too far.
    """
    stream = io.BytesIO(data) if isinstance(data, bytes) else data
    num_bytes = stream.seek(0, io.SEEK_END)
    with zipfile.ZipFile(stream) as archive:
        members = archive.infolist()
        if len(members) > _MAX_MEMBERS:
            raise ValueError(f"it has over {_MAX_MEMBERS:,} members")
        names = {member.filename for member in members}
        if len(names) < len(members):
            raise ValueError("a member is there twice")
        for member in members:
            if member.flag_bits & _ENCRYPTED:
                raise ValueError("a member is encrypted")
            if member.compress_type not in _METHODS:
                raise ValueError(f"the compression {member.compress_type} is not used")
        limit = max(_FREE_BYTES, _MAX_RATIO * num_bytes)
        if sum(member.file_size for member in members) > limit:
            raise ValueError(f"{num_bytes:,} bytes inflate to over {limit:,}")
        yield archive


def read(archive: zipfile.ZipFile, name: str, limit: int) -> bytes:
    """The bytes of a member.

    Raises:
        KeyError: there is none of that name.
        ValueError: it has over `limit` bytes.
    """
    size = archive.getinfo(name).file_size
    if size > limit:
        raise ValueError(f"'{name}' has over {limit:,} bytes")
    return archive.read(name)
