"""The verification of an int16x8 network, and its limits before training."""

import pathlib

import numpy as np
import pytest

from export.tflite import limits, verify
from tests import graph_builder
from tfpipeline import errors
from tfpipeline.targets.tflm import flatbuffer, interpreter, reference
from tfpipeline.tasks import kind

GOLDEN = pathlib.Path(__file__).parents[1] / "golden" / "tflite_int16"
MODEL = (GOLDEN / "depthwise.tflite").read_bytes()
COUNT = 260


@pytest.fixture(scope="module")
def data():
    """Images, TFLite Micro's outputs and those as real numbers."""
    shape = (COUNT, *flatbuffer.read(MODEL).input.shape[1:])
    pixels = np.random.default_rng(9).integers(0, 256, shape)
    images = ((pixels - 128) / 128).astype(np.float32)
    outputs = interpreter.predict(MODEL, reference.quantize_input(MODEL, images))
    return images, outputs, outputs * flatbuffer.read(MODEL).output.scales[0]


def _verify(data, outputs, logits):
    images, micro, _ = data
    return verify.verify(
        MODEL,
        images,
        kind.Examples(np.argmax(micro, axis=1)),
        fake_quant_logits=logits,
        outputs=outputs,
        micro_images=256,
    )


def test_our_execution_stands_for_the_whole_split(data):
    _, _, logits = data
    found = _verify(data, None, logits * 1.0001)
    assert found.all_images.simulated == found.same_images.tflite_micro == 1.0
    assert found.all_images.tflite_fast is None
    # Everything is one part in 10,001 off.
    expected = np.mean((0.0001 * logits) ** 2) / np.var(1.0001 * logits)
    assert found.logits_nmse == pytest.approx(expected, rel=0.05)
    # Of at most 32,767 steps.
    assert 2 < found.fake_quantized.largest < 3.3
    assert (found.input.dtype, found.arena.is_smallest) == ("int16", True)


def test_outputs_that_micro_does_not_have_are_a_defect(data):
    _, micro, logits = data
    wrong = micro.copy()
    wrong[0, 0] += 1
    with pytest.raises(errors.VerificationError, match=r"differs .* 1 of 256 images"):
        _verify(data, wrong, logits)


def _odd():
    builder = graph_builder.Builder((8, 8, 3))
    builder.space_to_depth(2)
    builder.conv(4)
    builder.activation("hard_swish")
    builder.mean()
    builder.dense(3)
    return builder.build()


def test_all_operators_that_micro_lacks_are_named_before_training():
    with pytest.raises(errors.ExportError) as caught:
        limits.require_runnable(_odd(), "int16")
    for part in ("SpaceToDepth", "int8 only", "hard_swish of int16"):
        assert part in str(caught.value)


def test_the_same_network_runs_in_int8():
    limits.require_runnable(_odd(), "int8")
