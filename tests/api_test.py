"""The Python API: values as the commands print them, errors, no TensorFlow."""

import dataclasses
import json
import re
import subprocess
import sys

import numpy as np
import pytest

from tests import programs
from tests.readers import keras_networks
from tfpipeline import api, errors
from tfpipeline.compat import keras


@pytest.fixture(scope="module")
def model():
    image = keras.layers.Input((8, 8, 3))
    features = keras.layers.Conv2D(4, 3, activation="relu", name="conv")(image)
    scores = keras.layers.Dense(5)(keras.layers.Flatten()(features))
    return keras_networks.randomized(keras.Model(image, scores, name="small"))


@pytest.fixture(scope="module")
def inputs():
    return np.random.default_rng(0).uniform(-1, 0.99, (12, 8, 8, 3)).astype(np.float32)


def test_importing_it_needs_no_tensorflow():
    code = "import sys; from tfpipeline import api; print('tensorflow' in sys.modules)"
    done = subprocess.run(
        (sys.executable, "-c", code), cwd=programs.ROOT, capture_output=True, text=True
    )
    assert done.stdout == "False\n"


def test_an_estimate_is_that_of_the_command():
    found = api.estimate("cmsisnet", targets=("max78000", "tflm"))
    done = programs.run(
        "tfpipeline.estimate", "--model=cmsisnet", "--target=max78000,tflm",
        "--format=json",
    )  # fmt: skip
    assert found.to_dict() == json.loads(done.stdout)
    table = found.table()
    assert list(table["target"]) == ["max78000", "max78000", "tflm"]
    assert set(table["macs"]) == {16_820_224}
    assert "max78000" in found._repr_html_()
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.model = "other"


def test_what_does_not_fit_is_in_the_estimate(model):
    found = api.estimate("lffd_v1", targets="max78000")
    assert found.targets[0].violations
    assert not found.table()["fits"].any()
    fitting = api.estimate(model, targets="max78000", clock_mhz=100)
    assert list(fitting.table()["fits"]) == [True, True]


def test_a_keras_model_in_memory_is_exported_and_predicts(model, inputs, tmp_path):
    exported = api.export(
        model, targets=("int8", "c"), output=tmp_path / "out", calibration=inputs
    )
    table = exported.table()
    assert set(table["target"]) == {"int8", "c"}
    assert any(line.startswith("loss ") for line in exported.lines)
    assert (tmp_path / "out" / "c" / "small.c").is_file()
    floats = api.predict(model, inputs)
    # Sums in another order.
    np.testing.assert_allclose(floats, model.predict(inputs, verbose=0), rtol=1e-5)
    integers = api.predict(tmp_path / "out" / "int8" / "model.tflite", inputs)
    assert integers.shape == floats.shape
    assert np.abs(integers - floats).max() < 0.1 * np.abs(floats).max()


def test_an_evaluation_on_arrays_is_what_the_arrays_say(model, inputs):
    labels = np.arange(len(inputs)) % 5
    right = model.predict(inputs, verbose=0).argmax(axis=1) == labels
    data = {"x_train": inputs, "y_train": labels, "x_test": inputs, "y_test": labels}
    found = api.evaluate(model, data, forms=("float",), input_range="-1,1")
    assert found.forms["float"]["accuracy"] == right.mean()
    assert found.inputs == len(inputs)
    assert list(found.table()["form"]) == ["float"]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: api.train(epoch=3), "train takes no 'epoch' .did you mean epochs"),
        (lambda: api.train(epochs=-1), "--epochs must be 0 or more"),
        (lambda: api.train(epochs="many"), "epochs|train: a value of another type"),
        (lambda: api.estimate(3), "a network is what --model takes.*found int"),
        (lambda: api.estimate("absent"), "absent"),
        (lambda: api.load("absent"), "absent holds no complete run"),
        (lambda: api.export("a.keras", targets=("none",)), "none"),
    ],
)
def test_errors_are_one_line_of_a_user_error(call, words):
    with pytest.raises(errors.PipelineError, match=words) as caught:
        call()
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.slow
def test_a_run_is_trained_loaded_and_passed_on(tmp_path):
    run = api.train(
        dataset="procedural_objects", model="cmsisnet", width=0.25, train_limit=64,
        epochs=1, qat_epochs=1, batch_size=32, calibration_images=16,
        workdir=tmp_path / "run",
    )  # fmt: skip
    assert api.load(run.folder) == run
    assert run.summary.startswith("cmsisnet on procedural_objects")
    assert {"network", "test_accuracy"} <= set(run.table().columns)
    assert api.estimate(run, targets="gap8").model
    assert api.evaluate(run, limit=8, forms=("int8",)).inputs == 8


def test_the_page_runs_as_printed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    page = (programs.ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    # What trains takes a minute, and is a test of its own above.
    quick = [block for block in blocks if "api.train(" not in block]
    assert len(blocks) - len(quick) == 1
    names = {}
    for block in quick:
        exec(block, names)
    assert (tmp_path / "build" / "c" / "small.c").is_file()
