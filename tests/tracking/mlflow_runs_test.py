"""Runs in MLflow: in a database and in a folder, as they go on."""

import json
import pathlib
import sys

import pytest

from tests.report.run_pages import made_runs
from tfpipeline import errors, track
from tfpipeline.tracking import mlflow_runs, recorded


def epoch(stage, number, loss):
    return {"stage": stage, "epoch": number, "loss": loss, "seconds": 2.0}


def with_epochs(folder, *epochs):
    lines = [json.dumps(epoch(*each)) + "\n" for each in epochs]
    folder.metrics.write_text("".join(lines))
    return recorded.read(folder)


@pytest.fixture
def begun(tmp_path):
    """The folder of a run that has not ended, and its results."""
    folder = made_runs.write(tmp_path, "classification")
    results = folder.results_json.read_text()
    folder.results_json.unlink()
    return folder, results


def test_what_a_run_says(begun):
    folder, results = begun
    found = with_epochs(folder, ("float", 1, 0.5), ("float", 2, 0.25), ("qat", 1, 0.2))
    assert not found.is_ended and found.name == "classification"
    assert found.parameters["model"] == "cmsisnet"
    assert found.notes["machine.processor"] == "one"
    losses = [x for x in found.figures if x.name.endswith("/loss")]
    assert [(x.name, x.value, x.step, x.seconds) for x in losses] == [
        *(("float/loss", 0.5, 1, 2.0), ("float/loss", 0.25, 2, 4.0)),
        ("qat/loss", 0.2, 1, 6.0),
    ]
    folder.results_json.write_text(results)
    ended = recorded.read(folder)
    assert ended.is_ended and ended.identity == found.identity
    assert ended.figures[: len(found.figures)] == found.figures
    by_name = {x.name: x.value for x in ended.figures}
    rows = json.loads(results)["accuracy"]
    for row in rows:
        assert by_name[f"{row['network']}/test_accuracy"] == row["test_accuracy"]
    latencies = json.loads(results)["findings"]["targets"]["int8"]["gap8"]["latency"]
    for model, latency in latencies.items():
        assert by_name[f"int8/gap8/{model}/seconds"] == latency["seconds"]
    assert (folder.results_json, ".") in ended.files


# MLflow 3.17 of SQLAlchemy 2.1.
@pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy")
@pytest.mark.parametrize(
    "place",
    [pytest.param("sqlite:///{}/runs.db", marks=pytest.mark.slow), "{}/folder"],
)
def test_a_run_goes_on_there_as_it_goes_on_here(begun, tmp_path, place):
    mlflow = pytest.importorskip("mlflow")
    folder, results = begun
    uri = place.format(tmp_path)
    first = with_epochs(folder, ("float", 1, 0.5))
    [number] = mlflow_runs.send([first], uri, "trials")
    client = mlflow.MlflowClient(tracking_uri=uri)
    assert client.get_run(number).info.status == "RUNNING"
    with_epochs(folder, ("float", 1, 0.5), ("float", 2, 0.25))
    folder.results_json.write_text(results)
    export = folder.export("int8") / "model.tflite"
    export.parent.mkdir(parents=True)
    export.write_bytes(b"a file")
    ended = recorded.read(folder)
    # And a third time, which adds nothing.
    for _ in range(2):
        assert mlflow_runs.send([ended], uri, "trials") == [number]
    run = client.get_run(number)
    assert (run.info.status, run.info.run_name) == ("FINISHED", "classification")
    history = client.get_metric_history(number, "float/loss")
    assert [(x.step, x.value) for x in history] == [(1, 0.5), (2, 0.25)]
    assert run.data.params == dict(ended.parameters)
    accuracy = json.loads(results)["accuracy"][0]["test_accuracy"]
    assert run.data.metrics["float32/test_accuracy"] == accuracy
    kept = client.download_artifacts(number, "export/int8/model.tflite", str(tmp_path))
    assert pathlib.Path(kept).read_bytes() == b"a file"


def test_what_is_no_place_is_one_line(begun, tmp_path, monkeypatch):
    pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    run = with_epochs(begun[0], ("float", 1, 0.5))
    (tmp_path / "text").write_text("hello")
    for uri in (f"sqlite:///{tmp_path}/text", "http://127.0.0.1:9", "what://is"):
        with pytest.raises(errors.StorageError, match="does not take it") as caught:
            mlflow_runs.send([run], uri, "trials")
        assert len(str(caught.value)) < errors.MAX_LINE_CHARACTERS
    assert (tmp_path / "text").read_text() == "hello"


def test_a_folder_of_other_things_is_refused(begun):
    folder, _ = begun
    before = sorted(folder.root.rglob("*"))
    run = recorded.read(folder)
    with pytest.raises(errors.UsageError, match="other things than MLflow's"):
        mlflow_runs.send([run], str(folder.root), "trials")
    assert sorted(folder.root.rglob("*")) == before


def test_without_mlflow_it_is_said(begun, monkeypatch):
    monkeypatch.setitem(sys.modules, "mlflow", None)
    command = track.Command((str(begun[0].root),), "sqlite:///runs.db")
    with pytest.raises(errors.UsageError, match=r"pip install 'tfpipeline\[mlflow\]'"):
        track.main(command)
    with pytest.raises(errors.UsageError, match="say what and where"):
        track.main(track.Command((str(begun[0].root),)))
    with pytest.raises(errors.UsageError, match="is no run"):
        track.main(track.Command((str(begun[0].root.parent),), "sqlite:///runs.db"))
