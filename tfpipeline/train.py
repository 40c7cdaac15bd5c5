"""The main job: data, float training, QAT, export, verification, summary.

    python -m tfpipeline.train --flagfile=experiments/demo/demo.flags --workdir=DIR

The same command in the same workdir resumes where it was interrupted.
"""

import json
import logging
import pathlib
import time
from collections.abc import Sequence
from typing import Any

from absl import flags

from export.tflite import float32 as float32_export
from tfpipeline import atomic_files, entry, environment, errors, run_folder
from tfpipeline import flags as flags_lib
from tfpipeline.cost import estimate
from tfpipeline.data import catalog, splits
from tfpipeline.deploy import (
    gap8,
    gap8_8bit,
    max78000,
    tflite,
    tflite_int4,
    tflite_int16,
)
from tfpipeline.deploy import job as jobs
from tfpipeline.ir import graph, serialize
from tfpipeline.models import registry
from tfpipeline.readers import from_keras
from tfpipeline.report import costs, summary
from tfpipeline.targets import catalog as targets
from tfpipeline.training import precision, progress, schemes, stages, strategies

_LOG = logging.getLogger("tfpipeline.train")
# A file of each export that says that it is there.
_FILES = {
    "int8": "model.tflite",
    "int16x8": "model.tflite",
    "int4": "model.tflite",
    "float32": "model.tflite",
    "max78000": "network.yaml",
    "gap8": "program.npz",
    "gap8_8bit": "program.npz",
}
# Number format -> the module that deploys a network in it.
_DEPLOYMENTS = {
    "int8": tflite,
    "int16x8": tflite_int16,
    "int4": tflite_int4,
    "max78000": max78000,
    "gap8": gap8,
    "gap8_8bit": gap8_8bit,
}
# What else than 8-bit integers on every target a number format is: bits of the chip's
# data, and the targets that run it, by how their names start.
_RUNNING = {
    "int16x8": (8, ("stm32", "tflm")),
    "int4": (8, ("stm32", "tflm")),
    "gap8": (16, ("gap8",)),
    "gap8_8bit": (8, ("gap8",)),
}

flags_lib.define(list(catalog.DATASETS), list(registry.MODELS))


def main(argv: Sequence[str]) -> None:
    """Entry point."""
    del argv  # entry.run has refused what is not a flag
    config = flags_lib.config_from_flags()
    if flags.FLAGS.print_config:
        print(json.dumps({**config.identity(), "workdir": config.workdir}, indent=2))
        return
    if not config.workdir:
        raise errors.UsageError("--workdir=DIR is missing: the folder of the run")
    progress.log_to_terminal(flags.FLAGS.debug)
    run(config)


def run(config: flags_lib.RunConfig) -> dict[str, Any]:
    """Does, or resumes, the whole job; returns what results.json holds."""
    started = time.monotonic()
    folder = run_folder.RunFolder(pathlib.Path(config.workdir))
    stages.set_up_tensorflow(config.seed)
    schemes.float_epochs(config)  # A policy that cannot be is found before training.
    strategy = strategies.create(config.strategy)
    dataset = catalog.load(
        config.dataset,
        data_dir=config.data_dir,
        seed=config.seed,
        validation_fraction=config.validation_fraction,
        limit=config.train_limit,
    )
    for name in config.number_formats:
        _DEPLOYMENTS[name].require_runnable(config, dataset)
    if strategies.is_chief(strategy):
        _begin(config, dataset, folder)
    if _is_complete(config, folder):
        _LOG.info("this run is complete; its summary:")
        print(folder.summary.read_text(encoding="utf-8"), end="")
        return atomic_files.read_json(folder.results_json)

    trained = stages.train_float(config, dataset, folder, strategy)
    quantized: dict[str, stages.Trained] = {}
    if config.quantization == "qat":
        for name in config.number_formats:
            earlier = tuple(quantized.values())
            quantized[name] = stages.train_qat(
                config, dataset, folder, strategy, trained, name, earlier
            )
    if not strategies.is_chief(strategy):
        return {}

    # The test split is touched from here on, once, with every choice made.
    results = _evaluate_and_export(
        jobs.Job(config, dataset, folder, trained, quantized)
    )
    results["seconds_this_start"] = time.monotonic() - started
    atomic_files.write_json(folder.results_json, results)
    text = summary.render(results, folder)
    atomic_files.write_text(folder.summary, text)
    print(text, end="")
    return results


def _is_complete(config: flags_lib.RunConfig, folder: run_folder.RunFolder) -> bool:
    # The summary is written last.
    return folder.summary.exists() and all(
        (folder.export(target) / _FILES[target]).exists() for target in config.export
    )


def _begin(
    config: flags_lib.RunConfig,
    dataset: splits.Dataset,
    folder: run_folder.RunFolder,
) -> None:
    chosen = precision.resolve(config.precision)
    record = {
        "flags": config.identity(),
        "data": {
            "fingerprint": dataset.fingerprint(),
            "train": len(dataset.train),
            "validation": len(dataset.validation),
            "test": len(dataset.test),
        },
        "seed": config.seed,
        "float_precision": chosen,
        **environment.describe(),
    }
    if run_folder.begin(folder, record):
        _LOG.info("resuming the run in %s", folder.root)
    positions, _ = stages.calibration_images(config, dataset)
    atomic_files.write_json(
        folder.splits_json,
        {
            "validation_indices": dataset.validation_indices.tolist(),
            "calibration_indices": dataset.train_indices[positions].tolist(),
        },
    )
    _LOG.info("%s", dataset.description)
    _LOG.info(
        "%s on %s: %d train, %d validation, %d test images %s; float training in %s",
        config.model,
        config.dataset,
        len(dataset.train),
        len(dataset.validation),
        len(dataset.test),
        "x".join(map(str, dataset.image_shape)),
        chosen,
    )


def _evaluate_and_export(job: jobs.Job) -> dict[str, Any]:
    config, folder, trained = job.config, job.folder, job.trained
    results: dict[str, Any] = {
        "flags": config.identity(),
        "float": _stage_record(trained),
        "accuracy": [job.row(summary.FLOAT, job.float_logits)],
        "exports": {},
    }
    for quantized in job.quantized.values():
        results[quantized.stage] = _stage_record(quantized)
    graphs = {
        name: _DEPLOYMENTS[name].deploy(job, results) for name in config.number_formats
    } or {flags_lib.FLOAT_EXPORT: from_keras.read(trained.model, name=config.model)}
    if "float32" in config.export:
        results["exports"]["float32"] = float32_export.export(
            trained.model, folder.export("float32")
        )
    first, *others = graphs
    serialize.write(graphs[first], folder.graph)
    results["estimate"] = _estimate(first, graphs[first])
    for name in others:
        serialize.write(graphs[name], folder.other_graph(name))
        estimates = results.setdefault("other_estimates", {})
        estimates[name] = _estimate(name, graphs[name])
    return results


def _estimate(number_format: str, g: graph.Graph) -> str:
    bits, starts = _RUNNING.get(number_format, (8, ("",)))
    names = tuple(name for name in targets.NAMES if name.startswith(starts))
    options = estimate.Options(activation_bits=bits)
    found = targets.estimate_all(g, names, options)
    notes = {note: None for each in found for note in each.notes if "int16" in note}
    return "\n".join([costs.comparison(found), *notes])


def _stage_record(trained: stages.Trained) -> dict[str, Any]:
    return {
        "best_epoch": trained.best_epoch,
        "epochs": len(trained.history),
        "seconds": trained.seconds,
    }


if __name__ == "__main__":
    flags.adopt_module_key_flags(flags_lib)
    entry.run(main, "train")
