"""What the drivers share: the command line's two ends, run.json, results."""

import dataclasses
import json
from typing import Any

import pytest
from absl import flags
from absl.testing import flagsaver

from tfpipeline import driver, errors, run_folder
from tfpipeline import train as _  # noqa: F401 defines the flags


@dataclasses.dataclass(frozen=True)
class _Config:
    workdir: str | None = None
    epochs: int = 3

    def identity(self) -> dict[str, Any]:
        return {"epochs": self.epochs}


def _main(config, run, **values):
    if not flags.FLAGS.is_parsed():
        flags.FLAGS(["test"])
    with flagsaver.flagsaver(**values):
        driver.main(config, run)


def test_the_configuration_is_printed_instead_of_run(capsys):
    runs = []
    _main(_Config("folder"), runs.append, print_config=True)
    assert json.loads(capsys.readouterr().out) == {"epochs": 3, "workdir": "folder"}
    assert not runs


def test_a_run_needs_a_folder():
    runs = []
    _main(_Config("folder"), runs.append)
    assert runs == [_Config("folder")]
    with pytest.raises(errors.UsageError, match="--workdir=DIR is missing"):
        _main(_Config(), runs.append)
    assert len(runs) == 1


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


def test_results_are_kept_and_their_summary_printed(tmp_path, capsys):
    folder = run_folder.RunFolder(tmp_path)
    driver.finish(folder, {"accuracy": 0.5}, "half of them\n")
    assert json.loads(folder.results_json.read_text(encoding="utf-8")) == {
        "accuracy": 0.5
    }
    assert folder.summary.read_text(encoding="utf-8") == "half of them\n"
    assert capsys.readouterr().out == "half of them\n"
