"""A trained run as int8 `.tflite`: PTQ, QAT, verification, files."""

import logging
from typing import Any

import numpy as np

from export.tflite import int8, verify
from tfpipeline.deploy import job as jobs
from tfpipeline.ir import from_tflite, graph
from tfpipeline.quantization import tflite_int8
from tfpipeline.report import summary
from tfpipeline.targets.tflm import reference

_LOG = logging.getLogger("tfpipeline.train")


def deploy(job: jobs.Job, results: dict[str, Any]) -> graph.Graph:
    """Adds the integer networks to `results`, writes the deployed one.

    Returns:
        The graph of the network that is deployed: QAT's, else PTQ's.

    Raises:
        VerificationError: integers do not agree with the fake-quantized network.
    """
    _LOG.info("post-training quantization, for comparison")
    deployed = int8.convert_ptq(
        job.trained.model,
        job.calibration,
        tflite_int8.input_range(job.config.normalize),
    )
    rows = results["accuracy"]
    rows.append(job.row(summary.PTQ, _predict(job, deployed), len(deployed)))
    fake_quant_logits = None
    if job.quantized is not None:
        fake_quant_logits = job.logits(job.quantized.model)
        rows.append(job.row(summary.FAKE_QUANT, fake_quant_logits))
        deployed = int8.convert_qat(job.quantized.model)
        outputs = _predict(job, deployed)
        rows.append(job.row(summary.QAT, outputs, len(deployed)))
        verify.check_consistency(
            "TFLite on the validation split",
            outputs["validation"],
            job.labels["validation"],
            fake_quant_logits["validation"],
            job.config.consistency_tolerance,
        )
    if "int8" in job.config.export:
        results["exports"]["int8"] = _export(job, deployed, fake_quant_logits)
    return from_tflite.read(deployed, name=job.config.model)


def _predict(job: jobs.Job, model: bytes) -> dict[str, np.ndarray]:
    # Whole splits by XNNPACK, for speed; the oracle is TFLite Micro (verify).
    return {
        split: reference.predict(model, reference.quantize_input(model, images))
        for split, images in job.inputs.items()
    }


def _export(
    job: jobs.Job, model: bytes, fake_quant_logits: dict[str, np.ndarray] | None
) -> dict[str, Any]:
    _LOG.info("verifying against TensorFlow Lite Micro, and finding its arena")
    verification = verify.verify(
        model,
        job.inputs["test"],
        job.labels["test"],
        float_logits=job.float_logits["test"],
        fake_quant_logits=fake_quant_logits and fake_quant_logits["test"],
        micro_images=job.config.verification_images,
        tolerance_points=job.config.consistency_tolerance,
    )
    verify.write(job.folder.export("int8"), model, verification)
    return verification.to_dict()
