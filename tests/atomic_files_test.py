"""Files appear whole or not at all."""

import os

import pytest

from tfpipeline import atomic_files, errors


def test_writes_and_replaces(tmp_path):
    path = tmp_path / "folder" / "file.json"
    atomic_files.write_json(path, {"a": [1, 2.5, None]})
    assert atomic_files.read_json(path) == {"a": [1, 2.5, None]}
    atomic_files.write_text(path, "[3]")
    assert atomic_files.read_json(path) == [3]
    assert [child.name for child in path.parent.iterdir()] == ["file.json"]


def test_permissions_follow_the_umask(tmp_path):
    old = os.umask(0o027)
    try:
        atomic_files.write_text(tmp_path / "file", "x")
    finally:
        os.umask(old)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("error", [RuntimeError("stop"), KeyboardInterrupt()])
def test_an_error_in_the_block_keeps_the_old_file(tmp_path, error):
    path = tmp_path / "file"
    atomic_files.write_text(path, "old")
    with (
        pytest.raises(type(error)),
        atomic_files.open_for_replace(path) as stream,
    ):
        stream.write(b"half of the n")
        raise error
    assert path.read_text() == "old"
    assert [child.name for child in tmp_path.iterdir()] == ["file"]


def test_full_disk_is_a_storage_error_and_leaves_nothing(tmp_path, monkeypatch):
    path = tmp_path / "file"
    atomic_files.write_text(path, "old")

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(errors.StorageError, match="No space left on device"):
        atomic_files.write_text(path, "new")
    assert path.read_text() == "old"
    assert [child.name for child in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("text", [None, "", "{", "\x00"])
def test_unreadable_json_names_the_file(tmp_path, text):
    path = tmp_path / "file.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(errors.StorageError, match=r"file\.json"):
        atomic_files.read_json(path)
