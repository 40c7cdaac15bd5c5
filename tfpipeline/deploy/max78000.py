"""A trained run in the integers of the MAX78000: PTQ, QAT, files of the vendor."""

import logging
from typing import Any

import numpy as np

from export.max78000 import files, network
from tfpipeline import flags as flags_lib
from tfpipeline.compat import keras
from tfpipeline.data import splits
from tfpipeline.deploy import job as jobs
from tfpipeline.ir import graph
from tfpipeline.keras_networks import batch_norm_folding
from tfpipeline.quantization.max78000 import scheme as max78000
from tfpipeline.readers import from_keras, from_max78000
from tfpipeline.report import summary
from tfpipeline.targets.max78000 import assemble, lowering, program, simulate
from tfpipeline.training import schemes, stages

FORMAT = "max78000"
_LOG = logging.getLogger("tfpipeline.train")


def deploy(job: jobs.Job, results: dict[str, Any]) -> graph.Graph:
    """Adds the integer networks to `results`, writes the deployed one.

    Returns:
        The graph of the network that is deployed: QAT's, else PTQ's.

    Raises:
        TargetError: the device cannot run the network.
        VerificationError: the integers predict other classes than the fake-quantized
            network, for any image.
    """
    _LOG.info("post-training quantization in the same integers, for comparison")
    scheme = schemes.create(job.config, FORMAT)
    folded = batch_norm_folding.fold(job.trained.model)
    prepared = scheme.prepare(folded, job.calibration)
    g, own = _bind(prepared, job.config.model)
    results["accuracy"].append(job.row(summary.MAX78000_ROWS.ptq, _predict(job, own)))
    if FORMAT in job.quantized:
        g, own = _add_quantized(job, job.quantized[FORMAT].model, results)
    if FORMAT in job.config.export:
        results["exports"][FORMAT] = _export(job, g)
    return g


def require_runnable(config: flags_lib.RunConfig, dataset: splits.Dataset) -> None:
    """Checks, before any training, that the device can run the network.

    Raises:
        TargetError: all constraints that it breaks, and memories that are too small.
        UsageError: a policy for layers that it does not have.
    """
    g = from_keras.read(stages.build(config, dataset, "float32"), name=config.model)
    network.place(lowering.lower(g, weight_bits=_bits(config, g)))


def _bits(config: flags_lib.RunConfig, g: graph.Graph) -> dict[str, int]:
    policy = schemes.max78000_policy(config)
    names = tuple(x.name for x in g.layers if isinstance(x, graph.Weighted))
    policy.check_names(names, g.name)
    return {name: policy.bits(name) for name in names}


def _export(job: jobs.Job, g: graph.Graph) -> dict[str, Any]:
    # The image that the vendor's tool simulates, and whose results the chip compares.
    found = network.prepare(g, _integers(job.dataset.test.images[0]))
    folder = job.folder.export(FORMAT)
    files.write(folder, found, f"{job.config.model}_{job.config.dataset}")
    size = (folder / files.CHECKPOINT_FILE).stat().st_size
    return {"file": files.DESCRIPTION_FILE, "checkpoint_bytes": size}


def _add_quantized(
    job: jobs.Job, model: keras.Model, results: dict[str, Any]
) -> tuple[graph.Graph, program.Program]:
    fake_quantized = job.logits(max78000.exact(model))
    g, own = _bind(model, job.config.model)
    integers = _predict(job, own)
    for split in jobs.SPLITS:
        jobs.require_same_classes(split, integers[split], fake_quantized[split])
    results["accuracy"] += [
        job.row(summary.MAX78000_ROWS.fake_quant, fake_quantized),
        job.row(summary.MAX78000_ROWS.qat, integers),
    ]
    return g, own


def _bind(model: keras.Model, name: str) -> tuple[graph.Graph, program.Program]:
    g = from_max78000.read(model, name=name)
    return g, assemble.assemble(lowering.lower(g), g)


def _predict(job: jobs.Job, own: program.Program) -> dict[str, np.ndarray]:
    """Split -> [N, classes], integers of the device."""
    outputs = {}
    for split in jobs.SPLITS:
        values = simulate.predict(own, _integers(getattr(job.dataset, split).images))
        outputs[split] = values.reshape(len(values), -1)
    return outputs


def _integers(pixels: np.ndarray) -> np.ndarray:
    """int8 of uint8: network inputs are (pixel - 128) / 128, in steps of 1/128."""
    return (pixels.astype(np.int16) - 128).astype(np.int8)
