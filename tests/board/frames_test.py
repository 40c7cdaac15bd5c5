"""Frames: what is sent is found, whatever else is on the line, and nothing else is.

Both sides at once: this program's, and the harness's compiled for this machine.
"""

import ctypes
import subprocess

import hypothesis
import pytest
from hypothesis import strategies

from tests.board import firmware
from tfpipeline.board import frames

_FRAMES = strategies.builds(
    frames.Frame,
    type=strategies.integers(0, 255),
    sequence=strategies.integers(0, 0xFFFF),
    data=strategies.binary(max_size=frames.MAX_DATA),
)
# Text of commands, garbage, and zeros.
_BETWEEN = strategies.one_of(
    strategies.just(b""),
    strategies.just(b"name%"),
    strategies.just(b"\0"),
    strategies.just(b"\0infer 1 0%"),
    # As long as the board's memory of a frame and longer.
    strategies.binary(max_size=600).map(lambda data: data.replace(b"\0", b"\1")),
    strategies.binary(max_size=40),
)
PART, WHOLE, BAD, TEXT = range(4)


class _CFrame(ctypes.Structure):
    _fields_ = (
        ("version", ctypes.c_uint8),
        ("type", ctypes.c_uint8),
        ("sequence", ctypes.c_uint16),
        ("count", ctypes.c_uint16),
        ("data", ctypes.c_uint8 * frames.MAX_DATA),
    )


class _CReceiver(ctypes.Structure):
    _fields_ = (
        ("bytes", ctypes.c_uint8 * (1 + 5 + frames.MAX_DATA + 4)),
        ("count", ctypes.c_uint16),
        ("is_inside", ctypes.c_uint8),
    )


_PUT = ctypes.CFUNCTYPE(None, ctypes.c_uint8)


class Board:
    """The harness's side."""

    def __init__(self, library):
        self._library = library
        self._receiver = _CReceiver()
        self.text = bytearray()

    def feed(self, received):
        found = []
        frame = _CFrame()
        for byte in received:
            event = self._library.frame_receive(
                ctypes.byref(self._receiver), ctypes.c_uint8(byte), ctypes.byref(frame)
            )
            if event == WHOLE:
                data = bytes(frame.data[: frame.count])
                found.append(
                    frames.Frame(frame.type, frame.sequence, data, frame.version)
                )
            elif event == TEXT:
                self.text += bytes(self._receiver.bytes[: self._receiver.count])
        return found

    def encode(self, frame):
        sent = bytearray()
        c_frame = _CFrame(frame.version, frame.type, frame.sequence, len(frame.data))
        c_frame.data[: len(frame.data)] = list(frame.data)
        self._library.frame_send(ctypes.byref(c_frame), _PUT(sent.append))
        return bytes(sent)


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    path = tmp_path_factory.mktemp("frame") / "frame.so"
    source = str(firmware.SOURCES / "frame.c")
    command = ["cc", *firmware.WARNINGS, "-O1", "-shared", "-fPIC", source, "-o", path]
    subprocess.run(command, check=True)
    return ctypes.CDLL(str(path))


def host(received):
    """What this program finds."""
    found = frames.Decoder().feed(received)
    return [each for each in found if isinstance(each, frames.Frame)]


@firmware.needs_compiler
@hypothesis.given(_FRAMES)
def test_both_sides_write_the_same_bytes_and_read_them(library, frame):
    sent = frames.encode(frame)
    assert Board(library).encode(frame) == sent
    assert sent[0] == sent[-1] == 0 and 0 not in sent[1:-1]
    assert host(sent) == Board(library).feed(sent) == [frame]


@firmware.needs_compiler
@hypothesis.given(
    strategies.lists(strategies.tuples(_BETWEEN, _FRAMES), max_size=4),
    strategies.integers(1, 7),
)
def test_frames_are_found_between_text_and_garbage(library, parts, step):
    sent = b"".join(between + frames.encode(frame) for between, frame in parts)
    expected = [frame for _, frame in parts]
    decoder = frames.Decoder()
    pieces = [sent[i : i + step] for i in range(0, len(sent), step)]
    found = [each for piece in pieces for each in decoder.feed(piece)]
    assert [each for each in found if isinstance(each, frames.Frame)] == expected
    assert Board(library).feed(sent) == expected


@firmware.needs_compiler
@hypothesis.given(_FRAMES, _FRAMES, strategies.data())
def test_a_damaged_frame_is_none_and_the_next_is_found(library, first, second, data):
    sent = bytearray(frames.encode(first))
    place = data.draw(strategies.integers(0, len(sent) - 1))
    what = data.draw(strategies.sampled_from(("flip", "drop", "cut")))
    if what == "flip":
        sent[place] ^= data.draw(strategies.integers(1, 255))
    elif what == "drop":
        del sent[place]
    else:
        del sent[place:]
    # A delimiter may be what was lost: then the next frame's begins or ends this one.
    is_delimiter = place in (0, len(frames.encode(first)) - 1)
    line = bytes(sent) + frames.encode(second)
    for found in (host(line), Board(library).feed(line)):
        assert found[-1:] == [second]
        assert found[:-1] in ([], [first] if is_delimiter else [])


@firmware.needs_compiler
@hypothesis.given(strategies.binary(max_size=1000))
def test_garbage_is_no_frame_and_both_sides_agree(library, received):
    assert host(received) == Board(library).feed(received)
    assert not host(received)


@firmware.needs_compiler
def test_text_behind_a_stray_zero_is_text(library):
    board = Board(library)
    assert board.feed(b"na\0me%\0\0results%") == []
    assert bytes(board.text) == b"name%results%"


def test_cobs_is_that_of_its_paper():
    # Its figure 4, and the corner cases: nothing, a zero, no zero.
    content = bytes.fromhex("45 00 00 2c 4c 79 00 00 40 06 4f 37")
    encoded = bytes.fromhex("02 45 01 04 2c 4c 79 01 05 40 06 4f 37")
    assert frames.stuffed(content) == encoded
    assert frames.unstuffed(encoded) == content
    for content, encoded in ((b"", b"\1"), (b"\0", b"\1\1"), (b"\5", b"\2\5")):
        assert frames.stuffed(content) == encoded
        assert frames.unstuffed(encoded) == content
    assert frames.unstuffed(b"\5\1") is None
    assert frames.unstuffed(b"\2\1\0") is None


def test_a_frame_has_no_more_data_than_a_board_takes():
    with pytest.raises(ValueError, match="240 bytes"):
        frames.encode(frames.Frame(1, 1, bytes(241)))
