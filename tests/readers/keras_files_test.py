"""Keras models in files: all formats, and one clear error for what is none."""

import json
import zipfile

import numpy as np
import pytest

from tests.golden import tiny_networks
from tests.readers import keras_networks
from tfpipeline import errors
from tfpipeline.compat import keras
from tfpipeline.ir import graph
from tfpipeline.quantization import storage
from tfpipeline.readers import from_keras

L = keras.layers

# Keras says that `.h5` is an old format.
pytestmark = pytest.mark.filterwarnings("ignore:You are saving your model:UserWarning")


@pytest.fixture(scope="module")
def model():
    return keras_networks.randomized(
        keras_networks.sequence(
            L.Conv2D(4, 3), L.BatchNormalization(), L.ReLU(), L.Flatten(), L.Dense(3)
        )
    )


@pytest.mark.parametrize("name", ["model.keras", "model.h5", "model.hdf5"])
def test_file_reads_as_the_model(model, tmp_path, name):
    path = tmp_path / name
    model.save(path)
    assert graph.equal(from_keras.read_file(path), from_keras.read(model))
    assert from_keras.read_file(path, name="other").name == "other"


@pytest.mark.slow
def test_folders_of_a_run_read_as_the_models(model, tmp_path):
    qat_model = tiny_networks.fake_quantized(tiny_networks.build(tiny_networks.plain))
    for stage in (model, qat_model):
        storage.save(stage, tmp_path / stage.name)
        found = from_keras.read_file(tmp_path / stage.name)
        assert graph.equal(found, from_keras.read(stage), names=False)


@pytest.mark.slow
def test_quantization_aware_hdf5_reads_as_the_model(tmp_path):
    qat_model = tiny_networks.fake_quantized(tiny_networks.build(tiny_networks.plain))
    qat_model.save(tmp_path / "qat.h5")
    found = from_keras.read_file(tmp_path / "qat.h5")
    assert graph.equal(found, from_keras.read(qat_model))


def error_of(path):
    with pytest.raises((errors.StorageError, errors.GraphError)) as caught:
        from_keras.read_file(path)
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    return message


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_damaged_files(model, tmp_path, suffix):
    whole = tmp_path / f"whole{suffix}"
    model.save(whole)
    data = whole.read_bytes()
    path = tmp_path / f"damaged{suffix}"
    for part in (data[:0], data[:100], data[: len(data) // 2], data[:-1000], b"text"):
        path.write_bytes(part)
        assert "cannot read" in error_of(path)


def test_flipped_bytes_never_raise_anything_else(model, tmp_path):
    rng = np.random.default_rng(0)
    for suffix in (".keras", ".h5"):
        path = tmp_path / f"model{suffix}"
        model.save(path)
        data = np.frombuffer(path.read_bytes(), np.uint8)
        for _ in range(15):
            flipped = data.copy()
            places = rng.integers(0, len(data), 20)
            flipped[places] = rng.integers(0, 256, 20)
            path.write_bytes(flipped.tobytes())
            try:
                from_keras.read_file(path)
            except (errors.StorageError, errors.GraphError) as error:
                assert "\n" not in str(error)


def test_absent_and_foreign_paths(tmp_path):
    assert "does not exist" in error_of(tmp_path / "none.keras")
    (tmp_path / "model.pb").write_bytes(b"")
    assert "supported are .keras, .h5" in error_of(tmp_path / "model.pb")
    assert "architecture.json" in error_of(tmp_path)


def test_weights_alone_are_no_network(model, tmp_path):
    model.save_weights(tmp_path / "weights.h5")
    assert "holds weights" in error_of(tmp_path / "weights.h5")


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_lambda_is_named_and_does_not_run(tmp_path, suffix):
    ran = []
    layer = L.Lambda(lambda x: ran.append(1) or x, name="own")
    path = tmp_path / f"model{suffix}"
    keras_networks.sequence(layer, L.Conv2D(1, 1)).save(path)
    ran.clear()
    assert "layer 'own' (Lambda): not supported" in error_of(path)
    assert not ran


@pytest.mark.slow
def test_a_file_that_only_says_keras_3_is_named(model, tmp_path):
    model.save(tmp_path / "model.keras")
    path = tmp_path / "newer.keras"
    with (
        zipfile.ZipFile(tmp_path / "model.keras") as source,
        zipfile.ZipFile(path, "w") as target,
    ):
        for name in source.namelist():
            data = source.read(name)
            if name == "metadata.json":
                data = json.dumps({"keras_version": "3.9.0"}).encode()
            target.writestr(name, data)
    assert "Keras 3 cannot read it" in error_of(path)


def test_unsupported_layer_in_a_file_names_both(tmp_path):
    path = tmp_path / "model.keras"
    keras_networks.sequence(L.LayerNormalization(name="up")).save(path)
    assert "layer 'up' (LayerNormalization)" in error_of(path)


def _mixed(path, change, weights):
    """A copy of a `.keras` file with another description or other weights."""
    copy = path.with_name("mixed.keras")
    with zipfile.ZipFile(path) as one, zipfile.ZipFile(copy, "w") as mixed:
        description = json.loads(one.read("config.json"))
        change(description["config"])
        mixed.writestr("metadata.json", one.read("metadata.json"))
        mixed.writestr("config.json", json.dumps(description))
        with zipfile.ZipFile(weights) as other:
            mixed.writestr("model.weights.h5", other.read("model.weights.h5"))
    return copy


def _network(path, *layers):
    image = x = L.Input((4, 4, 2))
    for layer in layers:
        x = layer(x)
    keras.Model(image, x, name="net").save(path)
    return path


def test_ends_that_are_not_described(tmp_path):
    path = _network(tmp_path / "net.keras", L.Flatten(), L.Dense(2, name="d"))
    for side in ("input", "output"):
        for ends, message in (
            (
                [["nope", 0, 0]],
                f"the {side} of network 'net' is layer 'nope', which is",
            ),
            ([], f"network 'net' has no {side}"),
        ):
            key, value = f"{side}_layers", ends

            def change(config, key=key, value=value):
                config[key] = value

            assert message in error_of(_mixed(path, change, path))


def test_weights_of_another_network(tmp_path):
    path = _network(tmp_path / "net.keras", L.Flatten(), L.Dense(2, name="d"))
    wider = _network(tmp_path / "wider.keras", L.Flatten(), L.Dense(3, name="d"))
    none = _network(tmp_path / "none.keras", L.Flatten())
    for weights, message in (
        (wider, "variable ' d/kernel:0': Shape mismatch"),
        (none, "Layer 'd' expected 2 variables, but received 0"),
    ):
        assert message in error_of(_mixed(path, lambda config: None, weights))
