"""The main job: data, float training, QAT, export, verification, summary.

    python -m tfpipeline.train --flagfile=experiments/demo/demo.flags --workdir=DIR

The same command in the same workdir resumes where it was interrupted.
"""

import logging
import pathlib
import time
from collections.abc import Sequence
from typing import Any

from absl import flags

from export.tflite import float32 as float32_export
from tfpipeline import atomic_files, driver, entry, number_formats, run_folder
from tfpipeline import flags as flags_lib
from tfpipeline.cost import estimate
from tfpipeline.data import catalog, splits
from tfpipeline.data import specs as data_specs
from tfpipeline.deploy import catalog as deployments
from tfpipeline.deploy import choices as choices_lib
from tfpipeline.deploy import job as jobs
from tfpipeline.ir import graph, serialize
from tfpipeline.models import specs as model_specs
from tfpipeline.readers import from_keras
from tfpipeline.report import costs, summary
from tfpipeline.targets import catalog as targets
from tfpipeline.training import kept_stages, precision, stages, strategies

_LOG = logging.getLogger("tfpipeline.train")

flags_lib.define(list(data_specs.DATASETS), list(model_specs.MODELS))


def main(argv: Sequence[str]) -> None:
    """Entry point."""
    del argv  # entry.run has refused what is not a flag
    driver.main(flags_lib.config_from_flags(), run)


def run(config: flags_lib.RunConfig) -> dict[str, Any]:
    """Does, or resumes, the whole job; returns what results.json holds."""
    started = time.monotonic()
    folder = run_folder.RunFolder(pathlib.Path(config.workdir))
    stages.set_up_tensorflow(config.seed)
    choices = choices_lib.Choices(
        config.normalize, config.weight_bits, config.quantization_policy
    )
    # A policy that cannot be is found before anything is read.
    epochs = _float_epochs(config, choices)
    strategy = strategies.create(config.strategy)
    dataset = catalog.load(
        config.dataset,
        data_dir=config.data_dir,
        seed=config.seed,
        validation_fraction=config.validation_fraction,
        limit=config.train_limit,
    )
    _check(config, choices, dataset)
    if strategies.is_chief(strategy):
        _begin(config, dataset, folder)
    if _is_complete(config, folder):
        _LOG.info("this run is complete; its summary:")
        print(folder.summary.read_text(encoding="utf-8"), end="")
        return atomic_files.read_json(folder.results_json)

    trained = stages.train_float(config, dataset, folder, strategy, epochs)
    quantized: dict[str, kept_stages.Trained] = {}
    if config.quantization == "qat":
        for each in config.number_formats:
            quantized[each.name] = stages.train_qat(
                config,
                dataset,
                folder,
                strategy,
                trained,
                each.stage,
                deployments.of(each.name).training(choices),
                earlier=tuple(quantized.values()),
            )
    if not strategies.is_chief(strategy):
        return {}

    # The test split is touched from here on, once, with every choice made.
    results = _evaluate_and_export(
        jobs.Job(config, choices, dataset, folder, trained, quantized)
    )
    results["seconds_this_start"] = time.monotonic() - started
    driver.finish(folder, results, summary.render(results, folder))
    return results


def _is_complete(config: flags_lib.RunConfig, folder: run_folder.RunFolder) -> bool:
    return folder.summary.exists() and all(
        (folder.export(name) / number_formats.export_file(name)).exists()
        for name in config.export
    )


def _float_epochs(config: flags_lib.RunConfig, choices: choices_lib.Choices) -> int:
    """The most epochs of float training, by the flag or by what decides instead."""
    decided = [
        deployments.of(each.name).training(choices).float_epochs
        for each in number_formats.of_scheme(config.scheme)
    ]
    return next(filter(None, decided), config.epochs)


def _check(
    config: flags_lib.RunConfig,
    choices: choices_lib.Choices,
    dataset: splits.Dataset,
) -> None:
    """Refuses, before any training, what a number format has no place for."""
    for each in config.number_formats:
        check = deployments.of(each.name).check
        if check is None:
            continue
        # A network for each check and none without: fresh weights depend on what was
        # built before them, and those of a seed are to stay what they were.
        untrained = stages.build(config, dataset, "float32")
        check(from_keras.read(untrained, name=config.model), choices)


def _begin(
    config: flags_lib.RunConfig,
    dataset: splits.Dataset,
    folder: run_folder.RunFolder,
) -> None:
    chosen = precision.resolve(config.precision)
    data = {
        "fingerprint": dataset.fingerprint(),
        "train": len(dataset.train),
        "validation": len(dataset.validation),
        "test": len(dataset.test),
    }
    driver.begin(folder, config, data, seed=config.seed, float_precision=chosen)
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
        "float": trained.record(),
        "accuracy": [job.row(summary.FLOAT, job.float_logits)],
        "exports": {},
    }
    for quantized in job.quantized.values():
        results[quantized.stage] = quantized.record()
    deployed = {
        each.name: deployments.of(each.name).deploy(job)
        for each in config.number_formats
    }
    for name, network in deployed.items():
        results["accuracy"] += network.rows
        if network.export is not None:
            results["exports"][name] = network.export
    if number_formats.FLOAT in config.export:
        results["exports"][number_formats.FLOAT] = float32_export.export(
            trained.model, folder.export(number_formats.FLOAT)
        )
    if not deployed:
        g = from_keras.read(trained.model, name=config.model)
        serialize.write(g, folder.graph)
        results["estimate"] = _estimate(g)
    for place, (name, network) in enumerate(deployed.items()):
        text = _estimate(network.graph, number_formats.named(name))
        if place == 0:
            serialize.write(network.graph, folder.graph)
            results["estimate"] = text
        else:
            serialize.write(network.graph, folder.other_graph(name))
            results.setdefault("other_estimates", {})[name] = text
    return results


def _estimate(
    g: graph.Graph, number_format: number_formats.NumberFormat | None = None
) -> str:
    """The comparison of the targets that run the integers; of all for a float graph."""
    names, options = targets.NAMES, estimate.Options()
    if number_format is not None:
        options = estimate.Options(activation_bits=number_format.activation_bits)
        starts = number_format.targets or ("",)
        names = tuple(name for name in names if name.startswith(starts))
    estimates = targets.estimate_all(g, names, options)
    notes = {note: None for each in estimates for note in each.notes if "int16" in note}
    return "\n".join([costs.comparison(estimates), *notes])


if __name__ == "__main__":
    flags.adopt_module_key_flags(flags_lib)
    entry.run(main, "train")
