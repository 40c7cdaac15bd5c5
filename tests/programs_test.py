"""That a program runs in this process as in one of its own."""

import pathlib
import subprocess
import sys

import pytest

from tests import programs, room_table

_ROOT = programs.ROOT


def _programs():
    """Their names, found by text: parsing all modules would take seconds."""
    for path in room_table.paths(_ROOT):
        text = path.read_text(encoding="utf-8")
        if "entry.start(main" in text or "entry.run(main" in text:
            parts = path.relative_to(_ROOT).with_suffix("").parts
            yield ".".join(parts).removesuffix(".__main__")


_PROGRAMS = sorted(_programs())


def test_the_programs():
    assert {"export", "tfpipeline.estimate", "tfpipeline.train"} <= set(_PROGRAMS)


@pytest.mark.default_cases(2)
@pytest.mark.parametrize("module", _PROGRAMS)
def test_help_and_an_unknown_flag_are_those_of_a_process(module):
    for flag in ("--help", "--absent"):
        done = subprocess.run(
            (sys.executable, "-m", module, flag),
            cwd=_ROOT,
            capture_output=True,
            text=True,
        )
        found = programs.run(module, flag)
        assert found == programs.Done(done.returncode, done.stdout, done.stderr)
        assert found.stdout or found.stderr


def test_the_folder_is_where_relative_paths_begin(tmp_path):
    before = pathlib.Path.cwd()
    done = programs.run("tfpipeline.merge_folds", "--runs=a", folder=tmp_path)
    assert done.returncode == 2
    assert "cannot read a/results.json" in done.stderr
    assert pathlib.Path.cwd() == before


def test_programs_run_one_after_another_leave_no_flags():
    for _ in range(2):
        done = programs.run("export", "--model=absent.tflite")
        assert (done.returncode, done.stderr.count("\n")) == (2, 1)
        done = programs.run("tfpipeline.estimate", "--model=absent.tflite")
        assert (done.returncode, done.stderr.count("\n")) == (2, 1)
