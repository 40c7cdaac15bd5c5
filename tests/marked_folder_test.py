"""Folders that a command fills again: whose files change, and whose never do."""

import errno
import json
import os
import pathlib
import signal
import subprocess
import sys

import pytest

from tests import folder_trees
from tfpipeline import errors, marked_folder, markers

ROOT = pathlib.Path(__file__).parents[1]
FIRST = {"model": "first", "c/net.c": b"int one;", "c/old.h": "gone later"}
SECOND = {"model": "second", "c/net.c": b"int one;", "new/net.bin": b"\0\1"}


def contents(folder: pathlib.Path) -> dict[str, bytes]:
    """Files by name, without the marker."""
    found = folder_trees.files(folder)
    del found[markers.NAME]
    return found


def as_bytes(files: dict[str, str | bytes]) -> dict[str, bytes]:
    return {k: v.encode() if isinstance(v, str) else v for k, v in files.items()}


def refusal(folder: pathlib.Path, files=SECOND) -> str:
    """The message of a call that must change nothing."""
    before = folder_trees.tree(folder.parent)
    with pytest.raises(errors.ForeignFileError) as raised:
        marked_folder.write(folder, files)
    assert folder_trees.tree(folder.parent) == before
    message = str(raised.value)
    assert len(message) < 400 and "\n" not in message
    return message


def test_files_are_those_of_the_last_call_and_others_stay(tmp_path):
    target = tmp_path / "runs" / "int8"
    marked_folder.write(target, FIRST)
    assert contents(target) == as_bytes(FIRST)
    (target / "notes.txt").write_text("mine")
    (target / "c" / "build").mkdir()
    (target / "c" / "build" / "net.o").write_bytes(b"mine")
    same = (target / "c" / "net.c").stat()
    marked_folder.write(target, SECOND)
    mine = {"notes.txt": b"mine", "c/build/net.o": b"mine"}
    assert contents(target) == as_bytes(SECOND) | mine
    assert (target / "c" / "net.c").stat().st_mtime_ns == same.st_mtime_ns
    assert (target / "c" / "net.c").stat().st_ino == same.st_ino


def test_a_folder_whose_files_are_gone_goes_and_one_with_others_stays(tmp_path):
    target = tmp_path / "int8"
    marked_folder.write(target, {"a/b/one": "", "c/two": "", "d": ""})
    (target / "c" / "mine").write_text("")
    marked_folder.write(target, {"d": ""})
    assert set(folder_trees.files(target)) == {markers.NAME, "c/mine", "d"}
    assert not (target / "a").exists()


def test_the_same_files_again_write_nothing(tmp_path):
    marked_folder.write(tmp_path / "int8", FIRST)
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "int8").rglob("*")}
    marked_folder.write(tmp_path / "int8", FIRST)
    assert {p: p.stat().st_mtime_ns for p in before} == before


def test_a_file_that_was_removed_is_made_again(tmp_path):
    marked_folder.write(tmp_path / "int8", FIRST)
    (tmp_path / "int8" / "model").unlink()
    marked_folder.write(tmp_path / "int8", FIRST)
    assert contents(tmp_path / "int8") == as_bytes(FIRST)


@pytest.mark.parametrize("mask", [0o027, 0o002, 0o077])
def test_modes_are_those_of_the_umask(tmp_path, mask):
    before = os.umask(mask)
    try:
        marked_folder.write(tmp_path / "a" / "int8", {"c/net.c": ""})
    finally:
        os.umask(before)
    for folder in ("a", "a/int8", "a/int8/c"):
        assert (tmp_path / folder).stat().st_mode & 0o777 == 0o777 & ~mask
    for file in ("a/int8/c/net.c", f"a/int8/{markers.NAME}"):
        assert (tmp_path / file).stat().st_mode & 0o777 == 0o666 & ~mask


def test_a_folder_without_marker_is_refused_whatever_it_holds(tmp_path):
    target = tmp_path / "firmware"
    target.mkdir()
    marked_folder.require(target)
    (target / "main.c").write_text("int main;")
    message = refusal(target)
    assert message.startswith(f"{target} is not empty, and `export` did not write it")
    assert "choose a new or empty folder" in message
    # An export of before there were markers.
    for name, text in FIRST.items():
        (target / name).parent.mkdir(exist_ok=True)
        (target / name).write_bytes(as_bytes({name: text})[name])
    refusal(target, FIRST)


def test_a_file_of_the_name_is_refused(tmp_path):
    (tmp_path / "int8").write_text("a file")
    assert "is no folder" in refusal(tmp_path / "int8")
    (tmp_path / "link").symlink_to(tmp_path / "absent")
    assert "is no folder" in refusal(tmp_path / "link")
    with pytest.raises(errors.StorageError, match=r"cannot write .*/int8/a"):
        marked_folder.write(tmp_path / "int8" / "a", FIRST)


