"""The verification of an int8 network, on golden networks and without TensorFlow."""

import dataclasses
import errno
import json
import pathlib

import numpy as np
import pytest

from export.tflite import verify
from tests import folder_trees
from tfpipeline import disk, errors
from tfpipeline.cost import macs
from tfpipeline.ir import from_tflite
from tfpipeline.targets.tflm import flatbuffer, interpreter, reference
from tfpipeline.tasks import kind

GOLDEN = pathlib.Path(__file__).parents[1] / "golden" / "tflite_int8"
MODEL = (GOLDEN / "depthwise_qat.tflite").read_bytes()
COUNT = 300


@pytest.fixture(scope="module")
def data():
    """Images, and the real-valued outputs of TFLite Micro on them."""
    pixels = np.random.default_rng(9).integers(0, 256, (COUNT, 8, 8, 3))
    images = ((pixels - 128) / 128).astype(np.float32)
    outputs = interpreter.predict(MODEL, reference.quantize_input(MODEL, images))
    port = flatbuffer.read(MODEL).output
    logits = (outputs.astype(np.float32) - port.zero_points[0]) * port.scales[0]
    return images, logits


@pytest.fixture(scope="module")
def verification(data):
    images, logits = data
    # Labels as the network sees them, but for every tenth image.
    labels = np.argmax(logits, axis=1)
    labels[::10] = (labels[::10] + 1) % 10
    return verify.verify(
        MODEL,
        images,
        kind.Examples(labels),
        float_logits=-logits,
        fake_quant_logits=logits,
        micro_images=256,
    )


