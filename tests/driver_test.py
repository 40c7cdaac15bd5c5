"""What the drivers share: the command line's two ends, run.json, results."""

import dataclasses
import json
import logging
from typing import Any

import pytest

from tfpipeline import driver, errors, run_folder


@dataclasses.dataclass(frozen=True)
class _Config:
    workdir: str | None = None
    epochs: int = 3

    def identity(self) -> dict[str, Any]:
        return {"epochs": self.epochs}


@pytest.fixture(autouse=True)
def no_handlers():
    """What main does to the package's logger ends with the test."""
    root = logging.getLogger("tfpipeline")
    handlers, propagates = root.handlers, root.propagate
    yield
    root.handlers, root.propagate = handlers, propagates


def test_the_configuration_is_printed_instead_of_run(capsys):
    runs = []
    driver.main(_Config("folder"), runs.append, print_config=True)
    assert json.loads(capsys.readouterr().out) == {"epochs": 3, "workdir": "folder"}
    assert not runs


def test_the_summary_of_a_run_is_printed(tmp_path, capsys):
    def run(config):
        results = {"epochs": config.epochs}
        driver.finish(run_folder.of(config.workdir), results, "three of them\n")
        return results

    driver.main(_Config(str(tmp_path)), run, print_config=False)
    assert capsys.readouterr().out == "three of them\n"


def test_a_worker_that_has_no_results_prints_nothing(tmp_path, capsys):
    driver.main(_Config(str(tmp_path)), lambda config: {}, print_config=False)
    assert capsys.readouterr().out == ""


def test_a_folder_holds_one_run(tmp_path):
    folder = run_folder.RunFolder(tmp_path)
    data = {"fingerprint": "f"}
    driver.begin(folder, _Config(), data, seed=7)
    record = json.loads(folder.run_json.read_text(encoding="utf-8"))
    assert list(record)[:3] == ["flags", "data", "seed"]
    assert (record["flags"], record["data"], record["seed"]) == ({"epochs": 3}, data, 7)
    assert "versions" in record
    before = folder.run_json.read_bytes()
    driver.begin(folder, _Config(), data, seed=7)
    assert folder.run_json.read_bytes() == before
    with pytest.raises(errors.UsageError, match="--epochs was 3 and is now 4"):
        driver.begin(folder, _Config(epochs=4), data, seed=7)
    with pytest.raises(errors.UsageError, match="a run on other images"):
        driver.begin(folder, _Config(), {"fingerprint": "g"}, seed=7)


def test_results_and_their_summary_are_kept(tmp_path, capsys):
    folder = run_folder.RunFolder(tmp_path)
    driver.finish(folder, {"accuracy": 0.5}, "half of them\n")
    results = json.loads(folder.results_json.read_text(encoding="utf-8"))
    assert results["accuracy"] == 0.5
    assert results["artifacts"].keys() == {"summary.txt"}
    assert folder.summary.read_text(encoding="utf-8") == "half of them\n"
    assert capsys.readouterr().out == ""


def test_a_run_that_was_killed_before_its_page_gets_it(tmp_path):
    folder = run_folder.RunFolder(tmp_path)
    results = driver.finish(folder, {"accuracy": 0.5}, "half of them\n")
    written = []

    def write_page(folder, results):
        written.append(results)
        folder.report.write_text("page", encoding="utf-8")

    for _ in range(2):
        assert driver.ended(folder, write_page) == results
    assert written == [results]
