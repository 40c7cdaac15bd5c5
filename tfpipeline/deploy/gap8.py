"""A trained run in the GAP8's fixed point: PTQ, QAT, the vendor's files."""

import dataclasses
import functools
import logging
from typing import Any

import numpy as np

from export.gap8 import files, network
from tfpipeline import number_formats
from tfpipeline.compat import keras
from tfpipeline.deploy import choices as choices_lib
from tfpipeline.deploy import deployment
from tfpipeline.deploy import job as jobs
from tfpipeline.ir import graph
from tfpipeline.keras_networks import float_twin, quantizable
from tfpipeline.post_training import float_network, input_range
from tfpipeline.post_training import gap8 as post_training
from tfpipeline.quantization.gap8 import rewrites
from tfpipeline.quantization.gap8 import scheme as gap8
from tfpipeline.readers import from_gap8, from_keras
from tfpipeline.targets.gap8 import (
    calibrate,
    lowering,
    program,
    program_file,
    simulate,
)
from tfpipeline.training import scheme

_LOG = logging.getLogger("tfpipeline.train")


def _check(num_bits: int, g: graph.Graph, choices: choices_lib.Choices) -> None:
    """Raises TargetError: the network breaks a constraint of the chip."""
    del choices
    lowering.require_runnable(g, num_bits)


def _training(num_bits: int, choices: choices_lib.Choices) -> scheme.Scheme:
    del choices

    def prepare(model: keras.Model, images: np.ndarray) -> keras.Model:
        g = from_keras.read(model)
        magnitudes = calibrate.calibrate(g, images)
        return gap8.prepare_qat(model, g, magnitudes, num_bits=num_bits)

    return scheme.Scheme(
        prepare=prepare,
        build=lambda model: gap8.build(model, num_bits),
        target=rewrites.TARGET,
    )


def _deploy(
    number_format: number_formats.NumberFormat, job: jobs.Job
) -> deployment.Deployed:
    """The graph is the float one that the integers are of.

    The chip's formats are not in it, but in the export's program.
    """
    name = number_format.name
    _LOG.info("%s: post-training quantization, for comparison", name)
    p, g = _integers(dataclasses.replace(job, quantized={}), number_format)
    rows = [job.row(number_format.ptq, _predict(job, p, g).real)]
    agreed = None
    if name in job.quantized:
        p, g = _integers(job, number_format)
        fake_quantized = job.logits(gap8.exact(job.quantized[name].model))
        integers = _predict(job, p, g)
        more, agreed = job.trained_rows(number_format, fake_quantized, integers)
        rows += more
    export = _export(job, name, p, g) if name in job.quantization.exports else None
    if export is not None and agreed is not None:
        export["fake_quantized"] = agreed
    return deployment.Deployed(tuple(rows), g, export)


def _rehearse(number_format: number_formats.NumberFormat, job: jobs.Job) -> None:
    p, g = _integers(job, number_format)
    files.contents(network.from_program(p, g=g, images=job.calibration[:1]))


def _integers(
    job: jobs.Job, number_format: number_formats.NumberFormat
) -> tuple[program.Program, graph.Graph]:
    """The program, and the float network that it is of."""
    if number_format.name in job.quantized:
        model = job.quantized[number_format.name].model
        g = from_keras.read(float_twin.extract(model), name=job.network)
        return from_gap8.read(model, name=job.network), g
    folded = quantizable.fold(job.trained.model, rewrites.TARGET)
    declared = job.choices.input_range
    network = float_network.FloatNetwork(
        graph=from_keras.read(folded, name=job.network),
        inputs=job.calibration,
        input_range=input_range.InputRange(declared.minimum, declared.maximum),
    )
    g, p = post_training.quantized(network, number_format.activation_bits)
    return p, g


def _predict(job: jobs.Job, p: program.Program, g: graph.Graph) -> jobs.ChipOutputs:
    """Integers of the chip, in the order of `g`'s output."""
    outputs = {}
    tensors = [p.tensors[name] for name in p.outputs]
    for split in jobs.SPLITS:
        computed = simulate.outputs_of(
            p, simulate.quantize_images(p, job.inputs[split]), p.outputs
        )
        # A vector keeps its order; channels of a picture come last in the network.
        rows = [each.transpose(0, 2, 3, 1).reshape(len(each), -1) for each in computed]
        outputs[split] = np.concatenate(rows, axis=1)
    return jobs.ChipOutputs(
        outputs,
        step=np.concatenate(
            [np.full(each.num_elements, 2.0**-each.q) for each in tensors]
        ),
        head=job.objective.head,
        ends_on_host=len(p.outputs) == 1
        and isinstance(g.layers[-1], (graph.Softmax, graph.Activation)),
    )


def _export(
    job: jobs.Job, name: str, p: program.Program, g: graph.Graph
) -> dict[str, Any]:
    prepared = network.from_program(p, g=g, images=job.calibration)
    prepared = dataclasses.replace(prepared, metadata=job.metadata)
    files.write(job.folder.export(name), prepared)
    return {"file": program_file.FILE_NAME, "weight_bytes": p.weight_bytes}


DEPLOYMENTS = tuple(
    deployment.Deployment(
        number_format,
        functools.partial(_check, number_format.weight_bits),
        functools.partial(_training, number_format.weight_bits),
        functools.partial(_rehearse, number_format),
        functools.partial(_deploy, number_format),
    )
    for number_format in number_formats.of_scheme("gap8")
)
