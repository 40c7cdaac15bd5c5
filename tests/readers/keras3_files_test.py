"""Files of Keras 3 become networks of tf_keras that compute the same, or one line."""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import zipfile

import numpy as np
import pytest

from tfpipeline import errors
from tfpipeline.compat import keras
from tfpipeline.keras_networks import same_function
from tfpipeline.readers import from_keras, keras3_files, keras_files

_ROOT = pathlib.Path(__file__).resolve().parents[2]
# As `keras3_networks` writes them, which cannot be imported here.
_FILES = (
    *("convolutions.keras", "convolutions.h5", "sequences.keras", "augmented.keras"),
    *("without_an_input.keras", "graph.keras"),
)
# What tests read that do not go through them.
_READ = ("convolutions.keras", "without_an_input.keras", "graph.keras")


@pytest.fixture(scope="session")
def folder(request, tmp_path_factory):
    """Files of Keras 3 that the asked tests read, and the replies of the child process.

    One process writes all.
    """
    calls = [getattr(item, "callspec", None) for item in request.session.items]
    asked = {call.params.get("file") for call in calls if call is not None}
    files = [name for name in _FILES if name in asked or name in _READ]
    path = tmp_path_factory.mktemp("keras3")
    environment = {k: v for k, v in os.environ.items() if k != "TF_USE_LEGACY_KERAS"}
    subprocess.run(
        [sys.executable, "-m", "tests.readers.keras3_networks", str(path), *files],
        cwd=_ROOT,
        env={**environment, "TF_CPP_MIN_LOG_LEVEL": "3"},
        check=True,
        capture_output=True,
    )
    return path


@pytest.fixture
def replies(folder, monkeypatch):
    """Puts the replies that are there in the place of the child process."""

    def answer(file):
        place = folder / file.replace(".", "_")
        monkeypatch.setattr(
            keras3_files,
            "_run",
            lambda scratch, command: shutil.copytree(
                place, scratch, dirs_exist_ok=True
            ),
        )

    return answer


@pytest.mark.default_cases(2)
@pytest.mark.parametrize("file", _FILES)
def test_networks_compute_the_same(folder, replies, file):
    replies(file)
    model, [note] = keras_files.read(folder / file)
    assert isinstance(model, keras.Model)
    assert note.startswith("carried over from Keras 3.")
    with np.load(folder / file.replace(".", "_") / "trials.npz") as trials:
        inputs = [trials[name] for name in trials.files if name.startswith("input")]
        expected = [trials[name] for name in trials.files if name.startswith("output")]
    assert len(inputs[0]) == same_function.TRIALS
    # Layers that augment do so unless they are told otherwise.
    outputs = model(inputs if len(inputs) > 1 else inputs[0], training=False)
    outputs = outputs if isinstance(outputs, list) else [outputs]
    for one, other in zip(outputs, expected, strict=True):
        assert other.std() > 1e-3
        # Float32 in another order, of outputs below 100.
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def test_operations_become_layers_where_there_are(folder, replies):
    replies("graph.keras")
    model = keras_files.load(folder / "graph.keras")
    kinds = {layer.name: type(layer).__name__ for layer in model.layers}
    assert {"Add", "ReLU", "Subtract", "Maximum", "Concatenate", "Reshape"} <= {
        *kinds.values()
    }
    assert "GlobalAveragePooling2D" in kinds.values()
    # The shared layer and the nested network are there once.
    assert [tuple(x.shape) for x in model.weights if x.shape.rank == 4] == [
        (3, 3, 3, 3),
        (1, 1, 3, 3),
    ]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "attention",
            r"'multi_head_attention': 'MultiHeadAttention' of 'keras.layers'",
        ),
        (
            "hard_gates",
            r"\(LSTM\) has the activation 'hard_sigmoid', which tf_keras",
        ),
        ("lambda", r"\(Lambda\): not supported; write the function as Keras layers"),
        ("unbuilt", "'unbuilt' has no input shape: begin it with keras.Input"),
    ],
)
def test_what_cannot_be_carried_over_is_named(folder, monkeypatch, name, message):
    # Before anything of the file is run.
    monkeypatch.delattr(keras3_files, "_run")
    with pytest.raises(errors.GraphError, match=message) as caught:
        keras_files.load(folder / f"{name}.keras")
    assert f"{name}.keras: " in str(caught.value)
    assert len(str(caught.value)) - len(str(folder)) < errors.MAX_LINE_CHARACTERS