def test_accuracies_are_on_the_same_images(verification):
    assert verification.all_images.images == COUNT
    assert verification.all_images.fake_quantized == 0.9
    assert verification.same_images.images == 256
    # 26 of the 256 evenly spaced images have another label.
    relabeled = np.sum(np.arange(256) * COUNT // 256 % 10 == 0)
    assert verification.same_images.fake_quantized == 1 - relabeled / 256
    assert verification.same_images.tflite_micro == 1 - relabeled / 256
    assert verification.same_images.same_class_as_fake_quantized == 1.0
    # They are those of the file itself, in float32.
    assert verification.fake_quantized.images == 256
    assert verification.fake_quantized.largest < 1e-4
    assert verification.fake_quantized.largest_allowed == 4
    assert verification.fake_quantized.mean_allowed == 0.5
    assert verification.same_images.float_network < 0.5
    # One LSB on the logits may flip a near tie, and no more than that.
    assert abs(verification.same_images.tflite_reference - 0.9) < 0.02


def test_report_is_json_and_gives_its_reasons(verification):
    values = json.loads(json.dumps(verification.to_dict()))

    assert values["model_bytes"] == len(MODEL)
    assert values["operators"][-1] == "FULLY_CONNECTED"
    assert values["operator_agreement"][-1]["tolerance_lsb"] == 1
    assert values["operator_agreement"][0]["tolerance_lsb"] == 0
    assert values["operator_agreement"][0]["elements"] == 256 * 4 * 4 * 8
    assert "requantizes in float" in values["tolerance_reasons"]["operator_agreement"]
    assert "1 LSB" in values["tolerance_reasons"]["tolerance_points"]
    assert values["input"]["scale"] == flatbuffer.read(MODEL).input.scales[0]
    assert values["arena"]["is_smallest"] is True
    assert values["end_to_end"]["images"] == 256
    assert set(values["versions"]) == {"tflite-micro", "ai-edge-litert", "numpy"}


def test_disagreement_with_fake_quantization_gives_both_numbers(data):
    images, logits = data
    labels = np.argmax(logits, axis=1)
    wrong = logits.copy()
    # Six images lost: 2 %, where at most two images (or 0.5 points) may differ.
    wrong[np.arange(6), labels[:6]] -= 100
    with pytest.raises(
        errors.VerificationError,
        match=r"TFLite 100\.00 % \(300 of 300 .*fake-quantized 98\.00 % \(294\)",
    ):
        verify.verify(MODEL, images, kind.Examples(labels), fake_quant_logits=wrong)


def test_an_output_that_is_off_is_an_error_though_classes_agree(data):
    images, logits = (values[:24] for values in data)
    labels = np.argmax(logits, axis=1)
    wrong = logits.copy()
    # Of the last class, where no image is of it.
    last = int(np.argmin(logits.mean(axis=0)))
    wrong[:, last] -= 5 * flatbuffer.read(MODEL).output.scales[0]
    with pytest.raises(errors.VerificationError, match=r"up to 5\.0 steps .*5\.00 in"):
        verify.verify(MODEL, images, kind.Examples(labels), fake_quant_logits=wrong)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": np.zeros((4, 9, 8, 3), np.float32)}, "images must be"),
        ({"examples": kind.Examples(np.zeros(3, np.int64))}, "3 labels for 4 images"),
        ({"float_logits": np.zeros((5, 10))}, "5 float outputs for 4 images"),
        ({"fake_quant_logits": np.zeros((2, 10))}, "2 fake-quantized outputs"),
        ({"micro_images": 3}, "micro_images must be at least 4; found 3"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(change, message):
    arguments = {
        "images": np.zeros((4, 8, 8, 3), np.float32),
        "examples": kind.Examples(np.zeros(4, np.int64)),
    }
    with pytest.raises(errors.UsageError, match=message):
        verify.verify(MODEL, **{**arguments, **change})


def test_written_folder_holds_both_files(tmp_path, verification):
    verify.write(tmp_path / "int8", MODEL, verification)
    verify.write(tmp_path / "int8", MODEL, verification)

    names = folder_trees.ours(tmp_path / "int8")
    assert names == ["model.tflite", "verification.json"]
    assert (tmp_path / "int8" / "model.tflite").read_bytes() == MODEL
    stored = json.loads((tmp_path / "int8" / "verification.json").read_text())
    assert stored == json.loads(json.dumps(verification.to_dict()))


def test_failure_between_the_files_keeps_the_older_ones(
    tmp_path, verification, monkeypatch
):
    verify.write(tmp_path / "int8", MODEL, verification)
    newer = (GOLDEN / "plain_qat.tflite").read_bytes()
    other = dataclasses.replace(verification, model_sha256=verify.sha256(newer))

    write_new = disk.write_new

    def full_disk(path, data):
        if b"model_sha256" in data:
            raise OSError(errno.ENOSPC, "No space left on device")
        write_new(path, data)

    monkeypatch.setattr(disk, "write_new", full_disk)
    with pytest.raises(errors.StorageError, match="No space left"):
        verify.write(tmp_path / "int8", newer, other)
    assert (tmp_path / "int8" / "model.tflite").read_bytes() == MODEL
    assert folder_trees.ours(tmp_path / "int8") == ["model.tflite", "verification.json"]


def test_verification_of_another_model_is_refused(tmp_path, verification):
    with pytest.raises(errors.ExportError, match="another model"):
        verify.write(tmp_path / "int8", MODEL + b"\0", verification)
    assert list(tmp_path.iterdir()) == []


def test_a_large_network_is_inspected_on_fewer_images(monkeypatch):
    g = from_tflite.read(MODEL)
    products = sum(macs.layer_count(g, layer).macs for layer in g.layers)
    tried = []

    def compare(_, inputs, *__):
        tried.append(len(inputs[0]))
        raise errors.VerificationError("enough")

    monkeypatch.setattr(verify, "_compare", compare)
    for most in (10**12, 3 * products, products // 2):
        monkeypatch.setattr(verify, "INSPECTION_MACS", most)
        with pytest.raises(errors.VerificationError, match="enough"):
            verify.inspect(MODEL)
    assert tried == [16, 3, 1]
