"""The records of experiments/: one form, one file, one table, files of their own."""

import dataclasses
import json
import shutil

import pytest

from tests import experiments_table as table
from tfpipeline import errors, run_folder
from tfpipeline.configs import run

_ROW = table.Row("s", "net", "int8, QAT", "test_accuracy", "0.8766", "10000", "0")


def test_file_and_table_are_those_of_the_studies():
    rows = table.studies()
    assert (table.ROOT / table.FILE).read_text(encoding="utf-8") == table.text(rows)
    readme = (table.ROOT / "README.md").read_text(encoding="utf-8")
    assert table.page(readme, rows) == readme
    assert len(rows) == len({(row.record, row.metric, row.seed) for row in rows})
    for row in rows:
        if "accuracy" in row.metric and "_change" not in row.metric:
            assert 0 <= float(row.value) <= 1
            assert row.metric.startswith("source_") or int(row.examples) > 0


def test_each_stored_file_is_of_a_record_whose_data_are_known():
    checked = {row.record for row in table.studies() if row.metric == table.CHECKED}
    files = table.stored_files()
    assert len(files) >= 9
    assert checked and checked <= {row.record for row in files.values()}
    for row in files.values():
        assert table.data_of(row).dataset in ("cifar10", "wider_face")


def _write(root, rows, study="s"):
    (root / study).mkdir(parents=True, exist_ok=True)
    (root / study / table.FILE).write_text(table.text(rows), encoding="utf-8")


def test_a_row_of_the_table(tmp_path):
    def with_metric(metric, value):
        return dataclasses.replace(_ROW, metric=metric, value=value)

    rows = [
        _ROW,
        with_metric("source_test_accuracy", "0.8715"),
        with_metric(table.MODEL_BYTES, "107848"),
        with_metric("latency_ms", "1.9"),
        # Without an accuracy there is no row.
        table.Row("s", "net", "float", "seconds", "12", "", "0"),
    ]
    _write(tmp_path, rows)
    assert table.studies(tmp_path) == rows
    (tmp_path / "README.md").write_text(f"a\n{table._BEGIN}\nold\n{table._END}\nb\n")
    table.write(tmp_path)
    readme = (tmp_path / "README.md").read_text()
    assert readme.startswith("a\n") and readme.endswith("\nb\n") and "old" not in readme
    assert (
        "| [s](s/README.md) | net | int8, QAT | 10,000 | 87.66 % | 87.15 % | +0.51 | "
        "107,848 | 1.90 ms |"
    ) in readme
    assert "float" not in readme
    table.write(tmp_path)
    assert (tmp_path / "README.md").read_text() == readme


def test_what_is_no_record_is_refused(tmp_path):
    path = tmp_path / table.FILE
    path.write_text("network,form\na,b\n")
    with pytest.raises(errors.DataError, match="must have the columns study,network"):
        table.read(path)
    path.write_text(table.text([dataclasses.replace(_ROW, value="good")]))
    with pytest.raises(ValueError, match="good"):
        table.read(path)
    with pytest.raises(errors.DataError, match="needs the lines"):
        table.page("a page", [])


def test_a_file_without_a_record_is_found(tmp_path):
    _write(tmp_path, [dataclasses.replace(_ROW, metric=table.MODEL_BYTES, value="3")])
    (tmp_path / "s" / "net").mkdir()
    file = tmp_path / "s" / "net" / "int8.tflite"
    file.write_bytes(b"abc")
    assert table.stored_files(tmp_path)[file].record == ("s", "net", "int8, QAT")
    file.write_bytes(b"abcd")
    with pytest.raises(errors.DataError, match="has 4 bytes, which 0 records"):
        table.stored_files(tmp_path)


def test_files_that_were_not_are_checked_where_their_data_are(tmp_path, monkeypatch):
    size = dataclasses.replace(_ROW, metric=table.MODEL_BYTES, value="3")
    last = dataclasses.replace(_ROW, form="float", metric="seconds", value="1")
    _write(tmp_path, [size, _ROW, last])
    file = tmp_path / "s" / "net" / "int8.tflite"
    file.parent.mkdir()
    file.write_bytes(b"abc")
    (tmp_path / "s" / "net.flags").write_text("--dataset=cifar10\n")
    found = dataclasses.replace(_ROW, metric=table.CHECKED, value="0.9")
    calls = []

    def checked(row, path, data_dir, root):
        calls.append((row, path, data_dir, root))
        return found

    monkeypatch.setattr(table, "checked", checked)
    table.check(str(tmp_path / "data"), tmp_path)
    assert not calls
    (tmp_path / "data" / "cifar10").mkdir(parents=True)
    for _ in range(2):
        table.check(str(tmp_path / "data"), tmp_path)
        assert table.studies(tmp_path) == [size, _ROW, found, last]
    assert calls == [(size, file, str(tmp_path / "data"), tmp_path)]


def test_a_run_becomes_rows(tmp_path, monkeypatch):
    folder = run_folder.RunFolder(tmp_path / "run")
    folder.root.mkdir()
    record = {
        "flags": run.Run().identity(),
        "data": {"validation": 250, "test": 1000},
        "seed": 3,
    }
    folder.run_json.write_text(json.dumps(record))
    entry = {"validation_accuracy": 0.5, "test_accuracy": 0.25}
    results = {
        "accuracy": [
            {"network": "float32", **entry, "model_bytes": None},
            {"network": "int8, QAT", **entry, "model_bytes": 3},
        ],
        "float": {"epochs": 7, "seconds": 61.4},
    }
    folder.results_json.write_text(json.dumps(results))
    export = folder.export_file("int8")
    export.parent.mkdir(parents=True)
    export.write_bytes(b"abc")

    def checked(row, path, data_dir, root):
        assert path.read_bytes() == b"abc" and data_dir == "data"
        return dataclasses.replace(row, metric=table.CHECKED, value="0.3")

    monkeypatch.setattr(table, "checked", checked)
    root = tmp_path / "experiments"
    old = table.Row("s", "cmsisnet", "float32", "test_accuracy", "0.9", "1000", "0")
    source = dataclasses.replace(old, metric="source_test_accuracy")
    other = dataclasses.replace(old, form="int4, QAT")
    _write(root, [old, source, other])
    table.add(folder, "s", "data", root)
    rows = table.studies(root)
    assert rows[:2] == [source, other] and old not in rows
    values = {(r.form, r.metric): (r.value, r.examples, r.seed) for r in rows[2:]}
    assert values == {
        ("float32", "validation_accuracy"): ("0.5", "250", "3"),
        ("float32", "test_accuracy"): ("0.25", "1000", "3"),
        ("int8, QAT", "validation_accuracy"): ("0.5", "250", "3"),
        ("int8, QAT", "test_accuracy"): ("0.25", "1000", "3"),
        ("int8, QAT", "model_bytes"): ("3", "", "3"),
        ("int8, QAT", table.CHECKED): ("0.3", "", "3"),
        ("float", "epochs"): ("7", "", "3"),
        ("float", "seconds"): ("61", "", "3"),
    }
    assert (root / "s" / "cmsisnet" / "int8.tflite").read_bytes() == b"abc"
    shutil.rmtree(root)
