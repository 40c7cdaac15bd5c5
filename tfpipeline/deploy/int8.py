"""A trained run as int8 `.tflite`."""

from export.tflite import int8
from tfpipeline.deploy import choices as choices_lib
from tfpipeline.deploy import job as jobs
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


def _convert_ptq(job: jobs.Job) -> bytes:
    return int8.convert_ptq(
        job.trained.model,
        job.calibration,
        job.choices.input_range,
    )


DEPLOYMENT = tflite.deployment_of(
    "int8",
    _convert_ptq,
    check=None,
    training=_training,
)
