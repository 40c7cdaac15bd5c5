"""The commands as functions: flags as keyword arguments, frozen values as results.

    from tfpipeline import api

    costs = api.estimate("cmsisnet", targets=("max78000", "stm32f746"))
    run = api.train(dataset="procedural_objects", model="cmsisnet", workdir="runs/mine")
    api.export(run, targets=("tflm", "c"), output="build/network")

Whatever a command line takes as `--name=value` is a keyword argument `name=value`, of
the same type, with the same check. A network is what `--model` takes, a built Keras
model, or the results of a run; data may be arrays, too. Errors are those of
`tfpipeline.errors`; each has one line for the user.

TensorFlow is imported by the first call that needs it, not by this module.
"""

import dataclasses
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tfpipeline import atomic_files, errors, run_folder
from tfpipeline.configs.run import Run
from tfpipeline.cost import estimate as estimates_lib
from tfpipeline.python_api import given, tables
from tfpipeline.untrusted import content, json_values

Pathlike = str | pathlib.Path


@dataclasses.dataclass(frozen=True)
class Results(tables.Shown):
    """What a run of training left.

    Attributes:
        folder: of the run, which every other function takes as a network.
        values: all of results.json.
    """

    folder: pathlib.Path
    values: Mapping[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return {"folder": str(self.folder), **self.values}

    def rows(self) -> list[dict[str, Any]]:
        """A row a network of the run: its form and figures."""
        return [dict(row) for row in self.values.get("accuracy", ())]

    @property
    def summary(self) -> str:
        """The text that the command prints."""
        return content.read_text(run_folder.RunFolder(self.folder).summary)

    def __fspath__(self) -> str:
        return str(self.folder)


@dataclasses.dataclass(frozen=True)
class Estimate(tables.Shown):
    """What a network costs.

    Attributes:
        model: what was estimated.
        targets: one value a target, with layers, latencies, memory and violations.
    """

    model: str
    targets: tuple[estimates_lib.Estimate, ...]

    def to_dict(self) -> dict[str, Any]:
        """The schema of docs/performance.md."""
        from tfpipeline.report import costs

        return costs.to_dict(self.model, self.targets)

    def rows(self) -> list[dict[str, Any]]:
        """A row a target and latency model; times in seconds, sizes in bytes."""
        return [row for each in self.targets for row in tables.cost_rows(each)]


@dataclasses.dataclass(frozen=True)
class Exported(tables.Shown):
    """What an export wrote.

    Attributes:
        folders: target -> its folder; None of one that was verified only.
        lines: what the command prints.
    """

    folders: Mapping[str, pathlib.Path | None]
    lines: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "folders": {name: _text(each) for name, each in self.folders.items()},
            "lines": list(self.lines),
        }

    def rows(self) -> list[dict[str, Any]]:
        """A row a file: target, path in its folder, bytes."""
        return [
            {
                "target": name,
                "file": str(file.relative_to(folder)),
                "bytes": file.stat().st_size,
            }
            for name, folder in self.folders.items()
            if folder is not None
            for file in sorted(folder.rglob("*"))
            if file.is_file()
        ]


@dataclasses.dataclass(frozen=True)
class Evaluation(tables.Shown):
    """A network's figures in each form.

    Attributes:
        task: its name.
        inputs: examples that were measured.
        forms: form -> figure -> value; None for one that the examples cannot give.
    """

    task: str
    inputs: int
    forms: Mapping[str, Mapping[str, float | None]]

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return dataclasses.asdict(self)

    def rows(self) -> list[dict[str, Any]]:
        """A row a form."""
        return [{"form": form, **figures} for form, figures in self.forms.items()]


