"""Measures a network in any of its forms on a data set.

    python -m tfpipeline.evaluate --model=my.keras --dataset=cifar10 \\
        --forms=float,int8,tflm

Forms that are not stored are quantized after training, with training examples for
calibration; of a run, those that it exported are taken as they are. What is measured is
what the task has figures of; a run is measured on its own data if no others are given.
"""

import dataclasses
import json
import pathlib
from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np

from export.given import Given
from tfpipeline import atomic_files, entry, errors, run_folder
from tfpipeline.configs import fields, images
from tfpipeline.configs import network as networks
from tfpipeline.configs.fields import Flag, Group
from tfpipeline.data import preprocessing, specs
from tfpipeline.inference import runners
from tfpipeline.metadata import flags as metadata_flags
from tfpipeline.metadata import model_metadata
from tfpipeline.post_training import float_network
from tfpipeline.tasks import catalog as tasks
from tfpipeline.tasks import head as head_lib
from tfpipeline.tasks import kind as kinds

_OWN = networks.Own()


@dataclasses.dataclass(frozen=True)
class Data(images.Images):
    """Data as train takes them; without a name those of a run."""

    dataset: Annotated[
        str,
        Flag(
            "A data set, as train takes it; its test split is measured. May be left "
            "out of a run, which is measured on its own.",
            check=lambda name: specs.find(name) if name else None,
        ),
    ] = ""


@dataclasses.dataclass(frozen=True)
class Command(fields.Config):
    """What the command line says."""

    model: Annotated[
        str | None,
        Flag(
            "A .keras, .h5 or .tflite file, file.py:function, or the folder of a run."
        ),
    ] = None
    forms: Annotated[
        tuple[str, ...],
        Flag(
            "What to measure, of: "
            + "; ".join(f"{name}: {words}" for name, words in runners.FORMS.items())
            + ". Default: float and int8, or what a file of integers is.",
            check=runners.known,
        ),
    ] = ()
    task: Annotated[
        str,
        Flag(
            "What the network is for; auto: what a run learned, else the task that is "
            "plain from the targets and the end of the network.",
            choices=tasks.NAMES,
        ),
    ] = tasks.AUTO
    threshold: Annotated[
        float,
        Flag("Probability from which an answer is yes.", low=0.0, high=1.0),
    ] = 0.5
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
    own: Annotated[networks.Own, Group("a network of your own")] = _OWN
    data: Annotated[Data, Group("data")] = Data()


@dataclasses.dataclass(frozen=True)
class Measured:
    """What was found.

    Attributes:
        kind: of the task.
        inputs: test examples that were measured.
        forms: form -> figure -> value; None for one that the examples cannot give.
    """

    kind: kinds.TaskKind
    inputs: int
    forms: Mapping[str, Mapping[str, float | None]]

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {"task": self.kind.name, "inputs": self.inputs, "forms": self.forms}


def main(command: Command) -> None:
    """Prints a table, the most important figure first, or JSON."""
    measured = run(command)
    if command.output == "json":
        print(json.dumps({"model": command.model, **measured.to_dict()}, indent=2))
        return
    for line in _table(measured):
        print(line)


def run(command: Command) -> Measured:
    """Measures each form.

    Raises:
        UsageError: the network or the data are not said, or do not go together.
        PipelineError: the data or the network cannot be had, in one of the forms.
    """
    if not command.model:
        raise errors.UsageError("say what and on what: --model=FILE --dataset=DATA")
    given = Given(command.model, own=command.own)
    given.require_there()
    folder = run_folder.RunFolder(pathlib.Path(command.model))
    known = given.metadata
    data, seed = _data_of(command, folder, known)
    # Seconds of imports that nobody else should wait for.
    from tfpipeline.data import catalog, splits
    from tfpipeline.training import objectives

    asked = {}
    task = (_task_of(folder, known) or {}).get("name", command.task)
    if tasks.reads_boxes(task):
        # Pictures of any size are fitted into what the network takes.
        taken = runners.Network(given).input_shape()
        asked = {"reads_boxes": True, "input_shape": taken}
    dataset = catalog.load_flags(data, seed, **asked)
    reading = _preprocessing(data, dataset.train.inputs, given, known)
    positions = splits.calibration_indices(
        len(dataset.train), command.calibration_images, seed
    )
    network = runners.Network(
        given,
        reading.real(dataset.train.inputs[positions]),
        reading.low,
        reading.high,
    )
    shape = network.input_shape()
    if shape != dataset.input_shape:
        raise errors.UsageError(
            f"'{command.model}' reads inputs of shape {shape}; those of "
            f"'{data.dataset}' have {dataset.input_shape}"
        )
    head = network.head()
    record = _task_of(folder, known) if command.task == tasks.AUTO else None
    if record is None:
        options = kinds.Options(threshold=command.threshold)
        objective = objectives.of(command.task, options, dataset, lambda _: head)
    else:
        objective = tasks.recorded(record, objectives.traits(dataset), head)
    count = min(len(dataset.test), command.limit or len(dataset.test))
    chosen = np.arange(count) * len(dataset.test) // count
    inputs = reading.real(dataset.test.inputs[chosen])
    examples = objective.examples(inputs, dataset.test.targets[chosen])
    # All before the first is computed: what cannot be is said at once.
    computed = {form: network.runner(form) for form in _forms(command, network)}
    return Measured(
        objective.kind,
        count,
        {
            form: objective.measure(_shaped(outputs(inputs), objective.head), examples)
            for form, outputs in computed.items()
        },
    )


