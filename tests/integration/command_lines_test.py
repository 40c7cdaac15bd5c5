"""Command lines are checked before TensorFlow is there; no import defines a flag."""

import ast
import json
import pathlib
import re
import subprocess
import sys

import pytest
from absl import flags

from tests import room_table
from tfpipeline import errors, train, train_descriptor
from tfpipeline.configs import command_line, help_text, network, recipe, run

_ROOT = pathlib.Path(__file__).resolve().parents[2]
# Runs programs in one process, each with command lines that cannot be.
_CHECK = """
import contextlib, importlib, io, json, sys
from tfpipeline import entry
cases = json.loads(sys.argv[1])
for name, arguments, expected in cases:
    program = importlib.import_module(f"tfpipeline.{name}")
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            entry.start(program.main, name, program.Command(), [name, *arguments])
    except SystemExit as stopped:
        assert stopped.code == 2, (name, arguments, stopped.code)
    [line] = said.getvalue().splitlines()
    assert line.startswith(f"{name}: error: ") and expected in line, line
    assert len(line) < 400, line
    assert "tensorflow" not in sys.modules, (name, arguments)
print(len(cases))
"""
_TRAIN = (
    (("--modle=resnet8",), "unknown flag --modle (did you mean --model?)"),
    (("--model=resnet9",), "no network and no file is called 'resnet9'"),
    (("--dataset=cifar",), "unknown data set 'cifar'"),
    (("--epochs=many",), "it must be a whole number"),
    (("--learning_rate=inf",), "--learning_rate must be a finite number"),
    (("--flagfile=absent.flags",), "cannot read absent.flags"),
    (("--workdir=w", "stray"), "unexpected argument 'stray'"),
    ((), "--workdir=DIR is missing"),
    (
        ("--workdir=w", "--quantization_policy=absent"),
        "--quantization_policy: cannot read absent",
    ),
    (("--workdir=w", "--scheme=max78000", "--nonormalize"), "needs pixels in"),
    (("--workdir=w", "--export=max78000"), "--export takes int8"),
    (("--workdir=w", "--warmup_epochs=1"), "=cosine or cosine_restarts"),
    (("--workdir=w", "--dataset=cifar10", "--data_dir=absent"), "is not in absent"),
    (("--workdir={run}", "--epochs=4"), "--epochs was 3 and is now 4"),
)
_DESCRIPTOR = (
    (
        ("--evaluate=gap9",),
        "--evaluate must be one of float, gap8, gap8_qat, ",
    ),
    (("--model=resnet8",), "--model must be one of reid_squeezenet"),
    (("--test_folds=1,2", "--validation_folds=2"), "must share none"),
    (("--workdir=w", "--dataset=lfw"), "needs --pairs=FILE"),
    (("--workdir=w", "--dataset=lfw", "--pairs=absent"), "the pairs: cannot read"),
)
_LAYER_ERROR = (
    ((), "give either --run=FOLDER or --float_model=FILE"),
    (("--run=absent",), "has no float network"),
    (("--run=absent", "--formats=wi3_ai8"), "--formats must be one of"),
    (("--float_model=absent.keras", "--images=absent.npy"), "cannot read absent.npy"),
)


def _ran(*command):
    done = subprocess.run(
        (sys.executable, *command), cwd=_ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_what_cannot_be_is_said_without_tensorflow(tmp_path):
    record = {
        "flags": run.Run(training=recipe.Training(epochs=3)).identity(),
        "data": {"fingerprint": "f"},
    }
    (tmp_path / "run.json").write_text(json.dumps(record), encoding="utf-8")
    cases = [
        (name, [each.format(run=tmp_path) for each in arguments], expected)
        for name, rows in (
            ("train", _TRAIN),
            ("train_descriptor", _DESCRIPTOR),
            ("layer_error", _LAYER_ERROR),
        )
        for arguments, expected in rows
    ]
    assert _ran("-c", _CHECK, json.dumps(cases)).strip() == str(len(cases))


def test_programs_are_imported_into_one_process_and_define_no_flag():
    code = """
import tfpipeline.train, tfpipeline.train_descriptor, tfpipeline.estimate
import tfpipeline.plan, tfpipeline.camera, tfpipeline.identify
import tfpipeline.layer_error, tfpipeline.merge_folds, export.__main__
from absl import flags
print(*[m for m in flags.FLAGS.flags_by_module_dict() if not m.startswith("absl.")])
"""
    assert _ran("-c", code).strip() == ""


@pytest.mark.parametrize("program", [train, train_descriptor])
def test_help_is_in_groups(program):
    text = help_text.render(program.Command())
    titles = re.findall(r"^(\w+):$", text, re.MULTILINE)
    kinds = ("data", "network", "training", "augmentation", "quantization", "output")
    titles = [title for title in titles if title not in ("task", "teacher")]
    assert titles == list(kinds)


def _defines_flags(tree: ast.Module) -> bool:
    return any(
        isinstance(node, ast.Attribute) and node.attr.startswith("DEFINE")
        for node in ast.walk(tree)
    )


def test_flags_come_from_configs_alone():
    sources = room_table.read().sources
    defining = {str(each.path) for each in sources if _defines_flags(each.tree)}
    assert defining == {"tfpipeline/configs/command_line.py"}


def test_the_run_of_the_page_is_that_of_its_flags(monkeypatch):
    page = (_ROOT / "docs" / "training.md").read_text(encoding="utf-8")
    [code] = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    monkeypatch.setattr(train, "run", lambda config: config)
    names = {}
    exec(compile(code, "training.md", "exec"), names)
    values = flags.FlagValues()
    command_line.define(run.Run(), values)
    arguments = (
        *("--train_limit=1000", "--model=resnet8", "--width=0.5", "--epochs=3"),
        *("--optimizer=sgd", "--learning_rate=0.05"),
        *("--learning_rate_schedule=cosine", "--workdir=runs/mine"),
    )
    values(["train", *arguments])
    assert names["results"] == command_line.from_flags(run.Run(), values)


def test_a_run_is_a_value_that_a_program_makes(tmp_path):
    """The defaults are those of the command line; a wrong value is named alike."""

    with pytest.raises(errors.UsageError, match=r"--width must be from 0\.05 to 8"):
        network.Network("resnet8", width=9.0)
    config = run.Run(
        network=network.Network("resnet8"), optimizer=recipe.Optimizer("sgd")
    )
    assert config.identity()["model"] == "resnet8"
    with pytest.raises(errors.UsageError, match="--workdir=DIR is missing"):
        train.run(config)
