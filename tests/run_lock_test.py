"""Two processes do not share a folder, and the second learns who has it."""

import os
import pathlib
import signal
import socket
import subprocess
import sys

import pytest

from tfpipeline import errors, run_lock

_HOLDER = """
import pathlib, sys, time
from tfpipeline import run_lock
with run_lock.held(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    """A process that holds `tmp_path`."""
    root = pathlib.Path(__file__).resolve().parents[1]
    process = subprocess.Popen(
        [sys.executable, "-c", _HOLDER, str(tmp_path)],
        cwd=root,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_the_second_learns_who_is_at_work(holder, tmp_path):
    with pytest.raises(errors.UsageError) as caught, run_lock.held(tmp_path):
        pass
    text = f"{tmp_path} is in use by process {holder.pid} on {socket.gethostname()}"
    assert str(caught.value).startswith(f"{text} since 2")
    assert str(caught.value).endswith("wait until it ends, or choose another --workdir")


def test_a_process_that_is_killed_leaves_no_lock(holder, tmp_path):
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    with run_lock.held(tmp_path):
        assert str(os.getpid()) in (tmp_path / run_lock.NAME).read_text()


def test_one_process_may_have_a_folder_again(tmp_path):
    for _ in range(2):
        with run_lock.held(tmp_path / "new"):
            assert (tmp_path / "new" / run_lock.NAME).exists()
        assert not list((tmp_path / "new").iterdir())


def test_a_lock_that_goes_while_another_process_opens_it_is_made_again(
    tmp_path, monkeypatch
):
    path = tmp_path / run_lock.NAME
    flock, calls = run_lock.fcntl.flock, []

    def slow(stream, operation):
        if not calls:
            path.unlink()
        calls.append(operation)
        flock(stream, operation)

    monkeypatch.setattr(run_lock.fcntl, "flock", slow)
    with run_lock.held(tmp_path):
        assert str(os.getpid()) in path.read_text()
    assert len(calls) == 2


def test_a_file_of_somebody_else_stays_as_it_is(tmp_path):
    path = tmp_path / run_lock.NAME
    path.write_text("mine")
    with (
        run_lock.held(tmp_path),
        pytest.raises(errors.UsageError, match="another process"),
        run_lock.held(tmp_path),
    ):
        pass
    assert path.read_text() == "mine"


def test_a_pipe_of_somebody_else_stays(tmp_path):
    os.mkfifo(tmp_path / run_lock.NAME)
    with (
        pytest.raises(errors.ForeignFileError, match="no plain file"),
        run_lock.held(tmp_path),
    ):
        pass
    assert (tmp_path / run_lock.NAME).exists()


def test_an_export_has_a_lock_beside_its_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link").symlink_to(tmp_path / "out")
    with run_lock.held_beside(pathlib.Path("out")):
        [lock] = tmp_path.glob(".out*")
        for spelling in ("out", "./out/", "link", str(tmp_path / "x" / ".." / "out")):
            with (
                pytest.raises(errors.UsageError, match=r"another --output$") as caught,
                run_lock.held_beside(pathlib.Path(spelling)),
            ):
                pass
            assert str(caught.value).startswith(f"{pathlib.Path(spelling)} is in use")
        # Another one is free.
        with run_lock.held_beside(pathlib.Path("other")):
            pass
    assert not lock.exists() and not (tmp_path / "out").exists()


def test_a_folder_without_a_place_for_a_lock_has_none(tmp_path):
    for folder in (tmp_path / "absent" / "out", pathlib.Path("/")):
        with run_lock.held_beside(folder):
            pass
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be(tmp_path):
    (tmp_path / "file").write_text("x")
    inner = tmp_path / "file" / "inner"
    with pytest.raises(errors.WriteError, match="cannot write"), run_lock.held(inner):
        pass


def test_a_file_system_without_locks_has_none(tmp_path, monkeypatch):
    def flock(stream, operation):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(run_lock.fcntl, "flock", flock)
    with run_lock.held(tmp_path):
        pass
