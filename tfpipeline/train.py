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

import numpy as np
from absl import flags

from export.tflite import float32 as float32_export
from export.tflite import int8 as int8_export
from export.tflite import verify
from tfpipeline import atomic_files, entry, environment, errors, run_folder
from tfpipeline import flags as flags_lib
from tfpipeline.cost import estimate
from tfpipeline.data import catalog, pipeline, splits
from tfpipeline.ir import from_tflite, graph, serialize
from tfpipeline.ir.readers import from_keras
from tfpipeline.models import registry
from tfpipeline.quantization import tflite_int8
from tfpipeline.report import costs, summary
from tfpipeline.targets import catalog as targets
from tfpipeline.targets.tflm import reference
from tfpipeline.training import evaluation, precision, progress, stages, strategies

_LOG = logging.getLogger("tfpipeline.train")
_SPLITS = ("validation", "test")

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
    strategy = strategies.create(config.strategy)
    dataset = catalog.load(
        config.dataset,
        data_dir=config.data_dir,
        seed=config.seed,
        validation_fraction=config.validation_fraction,
        limit=config.train_limit,
    )
    if strategies.is_chief(strategy):
        _begin(config, dataset, folder)
    if _is_complete(config, folder):
        _LOG.info("this run is complete; its summary:")
        print(folder.summary.read_text(encoding="utf-8"), end="")
        return atomic_files.read_json(folder.results_json)

    trained = stages.train_float(config, dataset, folder, strategy)
    quantized = None
    if config.quantization == "qat":
        quantized = stages.train_qat(config, dataset, folder, strategy, trained)
    if not strategies.is_chief(strategy):
        return {}

    # The test split is touched from here on, once, with every choice made.
    results = _evaluate_and_export(config, dataset, folder, trained, quantized)
    results["seconds_this_start"] = time.monotonic() - started
    atomic_files.write_json(folder.results_json, results)
    text = summary.render(results, folder)
    atomic_files.write_text(folder.summary, text)
    print(text, end="")
    return results


def _is_complete(config: flags_lib.RunConfig, folder: run_folder.RunFolder) -> bool:
    # The summary is written last.
    return folder.summary.exists() and all(
        (folder.export(target) / verify.MODEL_FILE).exists() for target in config.export
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


def _evaluate_and_export(
    config: flags_lib.RunConfig,
    dataset: splits.Dataset,
    folder: run_folder.RunFolder,
    trained: stages.Trained,
    quantized: stages.Trained | None,
) -> dict[str, Any]:
    labels = {split: getattr(dataset, split).labels for split in _SPLITS}
    inputs = {
        split: pipeline.normalized(getattr(dataset, split).images, config.normalize)
        for split in _SPLITS
    }
    float_logits = _logits(trained, dataset, config)
    rows = [summary.accuracy_row(summary.FLOAT, float_logits, labels)]
    results: dict[str, Any] = {
        "flags": config.identity(),
        "float": _stage_record(trained),
        "accuracy": rows,
        "exports": {},
    }

    def add_integer_row(name: str, model: bytes) -> dict[str, np.ndarray]:
        # Whole splits by XNNPACK, for speed; the oracle is TFLite Micro (verify).
        outputs = {
            split: reference.predict(model, reference.quantize_input(model, images))
            for split, images in inputs.items()
        }
        rows.append(summary.accuracy_row(name, outputs, labels, len(model)))
        return outputs

    deployed, fake_quant_logits = None, None
    if config.quantization != "none":
        _LOG.info("post-training quantization, for comparison")
        _, calibration = stages.calibration_images(config, dataset)
        deployed = int8_export.convert_ptq(
            trained.model, calibration, tflite_int8.input_range(config.normalize)
        )
        add_integer_row(summary.PTQ, deployed)
    if quantized is not None:
        results["qat"] = _stage_record(quantized)
        fake_quant_logits = _logits(quantized, dataset, config)
        rows.append(summary.accuracy_row(summary.FAKE_QUANT, fake_quant_logits, labels))
        deployed = int8_export.convert_qat(quantized.model)
        outputs = add_integer_row(summary.QAT, deployed)
        verify.check_consistency(
            "TFLite on the validation split",
            outputs["validation"],
            labels["validation"],
            fake_quant_logits["validation"],
            config.consistency_tolerance,
        )
    if "int8" in config.export:
        _LOG.info("verifying against TensorFlow Lite Micro, and finding its arena")
        verification = verify.verify(
            deployed,
            inputs["test"],
            labels["test"],
            float_logits=float_logits["test"],
            fake_quant_logits=fake_quant_logits and fake_quant_logits["test"],
            micro_images=config.verification_images,
            tolerance_points=config.consistency_tolerance,
        )
        verify.write(folder.export("int8"), deployed, verification)
        results["exports"]["int8"] = verification.to_dict()
    if "float32" in config.export:
        results["exports"]["float32"] = float32_export.export(
            trained.model, folder.export("float32")
        )
    g = (
        from_keras.read(trained.model, name=config.model)
        if deployed is None
        else from_tflite.read(deployed, name=config.model)
    )
    results["estimate"] = _estimate(config, g, folder)
    return results


def _estimate(
    config: flags_lib.RunConfig, g: graph.Graph, folder: run_folder.RunFolder
) -> str:
    """Writes the graph of the trained network; returns what it costs everywhere."""
    serialize.write(g, folder.graph)
    options = estimate.Options(weight_bits=config.weight_bits)
    return costs.comparison(targets.estimate_all(g, targets.NAMES, options))


def _logits(
    trained: stages.Trained, dataset: splits.Dataset, config: flags_lib.RunConfig
) -> dict[str, np.ndarray]:
    forward = evaluation.forward_function(trained.model)
    return {
        split: evaluation.logits(
            forward, getattr(dataset, split).images, config.normalize
        )
        for split in _SPLITS
    }


def _stage_record(trained: stages.Trained) -> dict[str, Any]:
    return {
        "best_epoch": trained.best_epoch,
        "epochs": len(trained.history),
        "seconds": trained.seconds,
    }


if __name__ == "__main__":
    flags.adopt_module_key_flags(flags_lib)
    entry.run(main, "train")
