"""Files appear whole or not at all."""

import multiprocessing
import os
import pathlib

import pytest

from tests import folder_trees
from tfpipeline import atomic_files, errors, marked_folder, markers


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


@pytest.fixture
def new_process(monkeypatch):
    """Forgets what this process wrote, as the next command does."""
    return lambda: monkeypatch.setattr(atomic_files, "_WRITTEN", {})


def _refused(path: pathlib.Path, text: str, **options) -> str:
    before = folder_trees.tree(path.parent)
    with pytest.raises(errors.ForeignFileError) as raised:
        atomic_files.write_text(path, text, **options)
    assert folder_trees.tree(path.parent) == before
    assert len(str(raised.value)) < 400
    return str(raised.value)


def test_a_file_of_others_is_not_replaced(tmp_path, new_process):
    path = tmp_path / "file"
    path.write_text("mine")
    assert f"{path} is there already" in _refused(path, "new")
    # Nor one of ours that was edited, or that another command wrote.
    path.unlink()
    atomic_files.write_text(path, "old")
    path.write_text("edited")
    _refused(path, "new")
    path.write_text("old")
    atomic_files.write_text(path, "new")
    new_process()
    _refused(path, "newer")


def test_the_same_bytes_are_left_alone(tmp_path):
    path = tmp_path / "file"
    path.write_text("mine")
    before = path.stat()
    atomic_files.write_text(path, "mine")
    assert path.stat().st_ino == before.st_ino
    assert [child.name for child in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("kind", ["link", "dangling", "folder", "pipe"])
def test_what_is_no_file_is_not_replaced(tmp_path, kind):
    path = tmp_path / "file"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to(tmp_path / "other")
        if kind == "link":
            (tmp_path / "other").write_text("mine")
    with pytest.raises(errors.ForeignFileError, match="where a file is to be written"):
        atomic_files.write_text(path, "new")
    assert path.is_symlink() == (kind in ("link", "dangling"))


def test_content_may_tell_whose_a_file_is(tmp_path):
    path = tmp_path / "file"
    path.write_text("ours 1")

    def is_ours(file):
        return file.read_text().startswith("ours")

    atomic_files.write_text(path, "ours 2", is_ours=is_ours)
    assert path.read_text() == "ours 2"
    path.write_text("mine")
    _refused(path, "ours 3", is_ours=is_ours)


def test_a_run_knows_its_files_in_the_next_command(tmp_path, new_process):
    run = tmp_path / "run"
    (run / "deep").mkdir(parents=True)
    markers.write(run, markers.Marker(markers.RUN))
    path = run / "deep" / "file"
    for text in ("one", "two", "three"):
        atomic_files.write_text(path, text)
        new_process()
    # Also by another way to it, and from within.
    atomic_files.write_text(tmp_path / "x" / ".." / "run" / "deep" / "file", "four")
    new_process()
    path.write_text("edited")
    _refused(path, "five")
    path.write_text("four")
    atomic_files.write_text(path, "five")
    listed = markers.read(run).files
    assert list(listed) == ["deep/file"]
    new_process()
    path.write_text("one")
    _refused(path, "six")


def test_only_the_marker_of_a_run_lists_more(tmp_path, new_process):
    marked_folder.write(tmp_path, {"model": "ours"})
    path = tmp_path / "sub" / "file"
    atomic_files.write_text(path, "one")
    assert list(markers.read(tmp_path).files) == ["model"]
    new_process()
    _refused(path, "two")
    marked_folder.write(tmp_path, {"model": "again"})
    assert path.read_text() == "one"


def test_a_foreign_marker_above_is_no_obstacle(tmp_path):
    (tmp_path / markers.NAME).write_text("of another program")
    atomic_files.write_text(tmp_path / "a" / "file", "one")
    (tmp_path / "b" / markers.NAME).mkdir(parents=True)
    atomic_files.write_text(tmp_path / "b" / "file", "one")


def test_a_crash_before_the_rename_leaves_a_run_that_goes_on(
    tmp_path, new_process, monkeypatch
):
    markers.write(tmp_path, markers.Marker(markers.RUN))
    path = tmp_path / "file"
    atomic_files.write_text(path, "one")
    replace = os.replace

    def crash(source, target):
        if pathlib.Path(target) == path:
            raise KeyboardInterrupt
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", crash)
        with pytest.raises(KeyboardInterrupt):
            atomic_files.write_text(path, "two")
    new_process()
    assert path.read_text() == "one"
    atomic_files.write_text(path, "two")
    assert path.read_text() == "two"


def test_programs_at_the_same_time_lose_no_line_of_a_marker(tmp_path):
    markers.write(tmp_path, markers.Marker(markers.RUN))
    context = multiprocessing.get_context("fork")
    names = [f"file {number}" for number in range(8)]
    workers = [
        context.Process(target=atomic_files.write_text, args=(tmp_path / name, "x"))
        for name in names
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    assert list(markers.read(tmp_path).files) == names
