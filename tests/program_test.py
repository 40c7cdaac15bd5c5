"""The one program, and `export` beside a user's file of that name."""

import ast
import importlib.util
import os
import pathlib
import re
import subprocess
import sys

import pytest

import tfpipeline
from tests import programs
from tfpipeline import camera, errors, program

_ROOT = programs.ROOT


def _run(*arguments, folder=_ROOT):
    return subprocess.run(
        (sys.executable, *map(str, arguments)),
        cwd=folder,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(_ROOT)},
    )


def test_every_module_that_starts_is_a_command():
    starting = {
        path.stem if path.stem != "__main__" else path.parent.name
        for folder in ("tfpipeline", "export")
        for path in (*_ROOT.glob(f"{folder}/*.py"), *_ROOT.glob(f"{folder}/*/*.py"))
        if re.search(r"^ +entry\.start\(", path.read_text(encoding="utf-8"), re.M)
    }
    found = program.commands()
    assert {name.replace("-", "_") for name in found} == starting
    assert {"train", "export", "demo", "layer-error"} <= set(found)


def test_help_lists_what_each_does_and_no_command_fails():
    done = programs.run("tfpipeline", "--help")
    assert done.returncode == 0
    for name in program.commands():
        assert re.search(rf"^  {name} +\w.*[.:]$", done.stdout, re.M), name
    assert programs.run("tfpipeline").returncode == 2
    assert programs.run("tfpipeline", "--version").stdout.strip() == (
        tfpipeline.__version__
    )


@pytest.mark.parametrize("typed", ["layer-error", "layer_error"])
def test_a_command_is_its_module(typed):
    expected = programs.run("tfpipeline.layer_error", "--help")
    assert programs.run("tfpipeline", typed, "--help") == expected


def test_what_is_no_command_is_one_line():
    done = programs.run("tfpipeline", "estimte", "--model=cmsisnet")
    assert done.returncode == 2
    assert done.stderr == (
        "tfpipeline: error: unknown command 'estimte' (did you mean estimate?); see "
        "tfpipeline --help\n"
    )


def test_the_demo_is_train_with_flags_that_travel_with_the_package():
    found = programs.run("tfpipeline", "demo", "--print_config", "--seed=7")
    flagfile = _ROOT / "experiments" / "demo" / "demo.flags"
    expected = programs.run(
        "tfpipeline.train",
        f"--flagfile={flagfile}",
        "--workdir=runs/demo",
        "--seed=7",
        "--print_config",
    )
    assert found == expected
    assert found.returncode == 0


@pytest.mark.slow
def test_a_users_export_file_hides_nothing(tmp_path):
    (tmp_path / "export.py").write_text("raise SystemExit('the file of the user')")
    for command in ("tfpipeline", "tfpipeline.estimate"):
        verb = ("estimate",) if command == "tfpipeline" else ()
        done = _run(
            "-m", command, *verb, "--model=cmsisnet", "--target=gap8", folder=tmp_path
        )
        assert (done.returncode, done.stderr) == (0, "")
    done = _run("-m", "tfpipeline", "export", "--help", folder=tmp_path)
    assert done.returncode == 0
    assert "--calibration" in done.stdout


def test_an_export_in_use_is_said_in_one_line(tmp_path):
    (tmp_path / "export.py").write_text("")
    done = _run("-c", "import export, tfpipeline", folder=tmp_path)
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith(f"ImportError: {tmp_path / 'export.py'} is in use as")
    first = _run("-c", "import tfpipeline, export; print(export)", folder=tmp_path)
    assert pathlib.Path("export", "__init__.py").as_posix() in first.stdout


@pytest.mark.parametrize("module", sorted(set(program.commands().values())))
def test_arguments_without_a_name_are_in_a_tuple(module):
    # One name alone would be taken letter by letter.
    source = pathlib.Path(importlib.util.find_spec(module).origin)
    if source.name == "__init__.py":
        source = source.with_name("__main__.py")
    calls = [
        node
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "entry.start"
    ]
    assert calls
    for keyword in (each for call in calls for each in call.keywords):
        assert keyword.arg != "arguments" or isinstance(keyword.value, ast.Tuple)


def test_a_pipe_is_no_dump_and_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.png")
    with pytest.raises(errors.StorageError, match=r"a\.png is no plain file"):
        camera.main(
            camera.Command(input=str(tmp_path / "a.png"), output=str(tmp_path / "a.h"))
        )
