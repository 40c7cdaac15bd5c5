"""Keras networks as full-integer `.tflite` files of int8, or of int16 beside it.

TensorFlow's converter makes those of float networks, with calibration images. Those
that were trained for the integers are written from their graph (`trained`).
"""

import contextlib
import dataclasses
import os
import warnings
from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

from export.tflite import output_order, tracing, trained
from tfpipeline import errors
from tfpipeline.compat import keras, tf
from tfpipeline.quantization import input_ranges
from tfpipeline.quantization.tflite import int8 as tflite_int8
from tfpipeline.targets.tflm import flatbuffer

MAX_MESSAGE_CHARACTERS = 300


@dataclasses.dataclass(frozen=True)
class _Format:
    """What the converter calls a number format."""

    name: str
    port: tf.DType
    operators: tf.lite.OpsSet


_OPERATORS = tf.lite.OpsSet
_INT8 = _Format("int8", tf.int8, _OPERATORS.TFLITE_BUILTINS_INT8)
_INT16 = _Format(
    "int16x8",
    tf.int16,
    _OPERATORS.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8,
)


def convert_qat(qat_model: keras.Model) -> bytes:
    """Converts a quantization-aware trained network with the ranges it learned.

    Args:
        qat_model: what `tfmot.quantization.keras.quantize_model` or
            `tflite_int8.prepare_qat` made, one input and one output.

    Returns:
        A `.tflite` of batch 1 with int8 input and output, int8 weights (per channel
        in convolutions) and int32 biases.

    Raises:
        ExportError: a layer has no such form, or stays in float; names it.
    """
    model = trained.convert(qat_model)
    flatbuffer.require_integer(model, ["int8"])
    return model


def convert_ptq(
    float_model: keras.Model,
    calibration_images: npt.NDArray[np.float32],
    input_range: input_ranges.InputRange = input_ranges.SIGNED,
    *,
    activation_bits: int = 8,
) -> bytes:
    """Converts a float network, with the ranges seen on calibration images.

    Args:
        float_model: a Keras network of one input; outputs keep their order.
        calibration_images: float32 `[N, H, W, C]` of the training split, as the
            network reads them.
        input_range: of the network's input; gives its exact int8 scale.
        activation_bits: 8, or 16, whose conversion TensorFlow calls experimental.

    Returns:
        A `.tflite` as `convert_qat` makes it, or the same with int16 for int8 in
        activations, and int64 biases.

    Raises:
        ExportError: as `convert_qat`, or the images do not fit the network.
    """
    wanted = tuple(float_model.input_shape[1:])
    if len(calibration_images) == 0 or calibration_images.shape[1:] != wanted:
        raise errors.ExportError(
            f"calibration images must be (N >= 1, {', '.join(map(str, wanted))}); "
            f"found {calibration_images.shape}"
        )
    return _convert(
        float_model,
        _INT8 if activation_bits == 8 else _INT16,
        tflite_int8.representative_dataset(
            calibration_images.astype(np.float32, copy=False), input_range
        ),
    )


def _convert(
    model: keras.Model,
    number_format: _Format,
    representative_dataset: Callable[[], Iterator[list[np.ndarray]]],
) -> bytes:
    converter = tracing.converter(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.inference_input_type = number_format.port
    converter.inference_output_type = number_format.port
    converter.representative_dataset = representative_dataset
    converter.target_spec.supported_ops = [number_format.operators]
    try:
        with _quiet():
            flat = bytes(converter.convert())
    except Exception as error:  # ConverterError derives from Exception itself.
        raise errors.ExportError(
            f"'{model.name}' does not convert to {number_format.name} TFLite: "
            f"{_summary(error)}"
        ) from error
    flat = output_order.restored(flat, len(model.outputs), model.name)
    flatbuffer.require_integer(flat, [number_format.port.name])
    return flat


def _summary(error: Exception) -> str:
    """The lines of a converter's message that name an operator, or its first line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    named = [line for line in lines if "error:" in line]
    return (named or lines or [type(error).__name__])[0][:MAX_MESSAGE_CHARACTERS]


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Hides the progress that the converter's C++ writes to stderr, and its warnings.

    Among them is "Statistics for quantized inputs were expected, but not specified",
    which does not apply: the ranges come from the images.
    """
    saved = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(nowhere)
