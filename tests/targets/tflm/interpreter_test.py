"""The interpreters: TFLite Micro against TFLite's reference and fast kernels."""

import pathlib

import numpy as np
import pytest

from tfpipeline import errors
from tfpipeline.targets.tflm import flatbuffer, interpreter, reference

GOLDEN = pathlib.Path(__file__).parents[2] / "golden" / "tflite_int8"


def golden(name: str) -> bytes:
    return (GOLDEN / f"{name}.tflite").read_bytes()


def images(count: int) -> np.ndarray:
    return np.random.default_rng(5).integers(-128, 128, (count, 8, 8, 3), np.int8)


def test_without_fully_connected_the_reference_is_equal():
    model = golden("concat_qat")
    micro = interpreter.predict(model, images(65))
    exact = reference.predict(model, images(65), kernels="reference")

    np.testing.assert_array_equal(micro, exact)
    assert micro.dtype == np.int8
    assert micro.std() > 1


def test_result_does_not_depend_on_the_processes():
    model = golden("residual_qat")
    one = interpreter.predict(model, images(7), processes=1)
    np.testing.assert_array_equal(one, interpreter.predict(model, images(7)))
    np.testing.assert_array_equal(
        reference.predict(model, images(7), processes=1),
        reference.predict(model, images(7), processes=3),
    )


def test_fast_kernels_stay_within_one_step_an_operator():
    model = golden("plain_qat")
    micro = interpreter.predict(model, images(64)).astype(int)
    fast = reference.predict(model, images(64)).astype(int)
    # XNNPACK rounds each operator's result in float. One LSB of the first dense
    # layer's inputs and of its own result moves the output by a few steps at most.
    assert np.abs(micro - fast).max() <= 3


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((1, 8, 8, 3), np.uint8),
        np.zeros((1, 8, 8), np.int8),
        np.zeros((1, 9, 8, 3), np.int8),
        np.zeros((0, 8, 8, 3), np.int8),
    ],
    ids=["dtype", "rank", "height", "none"],
)
def test_images_that_do_not_fit_are_refused(wrong):
    for predict in (interpreter.predict, reference.predict):
        with pytest.raises(errors.UsageError, match=r"int8 of shape \(N, 8, 8, 3\)"):
            predict(golden("plain_qat"), wrong)


def test_unknown_kernels_and_processes_name_the_choices():
    with pytest.raises(errors.UsageError, match="fast, reference; found 'exact'"):
        reference.predict(golden("plain_qat"), images(1), kernels="exact")
    with pytest.raises(errors.UsageError, match="processes must be at least 1"):
        interpreter.predict(golden("plain_qat"), images(1), processes=0)


def test_quantize_input_rounds_ties_away_from_zero_and_clips():
    model = golden("plain_qat")
    tensor = flatbuffer.read(model).input
    scale, zero_point = np.float32(tensor.scales[0]), tensor.zero_points[0]
    steps = np.array([0.0, 0.49, 0.5, -0.5, 1.5, -1.5, 7.0, 1e4, -1e4], np.float32)
    expected = np.array([0, 0, 1, -1, 2, -2, 7, 1e4, -1e4]) + zero_point
    batch = np.zeros((1, 8, 8, 3), np.float32)
    batch.flat[: len(steps)] = steps * scale

    quantized = reference.quantize_input(model, batch)

    assert quantized.dtype == np.int8
    np.testing.assert_array_equal(
        quantized.flat[: len(steps)], np.clip(expected, -128, 127)
    )


def test_quantize_input_recovers_the_pixels():
    # The network's input grid is the pixels' own: (pixel - 128) / 128, scale 1/128.
    def on_the_grid(name: str) -> bool:
        tensor = flatbuffer.read(golden(name)).input
        return tensor.scales == (1 / 128,) and tensor.zero_points == (0,)

    assert on_the_grid("plain_ptq")
    pixels = np.arange(300 * 192).reshape(300, 8, 8, 3) % 256
    batch = ((pixels - 128) / 128).astype(np.float32)
    np.testing.assert_array_equal(
        reference.quantize_input(golden("plain_ptq"), batch), pixels - 128
    )


def test_quantize_input_refuses_pixels():
    with pytest.raises(errors.UsageError, match="found uint8"):
        reference.quantize_input(golden("plain_qat"), np.zeros((1, 8, 8, 3), np.uint8))
