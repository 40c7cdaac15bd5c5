"""A number format that is not in the tables: what it takes, through a whole run."""

import json

import pytest

from export.tflite import from_graph
from tfpipeline import entry, number_formats, train
from tfpipeline.deploy import catalog, tflite
from tfpipeline.deploy import int8 as deploy_int8
from tfpipeline.precision import formats, quantize, ranges
from tfpipeline.readers import from_keras

# int8 whose files are written from the graph, those of PTQ as well.
_FORMAT = number_formats.NumberFormat(
    name="int8_of_graph",
    scheme="int8",
    weight_bits=8,
    activation_bits=8,
    title="int8 of the graph",
    fake_quantized="for the graph, fake-quantized",
    stage="qat_int8_of_graph",
    targets=("tflm",),
)


def _convert_ptq(job):
    g = from_keras.read(job.trained.model, name="network")
    observed = {**ranges.observe(g, job.calibration), g.inputs[0]: (-1.0, 127 / 128)}
    integers = quantize.quantize(g, observed, formats.named(_FORMAT.recipe))
    return from_graph.to_bytes(integers)


@pytest.fixture
def registered(monkeypatch):
    """The two places that a format of known integers takes."""
    monkeypatch.setattr(number_formats, "ALL", (*number_formats.ALL, _FORMAT))
    deployment = tflite.deployment_of(
        _FORMAT.name,
        _convert_ptq,
        check=deploy_int8.DEPLOYMENT.check,
        training=deploy_int8.DEPLOYMENT.training,
    )
    monkeypatch.setattr(catalog, "ALL", (*catalog.ALL, deployment))


def _run(*arguments):
    with pytest.raises(SystemExit) as stopped:
        entry.start(train.main, "train", train.Command(), ["train", *arguments])
    return stopped.value.code


@pytest.mark.slow
def test_one_row_and_one_deployment_take_it_through_a_run(registered, tmp_path, capsys):
    arguments = (
        *("--dataset=procedural_objects", "--train_limit=300", "--model=cmsisnet"),
        *("--width=0.25", "--epochs=1", "--qat_epochs=1", "--batch_size=32"),
        *("--calibration_images=64", "--verification_images=256"),
        *("--consistency_tolerance=10", "--export=int8_of_graph"),
        f"--workdir={tmp_path}",
    )
    assert _run(*arguments) == 0
    results = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))
    rows = [row["network"] for row in results["accuracy"]]
    assert rows == ["float32", _FORMAT.ptq, _FORMAT.fake_quantized, _FORMAT.qat]
    assert (tmp_path / "export" / _FORMAT.name / "model.tflite").is_file()
    assert (tmp_path / _FORMAT.stage / "weights.npz").is_file()
    summary = (tmp_path / "summary.txt").read_text(encoding="utf-8")
    assert f"{_FORMAT.name}, on the same" in summary
    assert f"{_FORMAT.stage} training: epochs 1" in summary
    # Of its own targets only.
    assert {line.split()[0] for line in results["estimate"].splitlines()[1:]} == {
        "tflm"
    }

    capsys.readouterr()
    assert _run(*arguments) == 0
    assert "this run is complete" in capsys.readouterr().err
