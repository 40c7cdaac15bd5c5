"""Measures a network in any of its forms on a data set.

    python -m tfpipeline.evaluate --model=my.keras --dataset=cifar10 \\
        --forms=float,int8,tflm

Forms that are not stored are quantized after training, with training examples for
calibration; of a run, those that it exported are taken as they are.
"""

import dataclasses
import json
from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np

from export.given import Given
from tfpipeline import entry, errors
from tfpipeline.configs import fields
from tfpipeline.configs.fields import Flag
from tfpipeline.inference import measures, runners


@dataclasses.dataclass(frozen=True)
class Command(fields.Config):
    """What the command line says."""

    model: Annotated[
        str | None,
        Flag(
            "A .keras, .h5 or .tflite file, file.py:function, or the folder of a run."
        ),
    ] = None
    dataset: Annotated[
        str | None, Flag("A data set, as train takes it; its test split is measured.")
    ] = None
    forms: Annotated[
        tuple[str, ...],
        Flag(
            "What to measure, of: "
            + "; ".join(f"{name}: {words}" for name, words in runners.FORMS.items())
            + ".",
            check=runners.known,
        ),
    ] = ("float", "int8")
    data_dir: Annotated[str | None, Flag("Where the data set is, as for train.")] = None
    input_range: Annotated[
        str, Flag("auto, pixels or LOW,HIGH: what the network reads, as for train.")
    ] = "auto"
    normalize: Annotated[
        bool, Flag("Pixels are read as (pixel - 128) / 128; otherwise pixel / 256.")
    ] = True
    limit: Annotated[
        int | None, Flag("Measure on so many test examples at most.", low=1)
    ] = None
    calibration_images: Annotated[
        int, Flag("Training examples that set ranges.", low=1)
    ] = 256
    seed: Annotated[int, Flag("Of what is drawn.", low=0)] = 0
    output: Annotated[
        str, Flag("How the figures are printed.", choices=("text", "json"))
    ] = "text"


def main(command: Command) -> None:
    """Prints a table, the most important measure first, or JSON."""
    if not command.model or not command.dataset:
        raise errors.UsageError("say what and on what: --model=FILE --dataset=DATA")
    found = run(command)
    if command.output == "json":
        print(json.dumps({"model": command.model, "forms": found}, indent=2))
        return
    for line in _table(found):
        print(line)


def run(command: Command) -> dict[str, dict[str, Any]]:
    """Form -> measure -> value, the most important measure first.

    Raises:
        PipelineError: the data or the network cannot be had, in one of the forms.
    """
    # Seconds of imports that nobody else should wait for.
    from tfpipeline.data import catalog, preprocessing, splits

    assert command.model is not None and command.dataset is not None
    dataset = catalog.load(
        command.dataset, data_dir=command.data_dir, seed=command.seed
    )
    reading = preprocessing.of(
        command.input_range, command.normalize, dataset.train.inputs
    )
    positions = splits.calibration_indices(
        len(dataset.train), command.calibration_images, command.seed
    )
    network = runners.Network(
        Given(command.model),
        reading.real(dataset.train.inputs[positions]),
        reading.low,
        reading.high,
    )
    shape = network.input_shape()
    if shape != dataset.input_shape:
        raise errors.UsageError(
            f"'{command.model}' reads inputs of shape {shape}; those of "
            f"'{command.dataset}' have {dataset.input_shape}"
        )
    count = min(len(dataset.test), command.limit or len(dataset.test))
    chosen = np.arange(count) * len(dataset.test) // count
    inputs = reading.real(dataset.test.inputs[chosen])
    targets = dataset.test.targets[chosen]
    computed = {form: network.runner(form) for form in command.forms}
    return {
        form: {"inputs": count, **measures.of(run(inputs), targets)}
        for form, run in computed.items()
    }


def _table(found: Mapping[str, Mapping[str, Any]]) -> list[str]:
    names = [name for name in next(iter(found.values())) if name != "inputs"]
    width = max(len(name) for name in (*names, "accuracy"))
    count = next(iter(found.values()))["inputs"]
    lines = ["form      " + "".join(f"{name:>{width + 2}}" for name in names)]
    for form, values in found.items():
        cells = "".join(f"{values[name]:>{width + 2}.4f}" for name in names)
        lines.append(f"{form:<10}{cells}")
    return [*lines, f"on {count} test examples"]


if __name__ == "__main__":
    entry.start(main, "evaluate", Command())
