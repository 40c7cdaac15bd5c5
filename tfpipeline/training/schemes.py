"""What training needs of each number format, one shape for all."""

import dataclasses
import functools
from collections.abc import Callable

import numpy as np

from tfpipeline import errors
from tfpipeline import flags as flags_lib
from tfpipeline.compat import keras
from tfpipeline.quantization import input_ranges
from tfpipeline.quantization.gap8 import scheme as gap8
from tfpipeline.quantization.max78000 import scheme as max78000
from tfpipeline.quantization.tflite import int4 as tflite_int4
from tfpipeline.quantization.tflite import int8 as tflite_int8
from tfpipeline.quantization.tflite import int16x8 as tflite_int16x8
from tfpipeline.quantization.tflite import ranges
from tfpipeline.readers import from_keras
from tfpipeline.targets.gap8 import calibrate
from tfpipeline.targets.max78000 import policy as policies


@dataclasses.dataclass(frozen=True)
class Scheme:
    """Functions of a number format, with the run's choices filled in.

    Attributes:
        stage: name of its quantization-aware training.
        prepare: (folded model, calibration inputs) -> model for QAT.
        build: (folded model) -> the same structure, with weights as they come.
        after_epoch: applied to the model before it is evaluated.
        float_epochs: epochs of float training, where the scheme decides them.
    """

    stage: str
    prepare: Callable[[keras.Model, np.ndarray], keras.Model]
    build: Callable[[keras.Model], keras.Model]
    after_epoch: Callable[[keras.Model], None] | None = None
    float_epochs: int | None = None


def create(config: flags_lib.RunConfig, number_format: str) -> Scheme:
    """What the flags ask for, in one of `flags.SCHEMES`' number formats.

    Raises:
        UsageError: a policy that cannot be.
    """
    return _SCHEMES[number_format](config)


def float_epochs(config: flags_lib.RunConfig) -> int:
    """The most epochs of float training, by the flag or by what decides instead.

    Raises:
        UsageError: a policy that cannot be.
    """
    decided = [
        create(config, name).float_epochs for name in flags_lib.SCHEMES[config.scheme]
    ]
    return next(filter(None, decided), config.epochs)


def _int8(config: flags_lib.RunConfig) -> Scheme:
    input_range = input_ranges.of_pixels(config.normalize)
    return Scheme(
        stage="qat",
        prepare=lambda model, images: tflite_int8.prepare_qat(
            model, images, input_range
        ),
        build=lambda model: tflite_int8.build(model, input_range),
        # tfmot sets weight ranges while it trains, so they lag a step behind.
        after_epoch=ranges.set_from_weights,
    )


def _int16x8(config: flags_lib.RunConfig) -> Scheme:
    input_range = input_ranges.of_pixels(config.normalize)
    return Scheme(
        stage="qat_int16x8",
        prepare=lambda model, images: tflite_int16x8.prepare_qat(
            model, images, input_range
        ),
        build=tflite_int16x8.build,
        after_epoch=ranges.set_from_weights,
    )


def _int4(config: flags_lib.RunConfig) -> Scheme:
    input_range = input_ranges.of_pixels(config.normalize)
    return Scheme(
        stage="qat_int4",
        prepare=lambda model, images: tflite_int4.prepare_qat(
            model, images, input_range
        ),
        build=lambda model: tflite_int4.build(model, input_range),
        after_epoch=ranges.set_from_weights,
    )


def _max78000(config: flags_lib.RunConfig) -> Scheme:
    policy = max78000_policy(config)
    if policy.start_epoch == 0:
        raise errors.UsageError(
            "--quantization_policy has start_epoch 0; quantization starts from a "
            "trained float network, so it must be 1 or more"
        )
    scheme = max78000.Scheme(policy)
    return Scheme(
        stage="qat",
        prepare=lambda model, images: max78000.prepare_qat(model, images, scheme),
        build=lambda model: max78000.build(model, scheme),
        float_epochs=policy.start_epoch,
    )


def _gap8(config: flags_lib.RunConfig, stage: str, num_bits: int) -> Scheme:
    del config

    def prepare(model: keras.Model, images: np.ndarray) -> keras.Model:
        g = from_keras.read(model)
        magnitudes = calibrate.calibrate(g, images)
        return gap8.prepare_qat(model, g, magnitudes, num_bits=num_bits)

    return Scheme(
        stage=stage,
        prepare=prepare,
        build=lambda model: gap8.build(model, num_bits),
    )


def max78000_policy(config: flags_lib.RunConfig) -> policies.Policy:
    """Weight bits by layer, of the file or of --weight_bits.

    Raises:
        UsageError: the file is no policy.
    """
    if config.quantization_policy is None:
        return policies.Policy(weight_bits=config.weight_bits)
    try:
        return policies.parse(config.quantization_policy)
    except errors.UsageError as error:
        raise errors.UsageError(f"--quantization_policy: {error}") from error


_SCHEMES: dict[str, Callable[[flags_lib.RunConfig], Scheme]] = {
    "int8": _int8,
    "int16x8": _int16x8,
    "int4": _int4,
    "gap8": functools.partial(_gap8, stage="qat", num_bits=16),
    "gap8_8bit": functools.partial(_gap8, stage="qat_8bit", num_bits=8),
    "max78000": _max78000,
}
