"""Headers of camera dumps that are wrong, or belong to something else."""

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies

from tfpipeline import errors
from tfpipeline.pictures import camera_dumps

_PIXELS = bytes(range(48))


@pytest.mark.parametrize(
    ("start", "text"),
    [
        (b"*IMG* RGB565 48 6\n", r"malformed \*IMG\* header: expected the line"),
        (b"*IMG* RGB565 48 6 4", r"malformed \*IMG\* header"),
        (b"*IMG* RGB565 48 -6 4\n", r"malformed \*IMG\* header"),
        (b"*IMG* RGB565 96 6 4\n", "announces 96 bytes of pixels, 48 follow"),
        (b"*IMG* RGB565 48 6 5\n", "5x6 pixels .* has 60 bytes, found 48"),
        (b"*IMG* RGB565 48 0 4\n", "must be 1 or more; found 4x0"),
        (b"*IMG* RGB888 48 4 4\n", "says 'RGB888', not rgb565: it is rgb888x3 or"),
        (b"*IMG* YUV422 48 6 4\n", "says 'YUV422', not rgb565: not supported; formats"),
        (b"*STR*\0\6\0\4\6RGB565\0\0\0\x60", "announces 96 bytes of pixels"),
        (b"*STR*\0\6\0\4\6RGB\xff65\0\0\0\x30", r"malformed \*STR\* header: expected"),
    ],
)
def test_wrong_headers(start, text):
    with pytest.raises(errors.DataError, match=text):
        camera_dumps.read(start + _PIXELS, "rgb565")


def test_a_truncated_binary_header():
    for size in range(len(b"*STR*"), 19):
        with pytest.raises(errors.DataError, match=r"malformed \*STR\* header"):
            camera_dumps.read((b"*STR*\0\6\0\4\6RGB565\0\0\0\x30")[:size], "rgb565")


def test_a_line_may_end_as_a_terminal_ends_it():
    for end in (b"\n", b"\r\n"):
        found = camera_dumps.read(b"*IMG* RGB565 48 6 4" + end + _PIXELS, "rgb565")
        assert found.shape == (4, 6, 3)


def test_pixels_that_look_like_a_header_are_pixels_where_the_size_is_given():
    dump = b"*IMG* RG"
    found = camera_dumps.read(dump, "rgb565", (2, 2))
    codes = camera_dumps.reduce(found)
    np.testing.assert_array_equal(codes, np.frombuffer(dump, ">u2").reshape(2, 2))


def test_a_size_beside_a_header_is_explained():
    dump = b"*IMG* RGB565 48 6 4\n" + _PIXELS
    with pytest.raises(errors.DataError, match="starts with a header: leave out"):
        camera_dumps.read(dump, "rgb565", (4, 6))


def test_a_size_that_a_header_cannot_hold():
    image = np.zeros((1, 65536, 3), np.uint8)
    assert camera_dumps.write(image, "rgb565", "img_capture").startswith(b"*IMG* ")
    with pytest.raises(errors.DataError, match="up to 65535 pixels a side"):
        camera_dumps.write(image, "rgb565", "camera_if")


@hypothesis.given(
    strategies.sampled_from([b"*IMG* ", b"*IMG* RGB565 ", b"*STR*", b""]),
    strategies.binary(max_size=60),
    strategies.sampled_from(sorted(camera_dumps.BYTES_A_PIXEL)),
)
@hypothesis.settings(max_examples=300, deadline=None)
def test_any_bytes_behind_the_start_of_a_header(start, rest, name):
    try:
        image = camera_dumps.read(start + rest, name)
    except errors.DataError as error:
        assert "\n" not in str(error)
    else:
        assert image.size * camera_dumps.BYTES_A_PIXEL[name] <= 3 * len(rest)
