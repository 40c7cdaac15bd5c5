"""Runs that share out the folds, from the command line."""

import json
import pathlib

import pytest

from tests import programs
from tfpipeline.study.measures import verification

_ROOT = pathlib.Path(__file__).resolve().parents[2]


def _run(folder, folds, forms=("float",)):
    result = verification.Verification(
        tuple(verification.Fold(fold, 1.0, 0.75, 600) for fold in folds), 0.8, 0.2
    )
    folder.mkdir()
    record = {"verification": {form: result.record() for form in forms}}
    (folder / "results.json").write_text(json.dumps(record))
    return str(folder)


def _merge(*runs, flags=()):
    runs = f"--runs={','.join(runs)}"
    return programs.run("tfpipeline.merge_folds", runs, *flags)


def test_forms_of_all_runs_are_printed(tmp_path):
    one = _run(tmp_path / "one", (0, 1), ("float", "gap8_16"))
    two = _run(tmp_path / "two", (2, 3))
    done = _merge(one, two)
    assert done.returncode == 0, done.stderr
    head, row = done.stdout.splitlines()
    assert "fold 3" in head and row.startswith("float") and "0.7500" in row
    assert "float,all,2400,0.75" in _merge(one, two, flags=["--format=csv"]).stdout


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "cannot read"),
        ("[]", "holds no verification of train_descriptor"),
    ],
)
def test_a_folder_that_is_no_run(tmp_path, text, message):
    if text is not None:
        (tmp_path / "results.json").write_text(text)
    done = _merge(str(tmp_path))
    assert done.returncode == 2
    assert done.stderr.startswith("merge_folds: error: ") and message in done.stderr


def test_runs_that_test_the_same_fold_or_no_form_together(tmp_path):
    runs = [_run(tmp_path / name, (0, 1)) for name in "ab"]
    other = _run(tmp_path / "c", (2,), ("gap8_16",))
    assert "folds 0, 1 are tested by more than one run" in _merge(*runs).stderr
    assert "no form of the network in common" in _merge(runs[0], other).stderr
    assert "--runs=FOLDER,FOLDER,... is missing" in _merge("").stderr
