"""`python -m export`: one line an error, and a report that is right."""

import json
import pathlib
import re
import subprocess
import sys

import pytest
from absl import flags

from export import catalog
from export.tflite import verify
from tests import folder_trees, programs
from tests.export import commands
from tfpipeline import run_folder
from tfpipeline.configs import command_line, fields, help_text

ROOT = pathlib.Path(__file__).parents[2]
MODEL = ROOT / "tests" / "golden" / "tflite_int8" / "residual_qat.tflite"


def run(*arguments: str) -> programs.Done:
    return programs.run("export", *arguments)


_INSPECTED: dict[bytes, verify.Verification] = {}


@pytest.fixture(autouse=True)
def inspected_once(monkeypatch):
    """The interpreter needs ten seconds for a network, which is always the same."""
    inspect = verify.inspect

    def once(model, **options):
        if model not in _INSPECTED:
            _INSPECTED[model] = inspect(model, **options)
        return _INSPECTED[model]

    monkeypatch.setattr(verify, "inspect", once)


def test_the_program_and_its_help():
    done = subprocess.run(
        (sys.executable, "-m", "export", "--help"),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert (done.returncode, done.stderr) == (0, "")
    groups = re.findall(r"^([\w ]+):$", done.stdout, re.MULTILINE)
    names = [target.name for target in catalog.ALL]
    assert [groups[0], groups[-1]] == ["all targets", "of every program"]
    assert [group for group in groups if group in names] == names


def test_each_target_has_a_room_with_its_flags():
    text = help_text.render(commands.program.Command())
    for target in catalog.ALL:
        assert target.prepare.__module__ == type(target.flags).__module__
        assert target.prepare.__module__.endswith(".command")
        for leaf, _ in fields.leaves(target.flags):
            assert f"{leaf.name}" in text
            # Help says by its group whose a flag is.
            assert not leaf.flag.help.startswith(f"{target.name}:")
    assert text.count("--weight_bits=N") == 4 and text.count("--sample=TEXT") == 3


def test_a_flag_of_several_targets_is_one():
    values = flags.FlagValues()
    command_line.define(commands.program.Command(), values)
    arguments = ["--weight_bits=4", "--sample=a.npy", "--offline_plan"]
    arguments += ["--precision=single"]
    values(["export", *arguments])
    command = command_line.from_flags(commands.program.Command(), values)
    for name in ("int8", "max78000", "gap8"):
        assert getattr(command, name).weight_bits == 4
    assert command.max78000.sample == command.tflm.sample == "a.npy"
    assert command.int16x8.offline_plan and command.tflm.offline_plan
    assert command.gap8.precision == "single"


def test_verifies_a_file_and_a_run_folder(tmp_path):
    output = tmp_path / "run" / "export" / "int8"
    done = run(f"--model={MODEL}", "--targets=int8", f"--output={output}")
    assert done.returncode == 0, done.stderr
    assert f"{MODEL.stat().st_size} bytes, 6 operators, full integer" in done.stdout
    stored = json.loads((output / "verification.json").read_text())
    assert f"arena      {stored['arena']['arena_bytes']} bytes" in done.stdout
    assert stored["all_images"] is None

    again = run(f"--model={tmp_path / 'run'}")
    assert again.returncode == 0, again.stderr
    assert again.stdout == done.stdout.replace(f"written    {output}\n", "")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot read"),
        (b"a text", "not a TFLite file"),
        (MODEL.read_bytes()[:3000], "damaged TFLite file of 3000 bytes"),
    ],
    ids=["absent", "text", "truncated"],
)
def test_unusable_file_is_one_line(tmp_path, content, message):
    file = tmp_path / "model.tflite"
    if content is not None:
        file.write_bytes(content)
    done = run(f"--model={file}", f"--output={tmp_path / 'out'}")

    assert done.returncode == 2
    assert done.stderr.startswith("export: error: ")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([f"--model={MODEL}", "--targets=gap9"], "unknown target 'gap9'"),
        ([], "--model="),
        ([f"--model={MODEL}", "--targets="], "say for what: --targets=int8"),
        ([str(MODEL), "again"], "unexpected argument"),
        ([f"--model={ROOT / 'tests'}"], "export/int8/model.tflite"),
    ],
    ids=["target", "nothing", "no target", "positional", "no run"],
)
def test_wrong_usage_is_one_line(arguments, message):
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_folder_of_others_is_refused_and_its_own_is_filled_again(tmp_path):
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "main.c").write_text("int main;")
    output = f"--output={tmp_path}"
    done = run(f"--model={MODEL}", "--targets=c", output)
    assert (done.returncode, done.stdout) == (2, "")
    assert "is not empty, and `export` did not write it" in done.stderr
    assert done.stderr.count("\n") == 1
    assert folder_trees.files(tmp_path) == {"src/main.c": b"int main;"}
    for _ in range(2):
        done = run(f"--model={MODEL}", "--targets=c", f"{output}/c")
        assert done.returncode == 0, done.stderr


