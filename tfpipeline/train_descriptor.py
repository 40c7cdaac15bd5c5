"""Trains a face descriptor and verifies pairs of photographs with it.

    python -m tfpipeline.train_descriptor --flagfile=FILE.flags --workdir=DIR

The same command in the same workdir resumes where it was interrupted. People of the
tested folds are left out of training.
"""

import dataclasses
import logging
import pathlib
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from absl import flags

from tfpipeline import atomic_files, driver, entry, errors, run_folder
from tfpipeline import descriptor_flags as flags_lib
from tfpipeline import descriptor_forms as forms
from tfpipeline import descriptor_training_flags as training_flags
from tfpipeline.data import people, verification_sets
from tfpipeline.identification import matching, network
from tfpipeline.ir import graph, serialize
from tfpipeline.readers import from_keras
from tfpipeline.report import verification as tables
from tfpipeline.study import verification
from tfpipeline.targets.gap8 import program_file
from tfpipeline.training import (
    descriptor_heads,
    descriptor_qat,
    descriptor_stage,
    kept_stages,
    stages,
    strategies,
)
from tfpipeline.training.tasks import embedding

_LOG = logging.getLogger("tfpipeline.train_descriptor")
_MODELS = ("reid_squeezenet",)
# Forms whose integers the run keeps for tfpipeline.identify, and where.
_APPLICATIONS = {"gap8_16": "gap8", "gap8_16_qat": "gap8_16_qat"}
# In what is written of a threshold.
_RATE = "max_false_accept_rate"


@dataclasses.dataclass(frozen=True, eq=False)
class _Job:
    """A trained run that is about to be verified.

    Attributes:
        config: of the run.
        source: of the run.
        folder: of the run.
        trained: the float network.
        quantized: form -> the network trained for it, of those trained now.
        graph: the float network's.
    """

    config: flags_lib.DescriptorConfig
    source: people.People
    folder: run_folder.RunFolder
    trained: kept_stages.Trained
    quantized: Mapping[str, kept_stages.Trained]
    graph: graph.Graph


def main(argv: Sequence[str]) -> None:
    """Entry point."""
    del argv  # entry.run has refused what is not a flag
    driver.main(flags_lib.config_from_flags(), run)


def run(config: flags_lib.DescriptorConfig) -> dict[str, Any]:
    """Does, or resumes, the whole job; returns what results.json holds."""
    folder = run_folder.RunFolder(pathlib.Path(config.workdir or ""))
    stages.set_up_tensorflow(config.seed)
    strategy = strategies.create(config.strategy)
    source = verification_sets.load(
        config.dataset,
        data_dir=config.data_dir,
        pairs=config.pairs,
        side=config.image_side,
        photographs=config.photographs,
    )
    _require_folds(config, source)
    positions, split = descriptor_stage.training_split(config, source)
    if strategies.is_chief(strategy):
        _begin(config, source, positions, folder)
    for form in config.evaluate:
        descriptor_qat.require_same(config, form, folder)
    verified = _verified(config, folder)
    trained = descriptor_stage.train(config, source, folder, strategy)
    quantized = {
        form: descriptor_qat.train(config, source, form, trained, folder, strategy)
        for form in config.evaluate
        if form in forms.TRAINED and form not in verified
    }
    if not strategies.is_chief(strategy):
        return {}
    g = from_keras.read(trained.model, name=config.model)
    serialize.write(g, folder.graph)
    job = _Job(config, source, folder, trained, quantized, g)

    # The tested folds are touched from here on, with every choice made.
    results = {
        "flags": config.identity(),
        "people": int(split.labels.max()) + 1,
        "images": len(split),
        **trained.record(),
        "verification": _verify(job, verified),
    }
    driver.finish(folder, results, _summary(results))
    return results


def _require_folds(config: flags_lib.DescriptorConfig, source: people.People) -> None:
    unknown = [fold for fold in config.held_out if fold >= source.pairs.num_folds]
    if unknown:
        raise errors.UsageError(
            f"{config.dataset} has folds 0 to {source.pairs.num_folds - 1}. "
            f"Received: {', '.join(map(str, unknown))}"
        )


def _begin(
    config: flags_lib.DescriptorConfig,
    source: people.People,
    positions: np.ndarray,
    folder: run_folder.RunFolder,
) -> None:
    data = {"fingerprint": source.fingerprint(), "train": len(positions)}
    driver.begin(folder, config, data, seed=config.seed)
    atomic_files.write_json(folder.splits_json, {"train_positions": positions.tolist()})
    _LOG.info(
        "%s: %d photographs of %d people to train on, %d pairs to test",
        config.dataset,
        len(positions),
        len(np.unique(source.labels[positions])),
        len(source.pairs.take(config.test_folds)),
    )


