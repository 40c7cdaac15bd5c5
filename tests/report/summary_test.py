"""The summary's figures are those of the results."""

import pathlib

from tfpipeline import run_folder
from tfpipeline.report import summary


def _row(name, validation, test, *size):
    figures = {"validation": {"accuracy": validation}, "test": {"accuracy": test}}
    return summary.row(name, figures, *size)


def test_a_row_has_the_figures_of_each_split():
    assert _row("x", 0.5, 0.75, 1234) == {
        "network": "x",
        "validation_accuracy": 0.5,
        "test_accuracy": 0.75,
        "model_bytes": 1234,
    }


def _results(rows, **more):
    return {
        "flags": {"model": "m", "dataset": "d"},
        "float": {"epochs": 2, "best_epoch": 1, "seconds": 90.0},
        "accuracy": rows,
        "exports": {"float32": {"model_bytes": 5}},
        "estimate": "target  latency\nchip    1 ms",
        **more,
    }


def test_values_are_told_in_their_units_and_their_cost_in_percent():
    rows = [
        summary.row("float32", {"validation": {**figures}, "test": {**figures}}, size)
        for figures, size in (
            ({"rmse": 2.5, "mae": 1.25, "r2": 0.9}, None),
            ({"rmse": 3.0, "mae": 1.5, "r2": 0.875}, 4096),
        )
    ]
    task = {"name": "regression", "mean": [20.0], "deviation": [4.5]}
    folder = run_folder.RunFolder(pathlib.Path("runs/a"))
    lines = summary.render(_results(rows, task=task), folder).splitlines()
    assert lines[2].split("  ")[0] == "network"
    for part in ("validation RMSE", "test RMSE", "test MAE", "test R2"):
        assert part in lines[2]
    assert lines[4].split() == (
        ["float32", "3", "3", "1.5", "0.875", "+20.00", "%", "4,096", "B"]
    )
    assert "cost: change of the test RMSE against float32" in lines
    assert "value 0 = output x 4.5 + 20" in lines


def test_a_figure_that_could_not_be_measured_is_no_column():
    task = {"name": "reconstruction"}
    folder = run_folder.RunFolder(pathlib.Path("runs/a"))
    validation = {"auc": None, "mse": 1.0, "partial_auc": None}
    cells = []
    for auc, partial in ((0.95, 0.8), (None, None)):
        test = {"auc": auc, "mse": 1.1, "partial_auc": partial}
        figures = {"validation": validation, "test": test}
        results = _results([summary.row("float32", figures)], task=task)
        cells.append(summary.render(results, folder).splitlines()[3].split())
    assert cells == [
        ["float32", "-", "95.00", "%", "1.1", "80.00", "%", "+0.00"],
        ["float32", "1", "1.1", "+0.00", "%"],
    ]


def test_cost_is_in_points_against_float():
    rows = [
        _row("float32", 1.0, 1.0),
        _row("int8, PTQ", 1.0, 0.75, 99),
    ]
    results = _results(rows)
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
