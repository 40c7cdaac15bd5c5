"""Frames on a serial line, among bytes of any other kind; `frame.h` of the harness.

On the line: 0, the content as COBS, 0. COBS (Cheshire and Baker, "Consistent Overhead
Byte Stuffing", IEEE/ACM Transactions on Networking 7(2), 1999) is the content without
zeros, so that a zero begins or ends a frame wherever a reader comes in. Content:
`MAGIC`, the protocol's version, a type, a sequence number of 16 bits, data, and the
CRC-32 of all that; little-endian.
"""

import dataclasses
import struct
import zlib

# In no text of ASCII.
MAGIC = 0xA5
VERSION = 1
# What a board keeps memory for.
MAX_DATA = 240

_HEAD = struct.Struct("<BBBH")
_CRC = struct.Struct("<I")
_SHORTEST = _HEAD.size + _CRC.size
# COBS adds a byte to what is shorter than 255.
_MAX_ENCODED = 1 + _SHORTEST + MAX_DATA


@dataclasses.dataclass(frozen=True)
class Frame:
    """A message.

    Attributes:
        type: of it, 0 to 255.
        sequence: its number, 0 to 65,535.
        data: at most `MAX_DATA` bytes.
        version: of the protocol.
    """

    type: int
    sequence: int
    data: bytes = b""
    version: int = VERSION


@dataclasses.dataclass(frozen=True)
class Damaged:
    """What was begun and ended as a frame, and is none."""


def encode(frame: Frame) -> bytes:
    """The bytes of a frame, delimiters included.

    Raises:
        ValueError: it has more data than a board takes.
    """
    if len(frame.data) > MAX_DATA:
        raise ValueError(f"a frame has at most {MAX_DATA} bytes of data")
    head = _HEAD.pack(MAGIC, frame.version, frame.type, frame.sequence)
    content = head + frame.data
    return b"\0" + stuffed(content + _CRC.pack(zlib.crc32(content))) + b"\0"


def stuffed(content: bytes) -> bytes:
    """COBS of less than 254 bytes."""
    return b"".join(bytes([1 + len(block)]) + block for block in content.split(b"\0"))


def unstuffed(encoded: bytes) -> bytes | None:
    """What `stuffed` was given; None if it is no COBS."""
    blocks = []
    place = 0
    while place < len(encoded):
        code = encoded[place]
        block = encoded[place + 1 : place + code]
        if code == 0 or len(block) != code - 1:
            return None
        blocks.append(block)
        place += code
    return b"\0".join(blocks)


class Decoder:
    """Finds frames in what comes over a line, whatever else does."""

    def __init__(self) -> None:
        self._held = bytearray()
        self._is_inside = False

    def feed(self, received: bytes) -> list[Frame | Damaged]:
        """Takes the next bytes; returns what has ended in them, in order."""
        found: list[Frame | Damaged] = []
        for place, part in enumerate(received.split(b"\0")):
            if place > 0:
                found += self._ended()
            self._add(part)
        return found

    def _add(self, part: bytes) -> None:
        # Text between frames, or a frame whose end was lost: no more than is needed.
        if self._is_inside and len(self._held) <= _MAX_ENCODED:
            self._held += part[: _MAX_ENCODED + 1]

    def _ended(self) -> list[Frame | Damaged]:
        """What ends with a zero, which may begin a frame as well: one may be lost."""
        held = bytes(self._held)
        self._held.clear()
        was_inside, self._is_inside = self._is_inside, True
        if not was_inside:
            return []
        frame = _decoded(held)
        if frame is not None:
            return [frame]
        # Text behind a zero is nothing that was damaged.
        return [Damaged()] if held[1:2] == bytes([MAGIC]) else []


def _decoded(encoded: bytes) -> Frame | None:
    content = unstuffed(encoded)
    if content is None or len(content) < _SHORTEST:
        return None
    body, crc = content[: -_CRC.size], content[-_CRC.size :]
    if _CRC.unpack(crc)[0] != zlib.crc32(body):
        return None
    magic, version, kind, sequence = _HEAD.unpack_from(body)
    if magic != MAGIC:
        return None
    return Frame(kind, sequence, body[_HEAD.size :], version)
