"""A trained run as `.tflite` with kernels of 4 bits beside int8 activations."""

import dataclasses
import logging

from export.tflite import limits
from tfpipeline import number_formats
from tfpipeline.deploy import choices as choices_lib
from tfpipeline.deploy import deployment, tflite
from tfpipeline.deploy import job as jobs
from tfpipeline.ir import graph
from tfpipeline.quantization.tflite import int4 as tflite_int4
from tfpipeline.quantization.tflite import ranges
from tfpipeline.training import scheme

_FORMAT = number_formats.named("int4")
_LOG = logging.getLogger("tfpipeline.train")


def _check(g: graph.Graph, choices: choices_lib.Choices) -> None:
    """Raises ExportError: all layers that TFLite Micro has no operator for."""
    del choices
    limits.require_runnable(g, "int8")


def _training(choices: choices_lib.Choices) -> scheme.Scheme:
    input_range = choices.input_range
    return scheme.Scheme(
        prepare=lambda model, images: tflite_int4.prepare_qat(
            model, images, input_range
        ),
        build=lambda model: tflite_int4.build(model, input_range),
        after_epoch=ranges.set_from_weights,
    )


_TFLITE = tflite.deployment_of(
    _FORMAT.name,
    tflite.after_training_of(_FORMAT.name),
    check=_check,
    training=_training,
)


def _deploy(job: jobs.Job) -> deployment.Deployed:
    """As any `.tflite`; names the kernels that keep 8 bits."""
    deployed = _TFLITE.deploy(job)
    g = deployed.graph
    for layer in g.layers:
        if isinstance(layer, graph.Weighted) and g.tensors[layer.weights].num_bits > 4:
            _LOG.warning("%s: '%s' keeps 8 bits", _FORMAT.name, layer.weights)
    return deployed


DEPLOYMENT = dataclasses.replace(_TFLITE, deploy=_deploy)
