"""The steps of a study and what is done already: a file of records a step.

A step has a key, a digest of all that its records follow from: networks, pictures,
format, rules, and the keys of steps before it. Its file and its key are written when it
ends, so that a study that is killed goes on with the first step that has none, and a
changed flag runs again what it changes.
"""

import dataclasses
import os
import pathlib
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tfpipeline import atomic_files, disk, errors, markers, run_folder
from tfpipeline.study.measures import records
from tfpipeline.untrusted import json_values

RECORDS = "records"
MANIFEST = "study.json"
# Of the rules of this program; a change of what records hold makes all steps new.
_VERSION = 1
_RESULTS = ("summary.json", "results.csv", "report.html")
# What a network or a chip refuses, and not the disk or the user.
_REFUSALS = (
    errors.TargetError,
    errors.GraphError,
    errors.ExportError,
    errors.QuantizationError,
    errors.VerificationError,
)


@dataclasses.dataclass(frozen=True)
class Step:
    """Something that ran.

    Attributes:
        name: of its file below RECORDS, without the suffix.
        key: of what its records follow from.
        seconds: that it took.
        samples: how many records there are.
        refused: why there are none; empty where there are.
    """

    name: str
    key: str
    seconds: float = 0.0
    samples: int = 0
    refused: str = ""


def key(**parts: Any) -> str:
    """The digest of what a step follows from."""
    return disk.digest(repr(sorted({**parts, "version": _VERSION}.items())).encode())


class Steps:
    """The steps of a folder.

    Attributes:
        root: the folder.
    """

    def __init__(self, root: pathlib.Path, report: Callable[[str], None]) -> None:
        """Opens the folder of a study, or begins one.

        Args:
            root: the folder; made if need be.
            report: is told a line a step.

        Raises:
            ForeignFileError: it holds what is not a study's where its files go.
            StorageError: it cannot be read or written.
        """
        self.root = root
        self._report = report
        _claim(root)
        self._done = _read(root / MANIFEST)

    def done(self) -> Mapping[str, Step]:
        """All steps by name."""
        return dict(self._done)

    def path(self, name: str) -> pathlib.Path:
        """The file of a step's records."""
        return self.root / RECORDS / f"{name}.npz"

    def run(
        self, name: str, step_key: str, make: Callable[[], Sequence[records.Record]]
    ) -> Step:
        """Runs a step, unless its records are there already.

        A network that a format or target refuses is a result, too: it is kept, and
        nothing is raised.

        Args:
            name: of the step.
            step_key: of what it follows from.
            make: its records.
        """
        before = self._done.get(name)
        is_same = before is not None and before.key == step_key
        if before and is_same and (before.refused or self.path(name).is_file()):
            self._report(f"{name:<28} is there already")
            return before
        self._report(f"{name:<28} runs")
        start = time.monotonic()
        try:
            made = make()
        except _REFUSALS as error:
            step = Step(name, step_key, refused=str(error))
        else:
            records.write(self.path(name), made)
            seconds = round(time.monotonic() - start, 1)
            step = Step(name, step_key, seconds, len(made))
        self._done[name] = step
        content = {
            "steps": {each: dataclasses.asdict(s) for each, s in self._done.items()}
        }
        atomic_files.write_json(self.root / MANIFEST, content)
        self._report(f"{name:<28} {_told(step)}")
        return step


def read(root: pathlib.Path) -> tuple[records.Record, ...]:
    """All records in a study's folder, of `.npz` and `.jsonl`.

    Raises:
        DataError: there are none, or two of one sample, format and stage.
        StorageError, DamagedFileError: as `records.read`.
    """
    folder = root / RECORDS
    files = sorted(folder.iterdir()) if folder.is_dir() else []
    files = [each for each in files if each.suffix in (".npz", ".jsonl")]
    found = [(record, path) for path in files for record in records.read(path)]
    if not found:
        raise errors.DataError(f"there are no records in {folder}: .npz or .jsonl")
    seen: dict[tuple[str, str, str], pathlib.Path] = {}
    for record, path in found:
        if record.key in seen:
            raise errors.DataError(
                f"{seen[record.key].name} and {path.name} both have "
                f"{errors.brief(record.sample)} of {record.format}, {record.stage}: "
                "remove one file"
            )
        seen[record.key] = path
    return tuple(record for record, _ in found)


def _claim(root: pathlib.Path) -> None:
    """Gives a new folder of a study its marker; refuses others' files."""
    if os.path.lexists(run_folder.of(str(root)).run_json):
        raise errors.ForeignFileError(
            f"{root} is the folder of a run: choose another --workdir. Nothing was "
            "changed"
        )
    try:
        root.mkdir(parents=True, exist_ok=True)
        marker = markers.read(root)
        if marker is None:
            for name in (MANIFEST, *_RESULTS):
                if os.path.lexists(root / name):
                    raise errors.ForeignFileError(
                        f"{root} holds '{name}', which no study wrote there: choose "
                        "another --workdir. Nothing was changed"
                    )
            markers.write(root, markers.Marker(markers.RUN))
        elif marker.writer != markers.RUN:
            raise errors.ForeignFileError(
                f"{root} holds what `{marker.writer}` wrote: choose another --workdir. "
                "Nothing was changed"
            )
    except OSError as error:
        raise errors.WriteError(os.fspath(root), error) from error


def _read(path: pathlib.Path) -> dict[str, Step]:
    if not path.exists():
        return {}
    stored = json_values.read(path)
    try:
        return {name: Step(**each) for name, each in stored["steps"].items()}
    except (KeyError, TypeError, AttributeError) as error:
        raise errors.DamagedFileError(
            f"{path} is no list of a study's steps: remove it, or choose another "
            "--workdir"
        ) from error


def _told(step: Step) -> str:
    if step.refused:
        return f"refused: {step.refused}"
    return f"{step.samples} records in {step.seconds:.1f} s"