@dataclasses.dataclass(frozen=True)
class BoardRun(tables.Shown):
    """What a board answered.

    Attributes:
        board: as it calls itself.
        inputs: that it was given.
        differing: examples whose answer is not the simulated one.
        figures: of the task, on the board; empty without data.
        values: all that the command prints as JSON.
    """

    board: str
    inputs: int
    differing: tuple[int, ...]
    figures: Mapping[str, float | None]
    values: Mapping[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return dict(self.values)

    def rows(self) -> list[dict[str, Any]]:
        """One row: the board, its figures, cycles and seconds."""
        cycles = self.values["cycles"]
        return [
            {
                "board": self.board,
                "inputs": self.inputs,
                "differing": len(self.differing),
                **self.figures,
                "cycles": cycles["median"],
                "seconds": cycles["seconds"],
            }
        ]


def train(run: Run | None = None, **flags: Any) -> Results:
    """Does, or resumes, a whole run, as `python -m tfpipeline.train` does.

    Args:
        run: a config; None for the defaults.
        **flags: of the command, in place of those of `run`; `workdir` is needed.

    Raises:
        UsageError: a flag that there is none, or a value that cannot be.
        PipelineError: what stands in the way, before or while it runs.
    """
    from tfpipeline import train as command

    config = given.config(run or Run(), flags, "train")
    command.run(config)
    return load(str(config.workdir))


def load(folder: Pathlike) -> Results:
    """The results of a run that is complete.

    Raises:
        UsageError: there is no complete run.
        DamagedFileError: its results cannot be read.
    """
    place = run_folder.RunFolder(pathlib.Path(folder))
    if not place.results_json.is_file():
        raise errors.UsageError(
            f"{folder} holds no complete run: train into it, or name another folder"
        )
    return Results(place.root, atomic_files.read_json(place.results_json))


def estimate(model: Any, targets: Sequence[str] = (), **flags: Any) -> Estimate:
    """What a network costs, as `python -m tfpipeline.estimate` says.

    A target that the network does not fit is in the result, with its violations.

    Args:
        model: what `--model` takes, a Keras model, or `Results`.
        targets: names; all if empty.
        **flags: of the command.

    Raises:
        PipelineError: as the command.
    """
    from tfpipeline import estimate as command

    with given.model_text(model) as text:
        values = {"model": text, "target": targets, **flags}
        name, found = command.run(given.config(command.Command(), values, "estimate"))
    return Estimate(name, tuple(found))


def export(
    model: Any,
    targets: Sequence[str] = ("int8",),
    output: Pathlike | None = None,
    calibration: Pathlike | npt.NDArray[Any] | None = None,
    **flags: Any,
) -> Exported:
    """Writes and verifies files of a network, as `python -m export` does.

    Args:
        model: what `--model` takes, a Keras model, or `Results`.
        targets: names.
        output: folder of the files; None: where the command puts them.
        calibration: what `--calibration` takes, or inputs `[N, ...]` of a float
            network as it reads them.
        **flags: of the command.

    Raises:
        PipelineError: as the command; nothing is half written.
    """
    from export import __main__ as command

    with given.model_text(model) as text, given.arrays_text(calibration) as data:
        values = {
            "model": text,
            "targets": targets,
            "output": _text(output),
            "calibration": data,
            **flags,
        }
        request = given.config(command.Command(), values, "export").placed()
        lines = tuple(command.exported(request))
    return Exported(request.folders(), lines)


def evaluate(
    model: Any,
    dataset: str | Mapping[str, npt.NDArray[Any]] = "",
    forms: Sequence[str] = (),
    **flags: Any,
) -> Evaluation:
    """Measures a network in any of its forms, as `python -m tfpipeline.evaluate`.

    Args:
        model: what `--model` takes, a Keras model, or `Results`.
        dataset: what `--dataset` takes, or arrays as a `.npz` of one's own has them:
            `x_train, y_train, x_test, y_test`, or `x, y`. May be left out of a run.
        forms: names; those that there are, if empty.
        **flags: of the command.

    Raises:
        PipelineError: as the command.
    """
    from tfpipeline import evaluate as command

    with given.model_text(model) as text, given.arrays_text(dataset) as data:
        values = {"model": text, "dataset": data or "", "forms": forms, **flags}
        found = command.run(given.config(command.Command(), values, "evaluate"))
    return Evaluation(found.kind.name, found.inputs, found.forms)


def predict(
    model: Any, inputs: Pathlike | npt.NDArray[Any], form: str = "", **flags: Any
) -> npt.NDArray[np.float32]:
    """What a network says of inputs, as `python -m tfpipeline.predict`.

    Args:
        model: what `--model` takes, a Keras model, or `Results`.
        inputs: what `--input` takes, or inputs `[N, ...]` as the network reads them.
        form: of the network; its own if empty.
        **flags: of the command.

    Returns:
        float32 `[N, ...]`, all outputs of each input.

    Raises:
        PipelineError: as the command.
    """
    from tfpipeline import predict as command

    with given.model_text(model) as text, given.arrays_text(inputs) as data:
        values = {"model": text, "input": data, "form": form, **flags}
        answers = command.lines(
            given.config(command.Command(), {**values, "output": "json"}, "predict")
        )
        rows = [json_values.parse(line, "an answer")["outputs"] for line in answers]
    return np.array(rows, np.float32)


def run_on_board(
    model: Any,
    port: str,
    dataset: str | Mapping[str, npt.NDArray[Any]] = "",
    **flags: Any,
) -> BoardRun:
    """Runs a network on a board and compares its answers, as `tfpipeline run`.

    Answers that differ are in the result; the command fails for them.

    Args:
        model: a run, an export or a `.tflite`, or `Results`.
        port: what `--port` takes.
        dataset: as for `evaluate`; without data inputs are random.
        **flags: of the command.

    Raises:
        PipelineError: as the command.
    """
    from tfpipeline import run as command

    with given.model_text(model) as text, given.arrays_text(dataset) as data:
        values = {"model": text, "port": port, "dataset": data or "", **flags}
        found = command.run(given.config(command.Command(), values, "run"))
    return BoardRun(
        found.greeting.board,
        found.inputs,
        found.differing,
        found.figures,
        found.to_dict(),
    )


def _text(path: Pathlike | None) -> str | None:
    return None if path is None else str(path)