def _data_of(
    command: Command,
    folder: run_folder.RunFolder,
    known: model_metadata.Metadata | None,
) -> tuple[Data, int]:
    """The data and the seed that divides them."""
    data = command.data
    if data.dataset:
        if known is not None:
            leaves = fields.leaves(data)
            said = {leaf.name for leaf, value in leaves if value != leaf.default}
            learned = metadata_flags.of(known).items()
            data = fields.replaced(data, {k: v for k, v in learned if k not in said})
        return data, command.seed
    if not run_folder.is_run(folder):
        raise errors.UsageError(
            f"say on what '{command.model}' is measured: --dataset=DATA"
        )
    flags = run_folder.recorded_flags(folder)
    return fields.replaced(command.data, flags), int(flags.get("seed", command.seed))


def _preprocessing(
    data: Data,
    stored: np.ndarray,
    given: Given,
    known: model_metadata.Metadata | None,
) -> preprocessing.Preprocessing:
    """What the network reads of stored inputs: by flags, or as it says itself."""
    is_said = data.input_range != preprocessing.AUTO or not data.normalize
    is_of_pixels = stored.dtype == np.uint8
    if not is_said and known is not None and known.is_of_pixels == is_of_pixels:
        # Integers saturate beyond it, and the figures show that.
        return known.preprocessing
    is_run = pathlib.Path(given.model).is_dir() and run_folder.is_run(
        run_folder.RunFolder(pathlib.Path(given.model))
    )
    if is_of_pixels and not is_said and not is_run:
        g, model, _ = given.loaded()
        limits = float_network.pixels_of(preprocessing.AUTO, g, model)
        return preprocessing.of_bytes(limits.low, limits.high)
    return preprocessing.of(data.input_range, data.normalize, stored)


def _forms(command: Command, network: runners.Network) -> tuple[str, ...]:
    if command.forms:
        return command.forms
    form = network.form()
    return (runners.FLOAT, runners.INT8) if form == runners.FLOAT else (form,)


def _task_of(
    folder: run_folder.RunFolder, known: model_metadata.Metadata | None
) -> Mapping[str, Any] | None:
    """What a run or an export says of its task; `None` where nobody says."""
    if known is not None and known.task:
        return known.task
    if not run_folder.is_run(folder) or not folder.results_json.is_file():
        return None
    results = atomic_files.read_json(folder.results_json)
    record: Mapping[str, Any] = results.get("task", tasks.DEFAULT_RECORD)
    return record


def _shaped(outputs: kinds.FloatArray, head: head_lib.Head) -> kinds.FloatArray:
    """Outputs as the network gives them; a chip may keep other axes of length 1."""
    return outputs.reshape(len(outputs), *head.row_shape)


def _table(measured: Measured) -> list[str]:
    figures = measured.kind.figures
    width = max(12, *(len(figure.title) + 2 for figure in figures))
    first = 2 + max(len(name) for name in ("form", *measured.forms))
    lines = [
        f"{'form':<{first}}" + "".join(f"{each.title:>{width}}" for each in figures)
    ]
    for form, values in measured.forms.items():
        cells = "".join(f"{each.text(values[each.name]):>{width}}" for each in figures)
        lines.append(f"{form:<{first}}{cells}")
    return [*lines, f"{measured.kind.name}, on {measured.inputs} test examples"]


if __name__ == "__main__":
    entry.start(main, "evaluate", Command(), arguments=("model",))
