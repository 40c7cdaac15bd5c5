"""Measures a network in any of its forms on a data set.

    python -m tfpipeline.evaluate --model=my.keras --dataset=cifar10 \\
        --forms=float,int8,tflm

Forms that are not stored are quantized after training, with training examples for
calibration; of a run, those that it exported are taken as they are. What is measured is
what the task has figures of; a run is measured on its own data if no others are given.
"""

import dataclasses
import functools
import json
from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np

from export.given import Given
from tfpipeline import entry, errors, measured_data, workers
from tfpipeline.configs import fields
from tfpipeline.configs import network as networks
from tfpipeline.configs.fields import Flag, Group
from tfpipeline.inference import elsewhere, runners
from tfpipeline.ir import graph
from tfpipeline.tasks import catalog as tasks
from tfpipeline.tasks import kind as kinds

_OWN, _DATA = networks.Own(), measured_data.Data()


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
    runner: workers.Runner = workers.AUTO
    own: Annotated[networks.Own, Group("a network of your own")] = _OWN
    data: Annotated[measured_data.Data, Group("data")] = _DATA


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
    found = measured_data.find(
        given,
        measured_data.Asked(
            command.data,
            command.task,
            command.threshold,
            command.limit,
            command.calibration_images,
            command.seed,
        ),
    )
    # All before the first is computed: what cannot be is said at once.
    forms = _forms(command, found.network)
    computed = {form: found.network.runner(form) for form in forms}
    return Measured(
        found.kind,
        len(found.inputs),
        {
            form: found.measure(_outputs(command, found, form, outputs))
            for form, outputs in computed.items()
        },
    )


def _outputs(
    command: Command, found: measured_data.MeasuredData, form: str, run: runners.Run
) -> graph.Array:
    """What a form gives for all inputs, wherever it runs."""
    where = command.runner
    is_quick_here = where == workers.AUTO and not runners.is_of_one_core(form)
    if where == workers.HERE or is_quick_here:
        return run(found.inputs)
    network = found.network
    make = functools.partial(
        elsewhere.runner,
        str(command.model),
        command.own,
        (network.calibration, network.low, network.high),
        form,
    )
    count = len(found.inputs)
    rows = workers.mapped(where, make, found.inputs, count, here=elsewhere.of_rows(run))
    return np.stack(list(rows))


def _forms(command: Command, network: runners.Network) -> tuple[str, ...]:
    if command.forms:
        return command.forms
    form = network.form()
    return (runners.FLOAT, runners.INT8) if form == runners.FLOAT else (form,)


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
