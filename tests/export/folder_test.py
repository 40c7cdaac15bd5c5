"""Folders that appear whole or not at all."""

import errno
import os
import pathlib
import signal
import subprocess
import sys

import pytest

from export import folder
from tfpipeline import errors

ROOT = pathlib.Path(__file__).parents[2]


def write(path: pathlib.Path, text: str) -> None:
    with folder.replace(path) as temporary:
        (temporary / "model").write_text(text)


def test_first_and_second_time(tmp_path):
    target = tmp_path / "export" / "int8"
    write(target, "first")
    (target / "stale").write_text("left from the first time")
    write(target, "second")

    assert [f.name for f in target.iterdir()] == ["model"]
    assert (target / "model").read_text() == "second"
    assert [f.name for f in target.parent.iterdir()] == ["int8"]


def test_permissions_follow_the_umask(tmp_path):
    before = os.umask(0o027)
    try:
        write(tmp_path / "int8", "")
    finally:
        os.umask(before)
    assert (tmp_path / "int8").stat().st_mode & 0o777 == 0o750


@pytest.mark.parametrize("older", [True, False])
def test_full_disk_leaves_what_was_there(tmp_path, older):
    target = tmp_path / "int8"
    if older:
        write(target, "first")
    with (
        pytest.raises(errors.StorageError, match="No space left"),
        folder.replace(target) as temporary,
    ):
        (temporary / "model").write_text("half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    assert [f.name for f in tmp_path.iterdir()] == (["int8"] if older else [])
    if older:
        assert (target / "model").read_text() == "first"


def test_errors_of_the_writer_pass_through(tmp_path):
    with (
        pytest.raises(errors.ExportError, match="a reason"),
        folder.replace(tmp_path / "int8"),
    ):
        raise errors.ExportError("a reason")
    assert list(tmp_path.iterdir()) == []


def test_without_exchange_two_steps_replace(tmp_path, monkeypatch):
    monkeypatch.setattr(folder, "_exchange", lambda first, second: False)
    write(tmp_path / "int8", "first")
    write(tmp_path / "int8", "second")
    assert (tmp_path / "int8" / "model").read_text() == "second"
    assert [f.name for f in tmp_path.iterdir()] == ["int8"]


def test_without_exchange_a_failed_second_step_is_undone(tmp_path, monkeypatch):
    monkeypatch.setattr(folder, "_exchange", lambda first, second: False)
    write(tmp_path / "int8", "first")
    rename = os.rename

    def fail_to_take_the_name(source, target):
        if pathlib.Path(source).name.endswith(".tmp"):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        rename(source, target)

    monkeypatch.setattr(os, "rename", fail_to_take_the_name)
    with pytest.raises(errors.StorageError, match="Input/output error"):
        write(tmp_path / "int8", "second")
    assert (tmp_path / "int8" / "model").read_text() == "first"
    assert [f.name for f in tmp_path.iterdir()] == ["int8"]


def test_a_file_in_the_way_is_named(tmp_path):
    (tmp_path / "export").write_text("a file")
    with pytest.raises(errors.StorageError, match=r"cannot write .*export/int8"):
        write(tmp_path / "export" / "int8", "")


def test_kill_in_the_middle_leaves_the_older_folder(tmp_path):
    target = tmp_path / "int8"
    write(target, "first")
    program = (
        "import os, pathlib, signal, sys; from export import folder\n"
        "with folder.replace(pathlib.Path(sys.argv[1])) as temporary:\n"
        "    (temporary / 'model').write_text('half')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(target)], cwd=ROOT, timeout=60
    )
    assert done.returncode == -signal.SIGKILL
    assert (target / "model").read_text() == "first"

    write(target, "second")
    assert (target / "model").read_text() == "second"
    assert [f.name for f in tmp_path.iterdir()] == ["int8"]
