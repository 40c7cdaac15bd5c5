"""Bytes and text of files: all, or one clear error."""

import os
import pathlib
import tracemalloc

import pytest

from tfpipeline import errors
from tfpipeline.untrusted import content


def _error(path, read=content.read, **limits):
    with pytest.raises(errors.StorageError) as caught:
        read(path, **limits)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_a_file_is_read_up_to_the_limit(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"12345")
    assert content.read(path, limit=5) == b"12345"
    assert "has over 4 bytes" in _error(path, limit=4)


def test_as_much_memory_is_taken_as_the_file_has(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"12345")
    tracemalloc.start()
    try:
        assert content.read(path) == b"12345"
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_a_file_that_does_not_say_its_size_is_read_up_to_the_limit():
    path = pathlib.Path("/proc/self/status")
    if not path.exists():
        pytest.skip("no /proc")
    assert os.stat(path).st_size == 0
    assert b"VmPeak" in content.read(path)
    assert "has over 20 bytes" in _error(path, limit=20)


def test_what_cannot_be_read_is_said(tmp_path):
    assert "No such file" in _error(tmp_path / "absent")
    assert "Is a directory" in _error(tmp_path)
    assert "File name too long" in _error("m" * 5000)
    assert "null byte" in _error("a\0b")
    os.mkfifo(tmp_path / "pipe")
    assert "no plain file" in _error(tmp_path / "pipe")
    assert "no plain file" in _error("/dev/zero")


def test_existence_of_what_can_be_no_path(tmp_path):
    assert content.exists(tmp_path)
    for path in (tmp_path / "absent", "m" * 5000, "a\0b"):
        assert not content.exists(path)


def test_text_is_utf8_without_a_mark_and_with_plain_ends(tmp_path):
    path = tmp_path / "text"
    path.write_bytes(b"\xef\xbb\xbf\xc3\xa9\r\nb\rc\n")
    assert content.read_text(path) == "é\nb\nc\n"


@pytest.mark.parametrize(
    ("data", "place"), [(b"ab\xff", "byte 3 is not UTF-8"), (b"a\0b", "byte 2 is NUL")]
)
def test_what_is_no_text_is_said(tmp_path, data, place):
    path = tmp_path / "text"
    path.write_bytes(data)
    assert place in _error(path, content.read_text)
