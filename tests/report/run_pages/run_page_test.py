"""The page of a run: everything inside, in every kind of task and of any version."""

import html
import json
import re

import pytest

from tests.report.run_pages import made_runs
from tfpipeline import errors
from tfpipeline.board import kept_results
from tfpipeline.report.run_pages import run_page, stored_runs

# A page of a run is to be under three megabytes.
_MOST_BYTES = 3_000_000


def _page(folder):
    run_page.write(folder, stored_runs.results(folder))
    return folder.report.read_text()


@pytest.mark.default_cases(1)
@pytest.mark.parametrize("name", made_runs.KINDS)
def test_a_page_has_everything_inside(name, tmp_path):
    folder = made_runs.write(tmp_path, name)
    text = _page(folder)
    assert len(text) < _MOST_BYTES
    assert not re.search(r"<script|https?:|url\((?!#)", text)
    assert all(
        address.startswith(("data:image/png;base64,", "#"))
        for address in re.findall(r'(?:src|href)="([^"]*)"', text)
    )
    assert 'alt=""' not in text and 'aria-label=""' not in text
    results = json.loads(folder.results_json.read_text())
    said = html.unescape(re.sub(r"<[^>]*>", " ", text))
    for layer in results["findings"]["network"]["layers"]:
        assert layer["name"] in said and f"{layer['macs']:,}" in said
    for target, each in results["findings"]["targets"]["int8"].items():
        assert target in said
        for latency in each["latency"].values():
            assert f"{1e3 * latency['seconds']:,.3f} ms" in said
    assert "python -m tfpipeline.train" in said


def test_answers_of_boards_are_shown_with_the_tasks_figures(tmp_path):
    folder = made_runs.write(tmp_path, "classification", findings=False)
    result = {
        **{"board": "NUCLEO", "export": "c", "digest": "ab", "network": "net"},
        **{"title": "test examples", "inputs": 1200, "differing": [3, 8]},
        **{"figures": {"accuracy": 0.875}, "simulated": {"accuracy": 0.876}},
        "cycles": {
            **{"least": 90, "median": 100, "most": 110, "counted": ""},
            **{"clock_hz": 1000, "seconds": 0.1},
        },
        "estimates": [{"target": "stm32l4r5", "model": "m", "error": -0.125}],
    }
    kept_results.add(folder, result)
    said = re.sub(r"<[^>]*>", " ", _page(folder))
    for cell in (
        *("1,200 test examples", "1,198, not 2", "87.50 %", "87.60 %"),
        *("100.000 ms (100 cycles)", "20.00%", "stm32l4r5, m: -12%"),
    ):
        assert cell in said, cell
    folder.boards_json.write_text('{"boards": [{}]}')
    with pytest.raises(errors.DamagedFileError, match="no answers of boards"):
        _page(folder)


def test_the_page_of_an_old_run_has_what_the_run_has(tmp_path):
    folder = made_runs.write(tmp_path, "classification", findings=False)
    line = {"stage": "float", "epoch": 1, "loss": 0.5, "val_loss": 0.75}
    folder.metrics.write_text(json.dumps(line) + "\n")
    text = _page(folder)
    assert "made by an earlier version" in text and "epochs of float" in text
    assert "What is taken for what" not in text


def test_a_folder_without_a_finished_run_is_refused(tmp_path):
    folder = made_runs.write(tmp_path, "binary", findings=False)
    folder.results_json.write_text("{}")
    with pytest.raises(errors.DamagedFileError, match="not that of a run"):
        stored_runs.results(folder)
    folder.results_json.unlink()
    with pytest.raises(errors.UsageError, match="has ended"):
        stored_runs.results(folder)