def test_an_edited_file_is_named_before_anything_changes(tmp_path):
    target = tmp_path / "int8"
    marked_folder.write(target, FIRST)
    (target / "c" / "old.h").write_text("edited, and no longer written")
    message = refusal(target)
    assert message.startswith(f"{target / 'c' / 'old.h'} was edited since we wrote it")
    with pytest.raises(errors.ForeignFileError, match="was edited"):
        marked_folder.require(target)


def test_what_stands_where_a_file_goes_is_named(tmp_path):
    target = tmp_path / "int8"
    marked_folder.write(target, FIRST)
    (target / "new").mkdir()
    (target / "new" / "net.bin").write_text("somebody's")
    assert refusal(target).startswith(f"{target / 'new' / 'net.bin'} stands where")
    (target / "new" / "net.bin").unlink()
    (target / "new" / "net.bin").mkdir()
    assert refusal(target).startswith(f"{target / 'new' / 'net.bin'} stands where")
    (target / "new" / "net.bin").rmdir()
    (target / "new").rmdir()
    (target / "new").write_text("a file where a folder goes")
    assert refusal(target).startswith(f"{target / 'new'} stands where")
    (target / "new").unlink()
    staged = target / f"{markers.NAME}-2.tmp"
    staged.write_text("somebody's")
    assert refusal(target).startswith(f"{staged} stands where")
    staged.rename(target / f"{markers.NAME}-3.tmp")
    marked_folder.write(target, SECOND)
    assert (target / f"{markers.NAME}-3.tmp").read_text() == "somebody's"


def test_links_inside_lead_nowhere(tmp_path):
    target, outside = tmp_path / "int8", tmp_path / "outside"
    outside.mkdir()
    (outside / "net.c").write_bytes(b"int one;")
    marked_folder.write(target, FIRST)
    (target / "model").unlink()
    (target / "model").symlink_to(outside / "net.c")
    assert "model is a symbolic link" in refusal(target)
    (target / "model").unlink()
    (target / "new").symlink_to(outside)
    assert f"{target / 'new'} stands where" in refusal(target)
    (target / "new").unlink()
    (target / "c" / "net.c").unlink()
    (target / "c" / "old.h").unlink()
    (target / "c").rmdir()
    (target / "c").symlink_to(outside)
    assert f"{target / 'c'} stands where" in refusal(target)


def test_folders_that_nobody_means(tmp_path, monkeypatch):
    target = tmp_path / "a" / "int8"
    marked_folder.write(target, FIRST)
    (tmp_path / "link").symlink_to(target)
    assert "is a symbolic link, and not empty" in refusal(tmp_path / "link")
    monkeypatch.chdir(target)
    assert "is the current folder, and not empty" in refusal(target)
    assert "is the current folder" in refusal(pathlib.Path())
    (target / "deeper").mkdir()
    monkeypatch.chdir(target / "deeper")
    assert "is a parent of the current folder" in refusal(target)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os.path, "ismount", lambda path: path == target)
    assert "is a mount point, and not empty" in refusal(target)
    with pytest.raises(errors.ForeignFileError, match=r"^/ is not empty"):
        marked_folder.require("/")


@pytest.mark.parametrize("kind", ["link", "current", "mount"])
def test_they_are_taken_empty(tmp_path, monkeypatch, kind):
    real = tmp_path / "real"
    real.mkdir()
    target = real
    if kind == "link":
        target = tmp_path / "link"
        target.symlink_to(real)
    elif kind == "current":
        monkeypatch.chdir(real)
        target = pathlib.Path(".")
    else:
        monkeypatch.setattr(os.path, "ismount", lambda path: path == real)
    marked_folder.write(target, FIRST)
    assert contents(real) == as_bytes(FIRST)
    assert target.is_symlink() == (kind == "link")


