"""A trained run as `.tflite` with kernels of 4 bits beside int8 activations."""

import logging
from typing import Any

from export.tflite import from_graph, limits
from tfpipeline import flags as flags_lib
from tfpipeline.compat import keras
from tfpipeline.data import splits
from tfpipeline.deploy import job as jobs
from tfpipeline.deploy import tflite
from tfpipeline.ir import graph
from tfpipeline.precision import formats, quantize, ranges
from tfpipeline.quantization import input_ranges
from tfpipeline.readers import from_keras
from tfpipeline.report import summary
from tfpipeline.training import stages

FORMAT = "int4"

_PRECISION = formats.named("wi4_ai8")
_LOG = logging.getLogger("tfpipeline.train")


def deploy(job: jobs.Job, results: dict[str, Any]) -> graph.Graph:
    """As `tflite.deploy`, in this number format; names the kernels that keep 8 bits."""
    g = tflite.deploy_format(job, results, _FORMAT)
    for layer in g.layers:
        if isinstance(layer, graph.Weighted) and g.tensors[layer.weights].num_bits > 4:
            _LOG.warning("%s: '%s' keeps 8 bits", FORMAT, layer.weights)
    return g


def require_runnable(config: flags_lib.RunConfig, dataset: splits.Dataset) -> None:
    """Checks, before any training, that TFLite Micro can run the network.

    Raises:
        ExportError: all layers that it has no operator for.
    """
    g = from_keras.read(stages.build(config, dataset, "float32"), name=config.model)
    limits.require_runnable(g, "int8")


def _convert_ptq(job: jobs.Job) -> bytes:
    # The converter has no kernels of 4 bits. Its rules for the rest are `quantize`'s.
    g = from_keras.read(job.trained.model, name=job.config.model)
    fixed = input_ranges.of_pixels(job.config.normalize)
    found = {
        **ranges.observe(g, job.calibration),
        g.inputs[0]: (fixed.minimum, fixed.maximum),
    }
    return from_graph.to_bytes(quantize.quantize(g, found, _PRECISION))


def _convert_qat(model: keras.Model, name: str) -> bytes:
    return from_graph.to_bytes(from_keras.read(model, name=name))


_FORMAT = tflite.Format(
    name=FORMAT,
    rows=summary.INT4_ROWS,
    convert_ptq=_convert_ptq,
    convert_qat=_convert_qat,
)
