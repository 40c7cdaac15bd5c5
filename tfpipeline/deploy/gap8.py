"""A trained run in the GAP8's fixed point of 16 bits: PTQ, QAT, the vendor's files."""

import dataclasses
import logging
from typing import Any

import numpy as np

from export.gap8 import files, network
from tfpipeline import flags as flags_lib
from tfpipeline.compat import keras
from tfpipeline.data import splits
from tfpipeline.deploy import job as jobs
from tfpipeline.ir import graph
from tfpipeline.keras_networks import batch_norm_folding, float_twin
from tfpipeline.quantization.gap8 import scheme as gap8
from tfpipeline.readers import from_gap8, from_keras
from tfpipeline.report import summary
from tfpipeline.targets.gap8 import (
    calibrate,
    lowering,
    program,
    program_file,
    quantize,
    simulate,
)
from tfpipeline.training import stages

_LOG = logging.getLogger("tfpipeline.train")


@dataclasses.dataclass(frozen=True)
class Format:
    """A width of the chip's integers.

    Attributes:
        name: of the format and of its export.
        num_bits: 16 or 8.
        rows: its names in the accuracy table.
    """

    name: str
    num_bits: int
    rows: summary.Rows


def deploy(job: jobs.Job, results: dict[str, Any]) -> graph.Graph:
    """Adds the integer networks to `results`, writes the deployed one.

    Returns:
        The float graph that the deployed integers are of: the chip's formats are not
        in it, but in the export's program.

    Raises:
        QuantizationError: the chip has no kernel for a layer, or no format.
        VerificationError: the integers predict other classes than the fake-quantized
            network, for any image.
    """
    return deploy_format(job, results, _FORMAT)


def require_runnable(config: flags_lib.RunConfig, dataset: splits.Dataset) -> None:
    """Checks, before any training, that the chip has a kernel for every layer.

    Raises:
        QuantizationError: all layers that it has none for.
    """
    g = from_keras.read(stages.build(config, dataset, "float32"), name=config.model)
    lowering.lower(g)


def deploy_format(
    job: jobs.Job, results: dict[str, Any], number_format: Format
) -> graph.Graph:
    """As `deploy`, in any width."""
    name, rows = number_format.name, number_format.rows
    _LOG.info("%s: post-training quantization, for comparison", name)
    folded = batch_norm_folding.fold(job.trained.model)
    g = from_keras.read(folded, name=job.config.model)
    magnitudes = calibrate.calibrate(g, job.calibration)
    p = quantize.quantize(g, magnitudes, num_bits=number_format.num_bits)
    results["accuracy"].append(job.row(rows.ptq, _predict(job, p)))
    if name in job.quantized:
        model = job.quantized[name].model
        g = from_keras.read(float_twin.extract(model), name=job.config.model)
        p = _add_quantized(job, model, rows, results)
    if name in job.config.export:
        results["exports"][name] = _export(job, name, p, g)
    return g


def _add_quantized(
    job: jobs.Job, model: keras.Model, rows: summary.Rows, results: dict[str, Any]
) -> program.Program:
    fake_quantized = job.logits(gap8.exact(model))
    p = from_gap8.read(model, name=job.config.model)
    integers = _predict(job, p)
    for split in jobs.SPLITS:
        jobs.require_same_classes(split, integers[split], fake_quantized[split])
    results["accuracy"] += [
        job.row(rows.fake_quant, fake_quantized),
        job.row(rows.qat, integers),
    ]
    return p


def _predict(job: jobs.Job, p: program.Program) -> dict[str, np.ndarray]:
    """Split -> [N, classes], integers of the chip."""
    outputs = {}
    for split in jobs.SPLITS:
        values = simulate.predict(p, simulate.quantize_images(p, job.inputs[split]))
        outputs[split] = values.reshape(len(values), -1)
    return outputs


def _export(
    job: jobs.Job, name: str, p: program.Program, g: graph.Graph
) -> dict[str, Any]:
    found = network.from_program(p, g=g, images=job.calibration)
    folder = job.folder.export(name)
    files.write(folder, found)
    return {"file": program_file.FILE_NAME, "weight_bytes": p.weight_bytes}


_FORMAT = Format("gap8", 16, summary.GAP8_ROWS)
