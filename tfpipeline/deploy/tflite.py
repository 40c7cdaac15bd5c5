"""A trained run as `.tflite`, in any format of it: PTQ, QAT, verification, files."""

import functools
import logging
from collections.abc import Callable
from typing import Any

import numpy as np

from export.detection import beside
from export.tflite import (
    after_training,
    float_runner,
    metadata_entry,
    trained,
    trained_outputs,
    verify,
)
from tfpipeline import number_formats
from tfpipeline.deploy import choices as choices_lib
from tfpipeline.deploy import deployment
from tfpipeline.deploy import job as jobs
from tfpipeline.ir import from_tflite, graph
from tfpipeline.keras_networks import float_twin
from tfpipeline.numerics import lost_weights
from tfpipeline.post_training import float_network, input_range
from tfpipeline.readers import from_keras
from tfpipeline.targets.tflm import flatbuffer, reference
from tfpipeline.tasks import consistency
from tfpipeline.training import progress, scheme

_LOG = logging.getLogger("tfpipeline.train")


def deployment_of(
    number_format: str,
    convert_ptq: Callable[[jobs.Job], bytes],
    *,
    check: Callable[[graph.Graph, choices_lib.Choices], None] | None,
    training: Callable[[choices_lib.Choices], scheme.Scheme],
) -> deployment.Deployment:
    """The deployment of a format whose export is a `.tflite`.

    Args:
        number_format: its name.
        convert_ptq: makes the file of a job's float network, with calibration.
        check: as `Deployment` has it.
        training: likewise.
    """
    named = number_formats.named(number_format)
    return deployment.Deployment(
        named,
        check,
        training,
        functools.partial(_rehearse, named, convert_ptq),
        functools.partial(_deploy, named, convert_ptq),
    )


def after_training_of(number_format: str) -> Callable[[jobs.Job], bytes]:
    """What makes the file of a job's float network by the rules of `export`.

    Args:
        number_format: its name.
    """
    return functools.partial(_after_training, number_formats.named(number_format))


def _after_training(number_format: number_formats.NumberFormat, job: jobs.Job) -> bytes:
    fixed = job.choices.input_range
    network = float_network.FloatNetwork(
        graph=from_keras.read(job.trained.model, name=job.network),
        inputs=job.calibration,
        input_range=input_range.between(fixed.minimum, fixed.maximum),
        model=job.trained.model,
        run=float_runner.batches,
    )
    options = job.quantization.after_training
    return after_training.made(network, number_format.recipe, options)


def _rehearse(
    number_format: number_formats.NumberFormat,
    convert_ptq: Callable[[jobs.Job], bytes],
    job: jobs.Job,
) -> None:
    """Runs the file in both interpreters, which `_deploy` does for many images."""
    if number_format.name in job.quantized:
        model = job.quantized[number_format.name].model
        data = trained.convert(model, name=job.network)
    else:
        data = convert_ptq(job)
    from_tflite.read(data, name=job.network)
    verify.compare(data)


def _deploy(
    number_format: number_formats.NumberFormat,
    convert_ptq: Callable[[jobs.Job], bytes],
    job: jobs.Job,
) -> deployment.Deployed:
    name = number_format.name
    _LOG.info("%s: post-training quantization, for comparison", name)
    deployed = convert_ptq(job)
    outputs = _predict(job, deployed, number_format.ptq)
    size = len(_described(job, deployed))
    rows = [job.row(number_format.ptq, _real(deployed, outputs), size)]
    fake_quant_logits = None
    real_model = job.trained.model
    if name in job.quantized:
        model = job.quantized[name].model
        real_model = float_twin.extract(model)
        fake_quant_logits = job.logits(model)
        rows.append(job.row(number_format.fake_quantized, fake_quant_logits))
        deployed = trained.convert(model, name=job.network)
        outputs = _predict(job, deployed, number_format.qat)
        real = _real(deployed, outputs)
        size = len(_described(job, deployed))
        rows.append(job.row(number_format.qat, real, size))
        consistency.require(
            f"{name} on the validation split",
            real["validation"],
            job.examples["validation"],
            fake_quant_logits["validation"],
            job.objective,
            job.quantization.consistency_tolerance,
            trained_outputs.near(flatbuffer.read(deployed)),
        )
    export = None
    if name in job.quantization.exports:
        described = _described(job, deployed)
        export = _export(job, name, described, outputs["test"], fake_quant_logits)
    g = from_tflite.read(deployed, name=job.network)
    float_graph = from_keras.read(real_model, name=job.network)
    notes = lost_weights.notes(g)
    return deployment.Deployed(tuple(rows), g, export, float_graph, notes)


def _described(job: jobs.Job, model: bytes) -> bytes:
    """The file as it is written: with how it is fed and what it says."""
    return metadata_entry.added(model, job.metadata, job.network)


def _predict(job: jobs.Job, model: bytes, what: str) -> dict[str, np.ndarray]:
    """Split -> [N, ...], by the quickest route; the oracle is TFLite Micro."""
    total = sum(map(len, job.inputs.values()))
    with progress.bar(what, total) as advance:
        return {
            split: verify.predict(
                model, reference.quantize_input(model, images), done=advance
            )
            for split, images in job.inputs.items()
        }


def _real(model: bytes, outputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    program = flatbuffer.read(model)
    return {
        split: verify.real_outputs(program, each) for split, each in outputs.items()
    }


def _export(
    job: jobs.Job,
    name: str,
    model: bytes,
    outputs: np.ndarray,
    fake_quant_logits: dict[str, np.ndarray] | None,
) -> dict[str, Any]:
    _LOG.info("%s: verifying with TensorFlow Lite Micro, and finding its arena", name)
    verification = verify.verify(
        model,
        job.inputs["test"],
        job.examples["test"],
        objective=job.objective,
        float_logits=job.float_logits["test"],
        fake_quant_logits=(
            None if fake_quant_logits is None else fake_quant_logits["test"]
        ),
        outputs=outputs,
        micro_images=job.quantization.verification_images,
        tolerance_points=job.quantization.consistency_tolerance,
    )
    boxes: dict[str, str] = {}
    if job.objective.head.layout is not None:
        maps = beside.outputs_of(flatbuffer.read(model))
        boxes = beside.contents(job.objective.head.layout, job.network, maps)
    verify.write(job.folder.export(name), model, verification, boxes)
    return verification.to_dict()