def _with_description(source, path, change):
    """A copy of a file whose description is another one."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            if name == "config.json":
                description = json.loads(data)
                change(description)
                data = json.dumps(description).encode()
            new.writestr(name, data)
    return path


def _layer(description, kind):
    return next(x for x in description["config"]["layers"] if x["class_name"] == kind)


def _another_module(description):
    _layer(description, "Dense")["module"] = "os"


def _another_class(description):
    _layer(description, "Dense")["class_name"] = "TFSMLayer"


def _activation(description):
    _layer(description, "Dense")["config"]["activation"] = {
        "module": "os",
        "class_name": "function",
        "config": "system",
        "registered_name": "function",
    }


def _lambda(description):
    _layer(description, "Dense")["config"]["activation"] = {
        "class_name": "__lambda__",
        "config": {"value": "4wAAAA=="},
    }


def _registered(description):
    _layer(description, "Dense")["config"]["kernel_initializer"]["module"] = "builtins"


def _unknown_key(description):
    _layer(description, "Dense")["fn"] = "x"


def _a_module_alone(description):
    _layer(description, "Dense")["config"]["units"] = {"module": "os", "name": "x"}


def _huge(description):
    _layer(description, "Dense")["config"]["units"] = 1 << 40


@pytest.mark.parametrize(
    "change",
    [
        *(_another_module, _another_class, _activation, _lambda, _registered),
        *(_unknown_key, _a_module_alone, _huge),
    ],
)
def test_descriptions_that_name_anything_else_are_never_run(
    folder, monkeypatch, tmp_path, change
):
    monkeypatch.delattr(keras3_files, "_run")
    source = folder / "without_an_input.keras"
    path = _with_description(source, tmp_path / "hostile.keras", change)
    with pytest.raises(errors.GraphError) as caught:
        keras_files.load(path)
    assert "\n" not in str(caught.value)


def test_a_network_that_computes_something_else_is_refused(folder, replies, tmp_path):
    def change(description):
        _layer(description, "Dense")["config"]["activation"] = "sigmoid"

    replies("without_an_input.keras")
    source = folder / "without_an_input.keras"
    path = _with_description(source, tmp_path / "other.keras", change)
    with pytest.raises(errors.GraphError, match="computes something else: outputs"):
        keras_files.load(path)


def test_weights_of_another_network_are_refused(folder, replies, tmp_path):
    def change(description):
        _layer(description, "Dense")["config"]["units"] = 3

    replies("without_an_input.keras")
    source = folder / "without_an_input.keras"
    path = _with_description(source, tmp_path / "other.keras", change)
    with pytest.raises(errors.GraphError, match=r"'dense\w*' cannot be carried over"):
        keras_files.load(path)


@pytest.mark.slow
def test_the_child_process_itself(folder):
    model, [note] = keras_files.read(folder / "without_an_input.keras")
    assert "on 16 random inputs outputs differ by at most" in note
    g = from_keras.read(model)
    assert g.layers[0].kind == "Conv2D"


@pytest.mark.slow
def test_weights_that_keras_3_cannot_read(folder, tmp_path):
    path = tmp_path / "mixed.keras"
    with (
        zipfile.ZipFile(folder / "without_an_input.keras") as one,
        zipfile.ZipFile(folder / "convolutions.keras") as other,
        zipfile.ZipFile(path, "w") as mixed,
    ):
        for name in ("metadata.json", "config.json"):
            mixed.writestr(name, one.read(name))
        mixed.writestr("model.weights.h5", other.read("model.weights.h5"))
    with pytest.raises(errors.DamagedFileError, match="Keras 3 cannot read it: "):
        keras_files.load(path)
