"""Trains a face descriptor and verifies pairs of photographs with it.

    python -m tfpipeline.train_descriptor --flagfile=FILE.flags --workdir=DIR

The same command in the same workdir resumes where it was interrupted. People of the
tested folds are left out of training.
"""

import json
import logging
import pathlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from absl import flags

from tfpipeline import atomic_files, entry, environment, errors, run_folder
from tfpipeline import descriptor_flags as flags_lib
from tfpipeline.data import people, verification_sets
from tfpipeline.ir import serialize
from tfpipeline.ir.readers import from_keras
from tfpipeline.report import verification as tables
from tfpipeline.study import verification
from tfpipeline.training import (
    descriptor_heads,
    descriptor_stage,
    progress,
    stages,
)

_LOG = logging.getLogger("tfpipeline.train_descriptor")
_MODELS = ("reid_squeezenet",)
_FLOAT = "float"
Describer = Callable[[np.ndarray], np.ndarray]


def _float(trained: stages.Trained, calibration: np.ndarray) -> Describer:
    del calibration  # only integers need ranges
    return descriptor_stage.float_describer(trained.model)


# Form of the network -> (training's result, calibrating inputs float32) to the function
# that describes images, uint8 [N, S, S, 1] to [N, D].
FORMS: dict[str, Callable[[stages.Trained, np.ndarray], Describer]] = {_FLOAT: _float}


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


def run(config: flags_lib.DescriptorConfig) -> dict[str, Any]:
    """Does, or resumes, the whole job; returns what results.json holds."""
    folder = run_folder.RunFolder(pathlib.Path(config.workdir or ""))
    stages.set_up_tensorflow(config.seed)
    source = verification_sets.load(
        config.dataset,
        data_dir=config.data_dir,
        pairs=config.pairs,
        side=config.image_side,
        photographs=config.photographs,
    )
    _require_folds(config, source)
    positions, split = descriptor_stage.training_split(config, source)
    _begin(config, source, positions, folder)
    trained = descriptor_stage.train(config, source, folder)
    serialize.write(from_keras.read(trained.model, name=config.model), folder.graph)

    # The tested folds are touched from here on, with every choice made.
    results = {
        "flags": config.identity(),
        "people": int(split.labels.max()) + 1,
        "images": len(split),
        "best_epoch": trained.best_epoch,
        "epochs": len(trained.history),
        "seconds": trained.seconds,
        "verification": _verify(config, source, trained, folder),
    }
    atomic_files.write_json(folder.results_json, results)
    text = _summary(results)
    atomic_files.write_text(folder.summary, text)
    print(text, end="")
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
    record = {
        "flags": config.identity(),
        "data": {"fingerprint": source.fingerprint(), "train": len(positions)},
        "seed": config.seed,
        **environment.describe(),
    }
    if run_folder.begin(folder, record):
        _LOG.info("resuming the run in %s", folder.root)
    atomic_files.write_json(folder.splits_json, {"train_positions": positions.tolist()})
    _LOG.info(
        "%s: %d photographs of %d people to train on, %d pairs to test",
        config.dataset,
        len(positions),
        len(np.unique(source.labels[positions])),
        len(source.pairs.take(config.test_folds)),
    )


def _verify(
    config: flags_lib.DescriptorConfig,
    source: people.People,
    trained: stages.Trained,
    folder: run_folder.RunFolder,
) -> dict[str, Any]:
    """Results by form: those of earlier starts, and of those asked for now."""
    found: dict[str, Any] = {}
    if folder.results_json.exists():
        found = atomic_files.read_json(folder.results_json).get("verification", {})
    pairs = source.pairs.take(config.held_out)
    _, split = descriptor_stage.training_split(config, source)
    for form in config.evaluate:
        if form in found:
            continue
        calibration = descriptor_stage.calibration_images(config, split)
        distances = descriptor_stage.pair_distances(
            FORMS[form](trained, calibration), source, pairs
        )
        found[form] = verification.verify(
            distances,
            pairs.same,
            pairs.folds,
            test=config.test_folds,
            choice=config.validation_folds,
        ).record()
    return {form: found[form] for form in FORMS if form in found}


def _summary(results: dict[str, Any]) -> str:
    return (
        f"trained on {results['images']} photographs of {results['people']} people, "
        f"epoch {results['best_epoch']} of {results['epochs']}, "
        f"{results['seconds']:.0f} s\n\n" + tables.table(results["verification"])
    )


if __name__ == "__main__":
    flags_lib.define(
        verification_sets.NAMES, _MODELS, descriptor_heads.LOSSES, tuple(FORMS)
    )
    flags.adopt_module_key_flags(flags_lib)
    entry.run(main, "train_descriptor")