def test_of_several_targets_none_is_written_where_one_is_refused(tmp_path):
    flags = (f"--model={MODEL}", "--targets=c,int8", f"--output={tmp_path}")
    (tmp_path / "int8").mkdir()
    (tmp_path / "int8" / "notes").write_text("mine")
    (tmp_path / "main.c").write_text("int main;")
    done = run(*flags)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"{tmp_path / 'int8'} is not empty" in done.stderr
    assert set(folder_trees.files(tmp_path)) == {"int8/notes", "main.c"}
    (tmp_path / "int8" / "notes").unlink()
    for _ in range(2):
        done = run(*flags)
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "c" / "residual_qat.c").exists()
    assert (tmp_path / "int8" / "model.tflite").exists()
    assert (tmp_path / "main.c").read_text() == "int main;"


def test_of_several_targets_none_is_written_where_a_file_is_in_the_way(tmp_path):
    commands.run("c", MODEL.with_name("plain_qat.tflite"), tmp_path / "c")
    # The folder is ours, the file is not: another network would write it.
    (tmp_path / "c" / "residual_qat.c").write_text("mine")
    before = folder_trees.tree(tmp_path)
    done = run(f"--model={MODEL}", "--targets=int8,c", f"--output={tmp_path}")
    assert (done.returncode, done.stdout) == (2, "")
    assert f"{tmp_path / 'c' / 'residual_qat.c'} stands where" in done.stderr
    assert folder_trees.tree(tmp_path) == before


def test_the_folder_of_a_run_takes_no_export_at_its_root(tmp_path):
    record = {"flags": {}, "data": {"fingerprint": ""}}
    run_folder.begin(run_folder.RunFolder(tmp_path), record)
    before = folder_trees.tree(tmp_path)
    for targets in ("c", "c,int8"):
        done = run(f"--model={MODEL}", f"--targets={targets}", f"--output={tmp_path}")
        assert (done.returncode, done.stdout) == (2, "")
        assert "is the folder of a run" in done.stderr
        assert folder_trees.tree(tmp_path) == before


def test_without_output_files_go_beside_the_user(tmp_path):
    done = programs.run("export", MODEL, "--targets=c", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / f"{MODEL.stem}_export" / f"{MODEL.stem}.c").is_file()
    (tmp_path / "other_export").mkdir()
    (tmp_path / "other_export" / "mine.txt").write_text("mine")
    (tmp_path / "other.tflite").write_bytes(MODEL.read_bytes())
    done = programs.run("export", "other.tflite", "--targets=c", folder=tmp_path)
    assert done.returncode == 2
    assert [p.name for p in (tmp_path / "other_export").iterdir()] == ["mine.txt"]


def test_writes_c_and_plans_the_arena(tmp_path):
    done = run(f"--model={MODEL}", "--targets=c", f"--output={tmp_path / 'c'}")
    assert done.returncode == 0, done.stderr
    names = sorted(path.name for path in (tmp_path / "c").iterdir())
    stem = MODEL.stem
    assert {f"{stem}.c", f"{stem}.h", f"{stem}_test.c"} <= set(names)
    # The greedy plan of so small a network is as good as ours: the file stays.
    plain, planned = tmp_path / "plain", tmp_path / "planned"
    assert run(f"--model={MODEL}", f"--output={plain}").returncode == 0
    done = run(f"--model={MODEL}", "--offline_plan", f"--output={planned}")
    assert done.returncode == 0, done.stderr
    files = [folder / "model.tflite" for folder in (plain, planned)]
    assert files[0].read_bytes() == files[1].read_bytes()
