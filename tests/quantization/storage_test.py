"""Networks survive the disk, and damage is noticed."""

import json

import numpy as np
import pytest

from tfpipeline import atomic_files, errors
from tfpipeline.keras_networks import topology
from tfpipeline.quantization import input_ranges, storage
from tfpipeline.quantization.tflite import int8 as tflite_int8
from tfpipeline.quantization.tflite import ranges


def _changed(model):
    """Moves every weight and range, as training would."""
    rng = np.random.default_rng(4)
    model.set_weights(
        [
            value + rng.uniform(0, 0.01, value.shape).astype(value.dtype)
            for value in model.get_weights()
        ]
    )


@pytest.mark.default_cases(1)
@pytest.mark.parametrize("name", ["plain", "residual", "branches"])
def test_a_quantized_network_comes_back_identical(name, prepared, images, tmp_path):
    model = prepared(name).qat
    before = model.get_weights()
    _changed(model)
    expected = model(images, training=False).numpy()
    storage.save(model, tmp_path)
    loaded = storage.load(tmp_path)
    model.set_weights(before)

    np.testing.assert_array_equal(loaded(images, training=False), expected)
    assert topology.to_dict(loaded) == topology.to_dict(model)
    assert len(ranges.find(loaded)) == len(ranges.find(model)) > 0


@pytest.mark.slow
def test_the_input_range_comes_back(prepared, tmp_path):
    model = tflite_int8.build(prepared("plain").folded, input_ranges.UNSIGNED)
    storage.save(model, tmp_path)
    found = tflite_int8.input_range_of(storage.load(tmp_path))
    assert found == input_ranges.UNSIGNED


@pytest.mark.slow
def test_a_float_network_comes_back_identical(prepared, images, tmp_path):
    model = prepared("residual").float_model
    storage.save(model, tmp_path)
    loaded = storage.load(tmp_path)
    np.testing.assert_array_equal(loaded(images), model(images))
    assert topology.to_dict(loaded) == topology.to_dict(model)


def test_the_same_network_gives_the_same_bytes(prepared, tmp_path):
    for folder in ("first", "second"):
        storage.save(prepared("pooled").qat, tmp_path / folder)
    for name in ("architecture.json", "weights.npz"):
        first, second = (tmp_path / f / name for f in ("first", "second"))
        assert first.read_bytes() == second.read_bytes()


@pytest.fixture
def saved(prepared, tmp_path):
    storage.save(prepared("pooled").float_model, tmp_path)
    return tmp_path


@pytest.mark.parametrize("kept", [0, 10, 1000])
def test_truncated_weights_are_noticed(saved, kept):
    path = saved / "weights.npz"
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(errors.StorageError, match=r"weights\.npz is not an \.npz"):
        storage.load(saved)


def test_absent_files_are_noticed(saved):
    (saved / "weights.npz").unlink()
    with pytest.raises(errors.StorageError, match=r"weights\.npz"):
        storage.load(saved)
    (saved / "architecture.json").unlink()
    with pytest.raises(errors.StorageError, match=r"architecture\.json"):
        storage.load(saved)


def test_weights_of_another_network_are_noticed(saved, prepared, tmp_path):
    other = tmp_path / "other"
    storage.save(prepared("plain").float_model, other)
    (other / "weights.npz").replace(saved / "weights.npz")
    with pytest.raises(errors.StorageError, match="do not belong together"):
        storage.load(saved)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scheme": "int3"}, "max78000, gap8. Received: 'int3'"),
        ({"architecture": {"config": {}}}, "does not describe a network"),
        ({"architecture": None}, "does not describe a network"),
    ],
)
def test_a_description_that_makes_no_sense_is_noticed(saved, change, message):
    path = saved / "architecture.json"
    atomic_files.write_json(path, json.loads(path.read_text()) | change)
    with pytest.raises(errors.StorageError) as caught:
        storage.load(saved)
    assert message in str(caught.value)
