"""The notebook of docs/ is executed, cell after cell, in an empty folder."""

import json

import pytest

from tests import programs

_NOTEBOOK = programs.ROOT / "docs" / "first_hour.ipynb"


def _cells():
    notebook = json.loads(_NOTEBOOK.read_text(encoding="utf-8"))
    assert notebook["nbformat"] == 4
    return [
        "".join(cell["source"])
        for cell in notebook["cells"]
        if cell["cell_type"] == "code"
    ]


def test_it_holds_no_outputs():
    notebook = json.loads(_NOTEBOOK.read_text(encoding="utf-8"))
    outputs = [cell.get("outputs") for cell in notebook["cells"]]
    assert [each for each in outputs if each] == []


@pytest.mark.slow
def test_cells_run_in_order(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names = {}
    for cell in _cells():
        exec(compile(cell, _NOTEBOOK.name, "exec"), names)
    printed = capsys.readouterr().out
    assert "int8, QAT" in printed
    assert names["exported"].folders["c"].is_dir()
    # Drawn windows that anybody tells apart, after 5 epochs.
    accuracy = (names["answers"].argmax(axis=1) == names["test_y"]).mean()
    assert accuracy > 0.9
