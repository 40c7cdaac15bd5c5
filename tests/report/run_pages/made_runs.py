"""Folders of finished runs of every kind of task, without a training."""

import json

import numpy as np

from tests.report.findings import made_answers
from tfpipeline import run_folder
from tfpipeline.configs.run import Run
from tfpipeline.networks import catalog as networks_lib
from tfpipeline.report import costs, summary
from tfpipeline.report.findings import answers, estimating, evidence, networks

KINDS = tuple(made_answers.KINDS)
NAMES = ("a long name of a class", "$b$", "<c>")
TARGETS = ("max78000", "stm32f746", "gap8", "tflm")
_EPOCHS = 5


def write(root, name, *, network="cmsisnet", findings=True):
    """A run of a kind; its folder as `run_folder.RunFolder`.

    Args:
        root: where the folder is made.
        name: of the kind.
        network: registered, whose costs the run tells.
        findings: whether it is of a version that says them.
    """
    folder = run_folder.RunFolder(root / name)
    folder.root.mkdir(parents=True)
    kept, objective, outputs, examples = made_answers.found(name)
    rows = []
    for form, each in outputs.items():
        figures = objective.measure(each, examples)
        rows.append(summary.row(form, {"validation": figures, "test": figures}, 4096))
    results = {
        "flags": {**Run().identity(), "model": network, "dataset": "procedural"},
        "task": {"name": name},
        "float": {"best_epoch": 2, "epochs": _EPOCHS, "seconds": 71.5},
        "accuracy": rows,
        "exports": {"int8": {}},
        "artifacts": {"graph/graph.json": 64 * "0"},
        "sizes": {"graph/graph.json": 12_345},
        "seconds_this_start": 100.0,
    }
    if findings:
        results["findings"] = _findings(folder, kept, objective, network)
    record = {
        "flags": results["flags"],
        "data": {"fingerprint": "f", "train": 9, "validation": 3, "test": 60},
        "machine": {"processor": "one", "cores": 2},
        "versions": {"python": "3.11"},
    }
    folder.run_json.write_text(json.dumps(record))
    folder.results_json.write_text(json.dumps(results))
    return folder


def _findings(folder, kept, objective, network):
    record, shown = answers.measure(kept, objective.kind, NAMES, "int8")
    inputs = np.random.default_rng(0).integers(0, 256, (len(shown), 16, 16, 3))
    evidence.write(folder.predictions, kept, shown, inputs.astype(np.uint8))
    g = networks_lib.load(network)
    layers = [
        {
            "name": each.name,
            "kind": each.kind,
            "accumulated_db": 40.0 - place,
            "alone_db": None if place == 1 else 45.0,
        }
        for place, each in enumerate(g.layers)
    ]
    epochs = np.arange(1, _EPOCHS + 1)
    history = {
        "epoch": epochs.tolist(),
        "loss": (1 / epochs).tolist(),
        "val_loss": (1.2 / epochs).tolist(),
        "learning_rate": (0.1 / 10**epochs).tolist(),
        "images_per_second": (100.0 * epochs).tolist(),
    }
    estimates = [
        each for each in estimating.of_format(g, "int8") if each.target in TARGETS
    ]
    targets = costs.to_dict(network, estimates)["targets"]
    return {
        "answers": record,
        "history": {"float": history, "qat": history},
        "network": networks.describe(g),
        "targets": {"int8": targets},
        "layer_errors": {
            "int8": {"examples": 8, "layers": layers},
            "gap8": {"reason": "not measured: these integers are no graph of layers"},
        },
    }
