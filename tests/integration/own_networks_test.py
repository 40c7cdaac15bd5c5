"""Networks of one's own through the drivers: from a file or function to int8."""

import json

import numpy as np
import pytest

from tests import programs
from tests.readers import keras_networks
from tfpipeline import entry, estimate, train
from tfpipeline.compat import keras
from tfpipeline.quantization import storage

L = keras.layers
_TINY = (
    "--dataset=procedural_objects",
    "--train_limit=300",
    "--batch_size=32",
    "--calibration_images=32",
    "--verification_images=256",
    "--consistency_tolerance=5",
)
_SOURCE = """
from tensorflow import keras


def small(input_shape, num_classes, width=4):
    inputs = keras.Input(input_shape)
    x = keras.layers.Conv2D(width, 3, strides=2, activation="relu")(inputs)
    x = keras.layers.GlobalAveragePooling2D()(x)
    x = keras.layers.Dense(num_classes, activation="softmax")(x)
    return keras.Model(inputs, x)
"""


def _train(*arguments: object) -> int:
    with pytest.raises(SystemExit) as stopped:
        entry.start(
            train.main, "train", train.Command(), ["train", *map(str, arguments)]
        )
    return stopped.value.code


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "nets.py"
    path.write_text(_SOURCE, encoding="utf-8")
    return path


@pytest.mark.slow
def test_a_function_trains_resumes_and_must_not_change(tmp_path, source, capsys):
    folder = tmp_path / "run"
    arguments = [
        *(*_TINY, f"--model={source}:small", "--model_options=width=6"),
        *("--epochs=1", "--quantization=ptq", f"--workdir={folder}"),
    ]
    assert _train(*arguments) == 0
    flags = json.loads((folder / "run.json").read_text(encoding="utf-8"))["flags"]
    assert flags["model"] == "nets.py:small"
    assert flags["model_options"] == ["width=6"]
    assert len(flags["model_sha256"]) == 64
    assert (folder / "export" / "int8" / "model.tflite").exists()
    trained = storage.load(folder / "float")
    assert trained.layers[1].filters == 6
    # The function that it ends with is its own, and stays.
    assert trained.layers[-1].activation is keras.activations.softmax
    assert "nets.py:small on procedural_objects" in capsys.readouterr().out

    # The same function from elsewhere is the same run.
    moved = tmp_path / "moved"
    moved.mkdir()
    source.rename(moved / source.name)
    arguments[len(_TINY)] = f"--model={moved / source.name}:small"
    assert _train(*arguments) == 0
    assert "this run is complete" in capsys.readouterr().err
    with (moved / source.name).open("a", encoding="utf-8") as stream:
        stream.write("# Changed.\n")
    assert _train(*arguments) == 2
    assert "holds another run: the file of --model has changed (SHA-256 " in (
        capsys.readouterr().err
    )


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["int8", "max78000", "gap8"])
def test_a_file_as_it_is_goes_to_integers(tmp_path, scheme, capsys):
    block = keras.Sequential(
        [L.Conv2D(8, 3, padding="same", use_bias=False), L.BatchNormalization()]
    )
    image = L.Input((32, 32, 3))
    x = L.MaxPooling2D(4)(L.ReLU()(block(image)))
    x = L.Dense(10, activation="softmax")(L.Flatten()(x))
    model = keras_networks.randomized(keras.Model(image, x))
    path = tmp_path / "my net-1.keras"
    model.save(path)
    folder = tmp_path / "run"
    arguments = [*_TINY, f"--model={path}", "--epochs=0", f"--workdir={folder}"]
    if scheme != "int8":
        arguments.append(f"--scheme={scheme}")
    assert _train(*arguments, "--qat_epochs=1") == 0
    out = capsys.readouterr().out
    assert "float training: none, the network as it was given" in out
    kept = storage.load(folder / "float")
    for one, other in zip(kept.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    if scheme == "max78000":
        text = (folder / "export" / "max78000" / "network.yaml").read_text("utf-8")
        assert "arch: my_net_1" in text


_SMALL = "--model=nets.py:small"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([_SMALL, "--width=2"], "--width goes with networks by their names only"),
        ([_SMALL, "--dropout=0.1"], "--dropout goes with networks by their names"),
        (["--model_options=a=1"], "--model_options goes with --model=file.py:function"),
        ([_SMALL, "--model_options=a"], "must be like alpha=0.25,depth=2; found 'a'"),
        (["--epochs=0"], "which needs one that has weights: --model=FILE.keras"),
        ([_SMALL, "--epochs=0", "--start=fresh"], "which needs one that has weights"),
        (["--model=net.tflite"], "holds operators but no layers: estimate and export"),
        (["--model=none.keras"], "no network and no file is called 'none.keras'"),
    ],
)
def test_usage(arguments, message, source, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.tflite").write_bytes(b"")
    assert _train(*arguments, f"--workdir={tmp_path / 'run'}") == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_functions_are_estimated(source, capsys):
    with pytest.raises(SystemExit) as stopped:
        entry.start(
            estimate.main,
            "estimate",
            estimate.Command(),
            [
                *("estimate", f"--model={source}:small", "--target=stm32f746"),
                "--model_options=input_shape=16x12x1,num_classes=3,width=5",
            ],
        )
    assert stopped.value.code == 0
    out = capsys.readouterr().out
    # 7x5 positions, 9 weights, 5 channels; 5 x 3.
    assert f"{7 * 5 * 9 * 5 + 15:,}" in out


def test_programs_tell_the_forms():
    for name in ("train", "estimate", "plan", "layer_error"):
        text = programs.run(f"tfpipeline.{name}", "--help").stdout
        assert "file.py:function or package.module:function" in " ".join(text.split())
