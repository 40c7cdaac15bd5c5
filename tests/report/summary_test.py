"""The summary's figures are those of the results."""

import pathlib

import numpy as np

from tfpipeline import run_folder
from tfpipeline.report import summary

_LABELS = {"validation": np.array([0, 1]), "test": np.array([0, 1, 1, 0])}


def _outputs(validation, test):
    return {"validation": np.eye(2)[validation], "test": np.eye(2)[test]}


def test_accuracy_row_counts_the_hits():
    row = summary.accuracy_row("x", _outputs([0, 0], [0, 1, 1, 1]), _LABELS, 1234)
    assert row == {
        "network": "x",
        "validation_accuracy": 0.5,
        "test_accuracy": 0.75,
        "model_bytes": 1234,
    }


def test_cost_is_in_points_against_float():
    rows = [
        summary.accuracy_row("float32", _outputs([0, 1], [0, 1, 1, 0]), _LABELS),
        summary.accuracy_row("int8, PTQ", _outputs([0, 1], [0, 1, 1, 1]), _LABELS, 99),
    ]
    results = {
        "flags": {"model": "m", "dataset": "d"},
        "float": {"epochs": 2, "best_epoch": 1, "seconds": 90.0},
        "accuracy": rows,
        "exports": {"float32": {"model_bytes": 5}},
        "estimate": "target  latency\nchip    1 ms",
    }
    text = summary.render(results, run_folder.RunFolder(pathlib.Path("runs/a")))
    assert "m on d" in text
    assert "int8, PTQ                 100.00 %   75.00 %    -25.00         99 B" in text
    assert "float training: epochs 2, best 1, 1.5 min" in text
    assert "runs/a/export/float32/model.tflite" in text
    assert "\n  target  latency\n  chip    1 ms\n" in text
    assert "qat" not in text
    assert "notes" not in text
    results["notes"] = {"max78000": ["first note", "second"]}
    text = summary.render(results, run_folder.RunFolder(pathlib.Path("runs/a")))
    assert "\nnotes on max78000:\n  first note\n  second\n" in text
