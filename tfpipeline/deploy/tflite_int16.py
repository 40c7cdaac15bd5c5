"""A trained run as int16x8 `.tflite`: 16-bit activations beside 8-bit weights."""

from typing import Any

from export.tflite import from_graph, int8, limits
from tfpipeline import flags as flags_lib
from tfpipeline.compat import keras
from tfpipeline.data import splits
from tfpipeline.deploy import job as jobs
from tfpipeline.deploy import tflite
from tfpipeline.ir import from_tflite, graph
from tfpipeline.quantization import input_ranges
from tfpipeline.readers import from_keras
from tfpipeline.report import summary
from tfpipeline.targets.tflm import flatbuffer
from tfpipeline.training import stages

FORMAT = "int16x8"

# TFLite Micro has it for int8 and float only: tensorflow/lite/micro/kernels/reduce.cc.
_LACKING = "REDUCE_MAX"


def deploy(job: jobs.Job, results: dict[str, Any]) -> graph.Graph:
    """As `tflite.deploy`, in this number format."""
    return tflite.deploy_format(job, results, _FORMAT)


def require_runnable(config: flags_lib.RunConfig, dataset: splits.Dataset) -> None:
    """Checks, before any training, that TFLite Micro can run the network.

    Raises:
        ExportError: all layers that it has no operator for.
    """
    g = from_keras.read(stages.build(config, dataset, "float32"), name=config.model)
    limits.require_runnable(g, "int16")


def _convert_ptq(job: jobs.Job) -> bytes:
    model = int8.convert_ptq(
        job.trained.model,
        job.calibration,
        input_ranges.of_pixels(job.config.normalize),
        FORMAT,
    )
    if any(each.name == _LACKING for each in flatbuffer.read(model).operators):
        # A global maximum as the pool that it is, with the same integers.
        return from_graph.to_bytes(from_tflite.read(model, name=job.config.model))
    return model


def _convert_qat(model: keras.Model, name: str) -> bytes:
    # The graph's scales are the ranges that training found, and so are the file's.
    return from_graph.to_bytes(from_keras.read(model, name=name))


_FORMAT = tflite.Format(
    name=FORMAT,
    rows=summary.INT16_ROWS,
    convert_ptq=_convert_ptq,
    convert_qat=_convert_qat,
)