def test_the_folder_of_a_run_takes_none_at_its_root(tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    (run / "run.json").write_text("{}")
    assert "is the folder of a run" in refusal(run)
    marked_folder.write(run / "export" / "int8", FIRST)
    # Nor where ours is already.
    marked_folder.write(tmp_path / "int8", FIRST)
    (tmp_path / "int8" / "run.json").write_text("somebody's")
    assert "is the folder of a run" in refusal(tmp_path / "int8")
    (tmp_path / "other").mkdir()
    markers.write(tmp_path / "other", markers.Marker(markers.RUN))
    assert "is the folder of a run" in refusal(tmp_path / "other")


def test_a_command_takes_no_folder_of_another(tmp_path):
    marked_folder.write(tmp_path / "a", FIRST, "plan")
    assert "holds what `plan` wrote, not `export`" in refusal(tmp_path / "a")
    marked_folder.write(tmp_path / "a", SECOND, "plan")


MARKERS = {
    "empty": b"",
    "no JSON": b"{",
    "list": b"[]",
    "deep": b"[" * 100_000,
    "binary": b"\xff\xfe\0",
    "number": b"1" * 5000,
}
FIELDS = {
    "format": "x",
    "version": 2,
    "writer": "../x",
    "staged": -1,
    "files": {"../outside": ["0" * 64]},
}
NAMES = [
    *("/etc/passwd", "../outside", "a/../../outside", "", ".", "a//b", "a/"),
    *("a\0b", "x" * 256, "/".join(["x" * 200] * 20), "\ud800", markers.NAME),
]


def damaged(tmp_path: pathlib.Path, marker: bytes) -> str:
    target = tmp_path / "int8"
    target.mkdir()
    (tmp_path / "outside").write_text("mine")
    (target / markers.NAME).write_bytes(marker)
    return refusal(target)


def valid() -> dict[str, object]:
    return {
        "format": "tfpipeline files",
        "version": 1,
        "writer": "export",
        "staged": 0,
        "files": {"model": ["0" * 64]},
    }


@pytest.mark.parametrize("name", MARKERS)
def test_what_is_no_marker_is_refused(tmp_path, name):
    assert f"{markers.NAME} does not say which" in damaged(tmp_path, MARKERS[name])


@pytest.mark.parametrize("field", FIELDS)
def test_a_marker_with_a_strange_field_is_refused(tmp_path, field):
    for number, value in enumerate((FIELDS[field], None, [], {"": 1})):
        text = json.dumps({**valid(), field: value}).encode()
        folder = tmp_path / str(number)
        folder.mkdir()
        assert "does not say which" in damaged(folder, text)


@pytest.mark.parametrize("name", NAMES)
def test_a_marker_that_leads_outside_is_refused(tmp_path, name):
    text = json.dumps({**valid(), "files": {name: ["0" * 64]}}).encode()
    assert "does not say which" in damaged(tmp_path, text)
    # The same table without the name is one.
    (tmp_path / "int8" / markers.NAME).write_text(json.dumps(valid()))
    marked_folder.write(tmp_path / "int8", FIRST)


def test_a_huge_marker_is_refused_unread(tmp_path):
    target = tmp_path / "int8"
    target.mkdir()
    with (target / markers.NAME).open("wb") as stream:
        stream.truncate(1 << 40)
    with pytest.raises(errors.ForeignFileError, match="does not say which"):
        marked_folder.write(target, FIRST)


@pytest.mark.parametrize("kind", ["folder", "link", "pipe"])
def test_a_marker_that_is_no_file_is_refused(tmp_path, kind):
    target = tmp_path / "int8"
    marked_folder.write(tmp_path / "other", FIRST)
    target.mkdir()
    marker = target / markers.NAME
    if kind == "folder":
        marker.mkdir()
    elif kind == "link":
        marker.symlink_to(tmp_path / "other" / markers.NAME)
    else:
        os.mkfifo(marker)
    with pytest.raises(errors.ForeignFileError, match="does not say which"):
        marked_folder.write(target, FIRST)
    assert os.listdir(target) == [markers.NAME]


def test_a_listed_pipe_is_not_opened(tmp_path):
    target = tmp_path / "int8"
    marked_folder.write(target, FIRST)
    (target / "model").unlink()
    os.mkfifo(target / "model")
    with pytest.raises(errors.ForeignFileError, match="model is no plain file"):
        marked_folder.write(target, FIRST)


def test_a_name_that_leads_outside_is_not_written(tmp_path):
    for name in ("../outside", "/outside", markers.NAME):
        with pytest.raises(ValueError, match="no name of a file"):
            marked_folder.write(tmp_path / "int8", {name: ""})
    assert not (tmp_path / "int8").exists()


class Crash(BaseException):
    """The process is gone: nothing that it does afterwards counts."""


CALLS = ("open", "mkdir", "replace", "unlink", "rmdir", "fsync", "remove")


def crash_after(monkeypatch: pytest.MonkeyPatch, calls: int) -> None:
    """Lets `calls` changes of the disk through, and none after."""
    left = [calls]

    def counted(function):
        def call(*arguments, **options):
            if not left[0]:
                raise Crash
            left[0] -= 1
            return function(*arguments, **options)

        return call

    for name in CALLS:
        monkeypatch.setattr(os, name, counted(getattr(os, name)))


@pytest.mark.parametrize("earlier", [None, FIRST])
@pytest.mark.parametrize("at", ["folder", "current"])
def test_after_a_crash_at_any_moment_the_same_command_succeeds(tmp_path, earlier, at):
    calls = 0
    while True:
        target = tmp_path / str(calls) / "int8"
        (target if earlier or at == "current" else target.parent).mkdir(parents=True)
        if earlier:
            marked_folder.write(target, earlier)
            (target / "c" / "mine").write_text("mine")
        with pytest.MonkeyPatch.context() as patch:
            if at == "current" and not earlier:
                patch.chdir(target)
            with patch.context() as crashing:
                crash_after(crashing, calls)
                try:
                    marked_folder.write(target, SECOND)
                    crashed = False
                except Crash:
                    crashed = True
            mine = {"c/mine": b"mine"} if earlier else {}
            if earlier:
                assert (target / "c" / "mine").read_text() == "mine"
            if crashed:
                # Each file is an old or a new one, and whole.
                for name, data in folder_trees.files(target).items():
                    if not name.startswith(markers.NAME):
                        olds = as_bytes(earlier or {}).get(name)
                        assert data in (olds, as_bytes(SECOND).get(name), b"mine")
                marked_folder.write(target, SECOND)
        assert contents(target) == as_bytes(SECOND) | mine
        if not crashed:
            break
        calls += 1
    assert calls > 15


@pytest.mark.parametrize("calls", range(5, 25))
def test_after_a_crash_an_edited_or_foreign_file_is_still_refused(tmp_path, calls):
    target = tmp_path / "int8"
    marked_folder.write(target, FIRST)
    with pytest.MonkeyPatch.context() as patch:
        crash_after(patch, calls)
        with pytest.raises(Crash):
            marked_folder.write(target, SECOND)
    (target / "model").write_text("edited after the crash")
    assert "was edited" in refusal(target)
    (target / "model").unlink()
    (target / "new").mkdir(exist_ok=True)
    (target / "new" / "net.bin").write_text("somebody's")
    refusal(target)


def test_kill_in_the_middle_leaves_the_older_files(tmp_path):
    target = tmp_path / "int8"
    marked_folder.write(target, FIRST)
    program = (
        "import os, signal, sys; from tfpipeline import disk, marked_folder\n"
        "write = disk.write_new\n"
        "def killed(path, data):\n"
        "    write(path, data)\n"
        "    if data == b'second': os.kill(os.getpid(), signal.SIGKILL)\n"
        "disk.write_new = killed\n"
        "marked_folder.write(sys.argv[1], {'model': 'second'})\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(target)], cwd=ROOT, timeout=60
    )
    assert done.returncode == -signal.SIGKILL
    assert (target / "model").read_text() == "first"
    marked_folder.write(target, SECOND)
    assert contents(target) == as_bytes(SECOND)


@pytest.mark.parametrize("older", [True, False])
@pytest.mark.parametrize("write", range(4))
def test_full_disk_leaves_what_was_there(tmp_path, older, write, monkeypatch):
    target = tmp_path / "int8"
    if older:
        marked_folder.write(target, FIRST)
    left = [write]

    def full(descriptor):
        if not left[0]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        left[0] -= 1

    with monkeypatch.context() as patch:
        # The marker and its folder, and two or three files, are flushed first.
        patch.setattr(os, "fsync", full)
        with pytest.raises(errors.StorageError, match="No space left") as raised:
            marked_folder.write(target, SECOND)
    assert len(str(raised.value)) < 400
    if older:
        assert contents(target) == as_bytes(FIRST)
    else:
        assert not target.exists()
    marked_folder.write(target, SECOND)
    assert contents(target) == as_bytes(SECOND)


def test_the_beginning_of_a_first_marker_locks_nobody_out(tmp_path):
    for name, begun in (("a", b""), ("b", b'{\n "form'), ("c", b"{\n ")):
        target = tmp_path / name
        target.mkdir()
        (target / markers.TEMPORARY).write_bytes(begun)
        marked_folder.write(target, FIRST)
        assert contents(target) == as_bytes(FIRST)
    target = tmp_path / "d"
    target.mkdir()
    (target / markers.TEMPORARY).write_text("somebody's")
    refusal(target)


def test_a_folder_that_cannot_be_read_is_one_line(tmp_path, monkeypatch):
    def refused(path):
        raise PermissionError(errno.EACCES, "Permission denied")

    tmp_path.joinpath("int8").mkdir()
    monkeypatch.setattr(os, "listdir", refused)
    with pytest.raises(errors.StorageError, match=r"cannot write .*int8: Permission"):
        marked_folder.write(tmp_path / "int8", FIRST)
