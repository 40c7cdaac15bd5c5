"""A trained run as int8 `.tflite`."""

from tfpipeline.deploy import choices as choices_lib
from tfpipeline.deploy import tflite
from tfpipeline.quantization.tflite import int8 as tflite_int8
from tfpipeline.quantization.tflite import ranges
from tfpipeline.training import scheme


def _training(choices: choices_lib.Choices) -> scheme.Scheme:
    input_range = choices.input_range
    return scheme.Scheme(
        prepare=lambda model, images: tflite_int8.prepare_qat(
            model, images, input_range
        ),
        build=lambda model: tflite_int8.build(model, input_range),
        # tfmot sets weight ranges while it trains, so they lag a step behind.
        after_epoch=ranges.set_from_weights,
    )


DEPLOYMENT = tflite.deployment_of(
    "int8",
    tflite.after_training_of("int8"),
    check=None,
    training=_training,
)
