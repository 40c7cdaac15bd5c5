"""A trained run as `.tflite`: PTQ, QAT, verification, files; int8 itself."""

import dataclasses
import logging
from collections.abc import Callable
from typing import Any

import numpy as np

from export.tflite import int8, verify
from tfpipeline import flags as flags_lib
from tfpipeline.compat import keras
from tfpipeline.data import splits
from tfpipeline.deploy import job as jobs
from tfpipeline.ir import from_tflite, graph
from tfpipeline.quantization import input_ranges
from tfpipeline.report import summary
from tfpipeline.targets.tflm import reference
from tfpipeline.training import progress

_LOG = logging.getLogger("tfpipeline.train")


@dataclasses.dataclass(frozen=True)
class Format:
    """How a number format gets into a file.

    Attributes:
        name: of the format and of its export.
        rows: its names in the accuracy table.
        convert_ptq: the float network of a job, with calibration.
        convert_qat: (network trained for the format, name) -> file.
    """

    name: str
    rows: summary.Rows
    convert_ptq: Callable[[jobs.Job], bytes]
    convert_qat: Callable[[keras.Model, str], bytes]


def deploy(job: jobs.Job, results: dict[str, Any]) -> graph.Graph:
    """Adds the int8 networks to `results`, writes the deployed one.

    Returns:
        The graph of the network that is deployed: QAT's, else PTQ's.

    Raises:
        VerificationError: integers do not agree with the fake-quantized network.
    """
    return deploy_format(job, results, _INT8)


def require_runnable(config: flags_lib.RunConfig, dataset: splits.Dataset) -> None:
    """Checks nothing: the scheme and the converter say what they lack."""
    del config, dataset


def deploy_format(
    job: jobs.Job, results: dict[str, Any], number_format: Format
) -> graph.Graph:
    """As `deploy`, in any number format."""
    name, names = number_format.name, number_format.rows
    _LOG.info("%s: post-training quantization, for comparison", name)
    deployed = number_format.convert_ptq(job)
    rows = results["accuracy"]
    outputs = _predict(job, deployed, names.ptq)
    rows.append(job.row(names.ptq, outputs, len(deployed)))
    fake_quant_logits = None
    if name in job.quantized:
        model = job.quantized[name].model
        fake_quant_logits = job.logits(model)
        rows.append(job.row(names.fake_quant, fake_quant_logits))
        deployed = number_format.convert_qat(model, job.config.model)
        outputs = _predict(job, deployed, names.qat)
        rows.append(job.row(names.qat, outputs, len(deployed)))
        verify.check_consistency(
            f"{name} on the validation split",
            outputs["validation"],
            job.labels["validation"],
            fake_quant_logits["validation"],
            job.config.consistency_tolerance,
        )
    if name in job.config.export:
        test_outputs = outputs["test"]
        results["exports"][name] = _export(
            job, name, deployed, test_outputs, fake_quant_logits
        )
    return from_tflite.read(deployed, name=job.config.model)


def _predict(job: jobs.Job, model: bytes, what: str) -> dict[str, np.ndarray]:
    """Split -> [N, classes], by the quickest route; the oracle is TFLite Micro."""
    total = sum(map(len, job.inputs.values()))
    with progress.bar(what, total) as advance:
        return {
            split: verify.predict(
                model, reference.quantize_input(model, images), done=advance
            )
            for split, images in job.inputs.items()
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
        job.labels["test"],
        float_logits=job.float_logits["test"],
        fake_quant_logits=fake_quant_logits and fake_quant_logits["test"],
        outputs=outputs,
        micro_images=job.config.verification_images,
        tolerance_points=job.config.consistency_tolerance,
    )
    verify.write(job.folder.export(name), model, verification)
    return verification.to_dict()


def _convert_ptq(job: jobs.Job) -> bytes:
    return int8.convert_ptq(
        job.trained.model,
        job.calibration,
        input_ranges.of_pixels(job.config.normalize),
    )


def _convert_qat(model: keras.Model, name: str) -> bytes:
    del name
    return int8.convert_qat(model)


_INT8 = Format("int8", summary.INT8_ROWS, _convert_ptq, _convert_qat)