def _verified(
    config: flags_lib.DescriptorConfig, folder: run_folder.RunFolder
) -> dict[str, Any]:
    """Results of earlier starts by form, without those that have to be had again."""
    if not folder.results_json.exists():
        return {}
    found = atomic_files.read_json(folder.results_json).get("verification", {})
    return {
        form: record
        for form, record in found.items()
        if form not in config.evaluate or _is_current(config, form, folder)
    }


def _is_current(
    config: flags_lib.DescriptorConfig, form: str, folder: run_folder.RunFolder
) -> bool:
    """Says whether nothing is to be done for a form that has figures.

    Its own training must still be there, and for the application a threshold that was
    chosen by today's rate.
    """
    if form in forms.TRAINED and not folder.model(form).exists():
        return False
    if form not in _APPLICATIONS:
        return True
    record = network.threshold_record(folder.export(_APPLICATIONS[form]))
    return record.get(_RATE) == config.max_false_accept_rate


def _verify(job: _Job, verified: Mapping[str, Any]) -> dict[str, Any]:
    """Results by form: `verified`, and those that are asked for besides."""
    config = job.config
    results = dict(verified)
    pairs = job.source.pairs.take(config.held_out)
    for form in config.evaluate:
        if form in results:
            continue
        describe = _describer(job, form)
        started = time.monotonic()
        distances = descriptor_stage.pair_distances(describe, job.source, pairs)
        _LOG.info("%s: described in %.0f s", form, time.monotonic() - started)
        results[form] = verification.verify(
            distances,
            pairs.same,
            pairs.folds,
            test=config.test_folds,
            choice=config.validation_folds,
        ).record()
        if form in _APPLICATIONS:
            _write_threshold(config, form, distances, pairs, job.folder)
    return {form: results[form] for form in forms.NAMES if form in results}


def _describer(job: _Job, form: str) -> forms.Describer:
    """A form of the network; integers for the application are kept in the folder."""
    if form == forms.FLOAT:
        return embedding.describer(job.trained.model)
    _, split = descriptor_stage.training_split(job.config, job.source)
    calibration = descriptor_stage.calibration_images(job.config, split)
    chosen = forms.GAP8[form]
    if chosen.is_trained:
        p = descriptor_qat.integers(
            job.quantized[form].model, chosen, calibration, job.config.model
        )
    else:
        p = forms.gap8_program(chosen, job.graph, calibration)
    if form in _APPLICATIONS:
        export = job.folder.export(_APPLICATIONS[form])
        program_file.write(export / program_file.FILE_NAME, p)
    return forms.gap8_describer(chosen, p)


def _write_threshold(
    config: flags_lib.DescriptorConfig,
    form: str,
    distances: np.ndarray,
    pairs: people.Pairs,
    folder: run_folder.RunFolder,
) -> None:
    """Writes what tfpipeline.identify takes for one person's, for a network in use.

    Chosen on the validation folds where there are any; the figures of the tested folds
    have thresholds of their own.
    """
    folds = config.validation_folds or config.test_folds
    chosen = np.isin(pairs.folds, folds)
    distances, same = distances[chosen], pairs.same[chosen]
    rate = config.max_false_accept_rate
    threshold = matching.choose_threshold(distances, same, rate)
    network.write_threshold(
        folder.export(_APPLICATIONS[form]),
        threshold,
        {
            _RATE: rate,
            "chosen_on": "validation" if config.validation_folds else "test",
            "chosen_on_folds": list(folds),
            "pairs": len(same),
            "true_accept_rate": float(np.mean(distances[same] <= threshold)),
            "false_accept_rate": float(np.mean(distances[~same] <= threshold)),
        },
    )


def _summary(results: dict[str, Any]) -> str:
    return (
        f"trained on {results['images']} photographs of {results['people']} people, "
        f"epoch {results['best_epoch']} of {results['epochs']}, "
        f"{results['seconds']:.0f} s\n\n" + tables.table(results["verification"])
    )


def define_flags(values: flags.FlagValues = flags.FLAGS) -> None:
    """Defines the flags, whose names the main driver's partly are as well."""
    flags_lib.define(
        verification_sets.NAMES, _MODELS, descriptor_heads.LOSSES, forms.NAMES, values
    )


if __name__ == "__main__":
    define_flags()
    for module in (flags_lib, training_flags):
        flags.adopt_module_key_flags(module)
    entry.run(main, "train_descriptor")
