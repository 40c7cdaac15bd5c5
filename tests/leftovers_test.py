"""Temporary files of dead processes go; all else stays."""

import os
import pathlib
import subprocess
import sys
import tempfile

import pytest

from tfpipeline import atomic_files, leftovers


@pytest.fixture(scope="module")
def dead():
    """How names of a process begin that has ended."""
    code = "from tfpipeline import leftovers; print(leftovers.prefix('model.tflite'))"
    root = pathlib.Path(__file__).resolve().parents[1]
    done = subprocess.run(
        (sys.executable, "-c", code),
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def test_what_a_dead_process_left_goes(dead, tmp_path):
    deep = tmp_path / "export" / "int8"
    deep.mkdir(parents=True)
    folder = tmp_path / f"{dead.removeprefix('.model.tflite.')}abc"
    folder.mkdir()
    (folder / "inner").write_text("x")
    for place in (tmp_path, deep):
        (place / f"{dead}abc.tmp").write_text("x")
    assert sorted(leftovers.remove(tmp_path)) == sorted([folder.name, f"{dead}abc.tmp"])
    assert [path.name for path in deep.iterdir()] == [f"{dead}abc.tmp"]
    assert leftovers.remove(tmp_path, deep=True) == [f"{dead}abc.tmp"]
    assert leftovers.remove(tmp_path / "absent") == []


def test_what_is_not_left_stays(dead, tmp_path):
    host, process = dead.split("-")[1:3]
    names = [
        f"{leftovers.prefix('model.tflite')}abc.tmp",
        # Of a process that runs, here this one's parent.
        f"{dead.replace(f'-{process}-', f'-{os.getppid()}-')}abc.tmp",
        f"{dead.replace(host, '0' * 8)}abc.tmp",
        *(f"{dead}abc.tmp.txt", f"my{dead}abc.tmp", f"{dead}.tmp"),
        *(".model.tflite.x1y2z3.tmp", "model.tflite", "tfpipeline-notes"),
    ]
    for name in names:
        (tmp_path / name).write_text("x")
    (tmp_path / f"{dead}link.tmp").symlink_to(tmp_path / "model.tflite")
    os.mkfifo(tmp_path / f"{dead}pipe.tmp")
    assert leftovers.remove(tmp_path) == []
    assert len(list(tmp_path.iterdir())) == len(names) + 2


def test_a_number_means_a_process_of_one_machine_and_container(tmp_path, monkeypatch):
    def numbering(folder, *, machine, boot, is_container):
        root = tmp_path / folder
        for place, text in (
            ("etc/machine-id", machine),
            ("proc/sys/kernel/random/boot_id", boot),
            ("proc/self/ns/pid", ""),
        ):
            (root / place).parent.mkdir(parents=True, exist_ok=True)
            (root / place).write_text(text)
        first = 0 if is_container else (root / "proc/self/ns/pid").stat().st_ino
        monkeypatch.setattr(leftovers, "_FIRST_NAMESPACE", first)
        return leftovers._numbering(root)

    host = numbering("one", machine="a", boot="1", is_container=False)
    # The processes of a machine end with it.
    assert numbering("one", machine="a", boot="2", is_container=False) == host
    container = numbering("one", machine="a", boot="1", is_container=True)
    others = [
        host,
        numbering("one", machine="b", boot="1", is_container=False),
        # Another machine may give its namespaces the same numbers.
        numbering("one", machine="a", boot="2", is_container=True),
        # Another namespace: another inode.
        numbering("two", machine="a", boot="1", is_container=True),
    ]
    assert len({container, *others}) == 5
    assert len(leftovers._numbering(tmp_path / "no Linux")) == 8


def test_a_process_of_another_container_is_not_taken_for_dead(tmp_path):
    # The first process of a container of its own has the number 1 there, which here is
    # another one; so are the rest.
    code = (
        "import pathlib, sys; from tfpipeline import leftovers; "
        "open(sys.argv[1] + '/' + leftovers.prefix('model') + 'x.tmp', 'w').close()"
    )
    done = subprocess.run(
        (
            *("unshare", "--user", "--map-root-user", "--pid", "--fork"),
            *("--mount-proc", sys.executable, "-c", code, str(tmp_path)),
        ),
        cwd=pathlib.Path(__file__).resolve().parents[1],
        capture_output=True,
        text=True,
    )
    if done.returncode:
        pytest.skip(f"no process namespace here: {done.stderr[:80]}")
    [path] = tmp_path.iterdir()
    number = path.name.split("-")[2]
    # One that has ended here.
    free = path.with_name(path.name.replace(f"-{number}-", "-4194305-"))
    path.rename(free)
    assert leftovers.remove(tmp_path) == []
    assert free.exists()


def test_a_file_that_is_written_again_takes_the_place_of_its_leftovers(dead, tmp_path):
    (tmp_path / f"{dead}abc.tmp").write_text("half")
    atomic_files.write_text(tmp_path / "model.tflite", "whole")
    assert [path.name for path in tmp_path.iterdir()] == ["model.tflite"]


def test_a_long_name_leaves_room(tmp_path):
    name = "é" * 120 + ".txt"
    atomic_files.write_text(tmp_path / name, "x")
    assert (tmp_path / name).read_text() == "x"


def test_a_scratch_folder_goes_and_takes_those_of_the_dead(dead, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / f"{dead.removeprefix('.model.tflite.')}abc").mkdir()
    with leftovers.scratch_folder() as folder:
        assert [path for path in tmp_path.iterdir()] == [folder]
    assert not list(tmp_path.iterdir())
