"""A trained run as int16x8 `.tflite`: 16-bit activations beside 8-bit weights."""

from export.tflite import limits
from tfpipeline.deploy import choices as choices_lib
from tfpipeline.deploy import tflite
from tfpipeline.ir import graph
from tfpipeline.quantization.tflite import int16x8 as tflite_int16x8
from tfpipeline.quantization.tflite import ranges
from tfpipeline.training import scheme


def _check(g: graph.Graph, choices: choices_lib.Choices) -> None:
    """Raises ExportError: all layers that TFLite Micro has no operator for."""
    del choices
    limits.require_runnable(g, "int16")


def _training(choices: choices_lib.Choices) -> scheme.Scheme:
    input_range = choices.input_range
    return scheme.Scheme(
        prepare=lambda model, images: tflite_int16x8.prepare_qat(
            model, images, input_range
        ),
        build=lambda model: tflite_int16x8.build(model, input_range),
        after_epoch=ranges.set_from_weights,
    )


DEPLOYMENT = tflite.deployment_of(
    "int16x8",
    tflite.after_training_of("int16x8"),
    check=_check,
    training=_training,
)
