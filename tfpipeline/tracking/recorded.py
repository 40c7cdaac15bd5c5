"""What a run's folder says, as parameters, figures and files."""

import dataclasses
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any

from tfpipeline import atomic_files, disk, errors, run_folder
from tfpipeline.untrusted import content, json_values


@dataclasses.dataclass(frozen=True)
class Figure:
    """A number of a run.

    Attributes:
        name: with a folder for what it is of, such as `qat/val_accuracy`.
        value: of it.
        step: the epoch, from 1; 0 of what has none.
        seconds: since the run began, of training alone.
    """

    name: str
    value: float
    step: int = 0
    seconds: float = 0.0


@dataclasses.dataclass(frozen=True)
class Recorded:
    """A run, begun or ended.

    Attributes:
        name: of its folder.
        identity: tells it from all other runs, and stays the same while it goes on.
        started: seconds since 1970.
        is_ended: whether it has results.
        parameters: flag -> value.
        notes: what it ran on: machine, versions, data, source.
        figures: of its epochs in their order, then of its end.
        files: to be kept with it, and the folder below the run's that each lies in.
    """

    name: str
    identity: str
    started: float
    is_ended: bool
    parameters: Mapping[str, str]
    notes: Mapping[str, str]
    figures: tuple[Figure, ...]
    files: tuple[tuple[pathlib.Path, str], ...]


def read(folder: run_folder.RunFolder) -> Recorded:
    """What there is of a run so far.

    Raises:
        UsageError: the folder holds no run.
        StorageError: a file cannot be read, or is damaged.
    """
    if not run_folder.is_run(folder):
        raise errors.UsageError(
            f"'{folder.root}' is no run: there is no run.json that describes one"
        )
    record = atomic_files.read_json(folder.run_json)
    ended = folder.results_json.exists()
    figures = [*_of_epochs(folder)]
    if ended:
        seconds = figures[-1].seconds if figures else 0.0
        results = atomic_files.read_json(folder.results_json)
        figures += [Figure(n, v, seconds=seconds) for n, v in _of_results(results)]
    return Recorded(
        name=folder.root.resolve().name,
        identity=str(disk.digest_behind(folder.run_json)),
        started=folder.run_json.stat().st_mtime,
        is_ended=ended,
        parameters=_flat(record["flags"]),
        notes=_flat({k: v for k, v in record.items() if k != "flags"}),
        figures=tuple(figures),
        files=tuple(
            (path, path.parent.relative_to(folder.root).as_posix())
            for path in _files(folder)
        ),
    )


def _of_epochs(folder: run_folder.RunFolder) -> Iterator[Figure]:
    """Of metrics.jsonl: every number of an epoch, under the name of its stage."""
    if not folder.metrics.exists():
        return
    seconds = 0.0
    for line in content.read_text(folder.metrics).splitlines():
        values = json_values.parse(line, str(folder.metrics))
        if not isinstance(values, dict):
            continue
        seconds += float(values.get("seconds", 0.0))
        for name, value in values.items():
            if isinstance(value, float):
                epoch = int(values.get("epoch", 0))
                yield Figure(f"{values.get('stage')}/{name}", value, epoch, seconds)


def _of_results(results: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """Of results.json: each form's figures, and what each target says it costs."""
    for row in results.get("accuracy", ()):
        for name, value in row.items():
            if isinstance(value, int | float) and not isinstance(value, bool):
                yield f"{row['network']}/{name}", float(value)
    targets = results.get("findings", {}).get("targets", {})
    for form, of_form in targets.items():
        for target, costs in of_form.items():
            for model, latency in costs["latency"].items():
                yield f"{form}/{target}/{model}/seconds", float(latency["seconds"])
            for name, value in costs["memory"].items():
                yield f"{form}/{target}/{name}", float(value)


def _files(folder: run_folder.RunFolder) -> Iterator[pathlib.Path]:
    """Small ones at the root, and all exports; neither checkpoints nor data."""
    listed = (
        *(folder.run_json, folder.splits_json, folder.summary, folder.results_json),
        *(folder.metrics, *folder.remade),
    )
    yield from (path for path in listed if path.is_file())
    yield from sorted(path for path in folder.exports.rglob("*") if path.is_file())


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            found |= _flat(value, f"{prefix}{name}.")
        elif isinstance(value, list):
            found[prefix + name] = ",".join(map(str, value))
        elif value is not None:
            found[prefix + name] = str(value)
    return found
