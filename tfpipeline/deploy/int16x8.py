"""A trained run as int16x8 `.tflite`: 16-bit activations beside 8-bit weights."""

from export.tflite import from_graph, int8, limits
from tfpipeline.deploy import choices as choices_lib
from tfpipeline.deploy import job as jobs
from tfpipeline.deploy import tflite
from tfpipeline.ir import from_tflite, global_pools, graph
from tfpipeline.quantization.tflite import int16x8 as tflite_int16x8
from tfpipeline.quantization.tflite import ranges
from tfpipeline.targets.tflm import flatbuffer
from tfpipeline.training import scheme

# TFLite Micro has it for int8 and float only: tensorflow/lite/micro/kernels/reduce.cc.
_LACKING = "REDUCE_MAX"


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


def _convert_ptq(job: jobs.Job) -> bytes:
    model = int8.convert_ptq(
        job.trained.model,
        job.calibration,
        job.choices.input_range,
        activation_bits=16,
    )
    if any(each.name == _LACKING for each in flatbuffer.read(model).operators):
        # A global maximum as the pool that it is, with the same integers.
        g = from_tflite.read(model, name=job.network)
        return from_graph.to_bytes(global_pools.as_pools(g))
    return model


DEPLOYMENT = tflite.deployment_of(
    "int16x8",
    _convert_ptq,
    check=_check,
    training=_training,
)
