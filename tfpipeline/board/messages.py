"""What host and board say to each other: types of requests, and data of replies.

`main.c` of the harness has the same numbers; little-endian everywhere.
"""

import dataclasses
import enum
import struct
import zlib

from tfpipeline import errors
from tfpipeline.board import frames

# A reply has its request's type with this bit.
REPLY = 0x80
# Of the digest in a greeting: `ir.fingerprint.SIZE`.
_DIGEST = 16
# Data of a WRITE behind its offset, and of a READ's reply behind its status.
MAX_WRITTEN = frames.MAX_DATA - 4
MAX_READ = frames.MAX_DATA - 1


class Type(enum.IntEnum):
    """Of a request; a board says DAMAGED when it has got no frame of something."""

    HELLO = 1
    WRITE = 2
    RUN = 3
    READ = 4
    DAMAGED = 0x7F


class Status(enum.IntEnum):
    """How a reply begins."""

    DONE = 0
    UNKNOWN = 1
    OUT_OF_RANGE = 2
    OTHER_INPUT = 3
    FAILED = 4


@dataclasses.dataclass(frozen=True)
class Greeting:
    """What a board says of itself and of its network.

    Attributes:
        is_ready: whether the network could be set up.
        digest: of the network, as `ir.fingerprint` has it.
        input_bytes: of all inputs together.
        output_bytes: of all outputs together.
        clock_hz: rate of the counter of cycles.
        network: its name.
        export: "c" or "tflm".
        board: its name.
    """

    is_ready: bool
    digest: bytes
    input_bytes: int
    output_bytes: int
    clock_hz: int
    network: str
    export: str
    board: str


@dataclasses.dataclass(frozen=True)
class Ran:
    """What a board says of a run.

    Attributes:
        cycles: of its counter, from the input in memory to the output in memory.
        output_crc: the CRC-32 of all outputs.
    """

    cycles: int
    output_crc: int


def write(offset: int, part: bytes) -> bytes:
    """Data of a WRITE: a part of the input, at most `MAX_WRITTEN` bytes."""
    return struct.pack("<I", offset) + part


def run(given: bytes) -> bytes:
    """Data of a RUN of an input."""
    return struct.pack("<I", zlib.crc32(given))


def read(offset: int, count: int) -> bytes:
    """Data of a READ of `count` bytes of the output, at most `MAX_READ`."""
    return struct.pack("<IH", offset, count)


def status(data: bytes) -> Status:
    """How a reply begins.

    Raises:
        TargetError: by no status.
    """
    try:
        return Status(data[0])
    except (IndexError, ValueError) as error:
        raise _nonsense() from error


def greeting(data: bytes) -> Greeting:
    """What a HELLO is answered by.

    Raises:
        TargetError: it is no such thing.
    """
    numbers = struct.Struct(f"<{_DIGEST}sIII")
    is_ready = status(data) is Status.DONE
    try:
        digest, inputs, outputs, clock = numbers.unpack_from(data, 1)
        names = data[1 + numbers.size :].decode("ascii", "replace").split("\0")
        network, export, board = names[:3]
    except (struct.error, ValueError) as error:
        raise _nonsense() from error
    shown = (errors.one_line(name, 60) for name in (network, export, board))
    return Greeting(is_ready, digest, inputs, outputs, clock, *shown)


def ran(data: bytes) -> Ran:
    """What a RUN is answered by, whose status is DONE.

    Raises:
        TargetError: it is no such thing.
    """
    try:
        return Ran(*struct.unpack_from("<II", data, 1))
    except struct.error as error:
        raise _nonsense() from error


def _nonsense() -> errors.TargetError:
    return errors.TargetError(
        "the board's replies are of another harness: export the network with this "
        "program, build harness/ and load it onto the board"
    )
