"""The range of a network's input in every scheme, and images that lie in it."""

import dataclasses

import numpy as np

from tfpipeline import errors
from tfpipeline.compat import keras
from tfpipeline.keras_networks import topology


@dataclasses.dataclass(frozen=True)
class InputRange:
    """The real values that the int8 ends -128 and 127 of the network's input stand for.

    Attributes:
        minimum: of -128.
        maximum: of 127.
    """

    minimum: float
    maximum: float


# Pixels 0..255 as (pixel - 128) / 128: scale 1/128, zero point 0.
SIGNED = InputRange(-1.0, 127 / 128)
# Pixels 0..255 as pixel / 256: scale 1/256, zero point -128.
UNSIGNED = InputRange(0.0, 255 / 256)


def require_signed(input_range: InputRange) -> None:
    """Checks inputs for a target whose input has steps of 1/128, the MAX78000.

    Raises:
        UsageError: they lie outside [-1, 127/128].
    """
    if input_range.minimum < SIGNED.minimum or input_range.maximum > SIGNED.maximum:
        raise errors.UsageError(
            "the MAX78000 takes inputs in [-1, 127/128]; these lie in "
            f"[{input_range.minimum:g}, {input_range.maximum:g}]: scale the data, or "
            "of pixels leave --nonormalize and --input_range out"
        )


def check_calibration_images(
    model: keras.Model, images: np.ndarray, input_range: InputRange = SIGNED
) -> np.ndarray:
    """Returns `images` if they fit the input of `model`.

    Raises:
        QuantizationError: another dtype, rank or shape, no image, or values outside
            `input_range`.
    """
    model = topology.require_functional(model)
    expected = tuple(model.inputs[0].shape[1:])
    if len(model.inputs) != 1:
        raise errors.QuantizationError(
            f"model {model.name!r} has {len(model.inputs)} inputs; "
            "quantization supports exactly one."
        )
    images = np.asarray(images)
    if images.dtype != np.float32 or images.shape[1:] != expected or not len(images):
        raise errors.QuantizationError(
            f"calibration images must be float32 [N, {', '.join(map(str, expected))}] "
            f"with N > 0. Received: {images.dtype} {list(images.shape)}."
        )
    low, high = float(images.min()), float(images.max())
    if not (low >= input_range.minimum and high <= input_range.maximum):
        raise errors.QuantizationError(
            f"calibration images must lie in [{input_range.minimum:g}, "
            f"{input_range.maximum:g}] (pixels as the network reads them). "
            f"Received: [{low:g}, {high:g}]."
        )
    return images
