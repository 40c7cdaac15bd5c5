"""A run's folder: where things lie, and what makes two commands the same run.

A new run takes a folder in which nobody has a file of the run's names. From then on its
marker (`markers`) lists what the run wrote, and `atomic_files` replaces nothing else.
"""

import dataclasses
import os
import pathlib
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tfpipeline import atomic_files, disk, errors, markers, number_formats

# The stage of the float network.
FLOAT = "float"
_GRAPH, _EXPORT = "graph", "export"
_CHECKPOINTS, _TENSORBOARD = "checkpoints", "tensorboard"
# Stages of other trainings than `train`'s, and graphs of further formats.
_MORE_STAGES = re.compile(rf"{_GRAPH}_\w+|qat_\w+|gap8_\w+")
# Whose files have new names each time, or are known by their content.
_UNLISTED = (_CHECKPOINTS, _TENSORBOARD)
# Ends the name of an entry that says what the file of a flag holds.
_DIGEST = "_sha256"


@dataclasses.dataclass(frozen=True)
class RunFolder:
    """Paths below `--workdir`.

    Attributes:
        root: the folder itself.
    """

    root: pathlib.Path

    @property
    def run_json(self) -> pathlib.Path:
        """Flags, versions, machine, data fingerprint."""
        return self.root / "run.json"

    @property
    def splits_json(self) -> pathlib.Path:
        """Positions of the validation and calibration examples in the source."""
        return self.root / "splits.json"

    @property
    def summary(self) -> pathlib.Path:
        """What was printed at the end."""
        return self.root / "summary.txt"

    @property
    def results_json(self) -> pathlib.Path:
        """The summary's figures."""
        return self.root / "results.json"

    @property
    def metrics(self) -> pathlib.Path:
        """One JSON object an epoch."""
        return self.root / "metrics.jsonl"

    @property
    def predictions(self) -> pathlib.Path:
        """What every form of the network answered on the test examples."""
        return self.root / "predictions.npz"

    @property
    def report(self) -> pathlib.Path:
        """The page of the run, which can be made again from the other files."""
        return self.root / "report.html"

    @property
    def remade(self) -> tuple[pathlib.Path, ...]:
        """Files that commands other than the run's own write again."""
        return (
            *(self.layer_error_csv, self.layer_error_png),
            *(self.boards_json, self.report),
        )

    @property
    def boards_json(self) -> pathlib.Path:
        """What boards answered to the run's examples."""
        return self.root / "boards.json"

    @property
    def layer_error_csv(self) -> pathlib.Path:
        """Error by layer and number format."""
        return self.root / "layer_error.csv"

    @property
    def layer_error_png(self) -> pathlib.Path:
        """The same, drawn."""
        return self.root / "layer_error.png"

    @property
    def graph(self) -> pathlib.Path:
        """The deployed network as a graph; of the first of several number formats."""
        return self.root / _GRAPH

    def other_graph(self, number_format: str) -> pathlib.Path:
        """The network as a graph, of another number format."""
        return self.root / f"{_GRAPH}_{number_format}"

    def checkpoints(self, stage: str) -> pathlib.Path:
        """Checkpoints of a stage."""
        return self.root / _CHECKPOINTS / stage

    def tensorboard(self, stage: str) -> pathlib.Path:
        """TensorBoard's events of a stage."""
        return self.root / _TENSORBOARD / stage

    def model(self, stage: str) -> pathlib.Path:
        """The best network of a stage: FLOAT, or that of a number format."""
        return self.root / stage

    def history(self, stage: str) -> pathlib.Path:
        """The epochs of a stage; its presence says that the stage is complete."""
        return self.model(stage) / "history.json"

    @property
    def exports(self) -> pathlib.Path:
        """A folder for each number format."""
        return self.root / _EXPORT

    def export(self, name: str) -> pathlib.Path:
        """Files of a number format, `number_formats.FLOAT` included."""
        return self.exports / name

    def export_file(self, name: str) -> pathlib.Path:
        """The file of a number format whose presence says that its export is there."""
        return self.export(name) / number_formats.export_file(name)

    def tflite_files(self) -> dict[str, pathlib.Path]:
        """Number format -> its `.tflite`, there or not; the most usual one first."""
        return {
            each.name: self.export_file(each.name) for each in number_formats.tflite()
        }

    def owns(self, name: str) -> bool:
        """Whether runs have a file or a folder of this name at the root."""
        files = (
            *(self.run_json, self.splits_json, self.summary, self.results_json),
            *(self.metrics, self.predictions, *self.remade),
        )
        folders = (_CHECKPOINTS, _TENSORBOARD, _GRAPH, _EXPORT)
        stages = (FLOAT, *number_formats.stages())
        if name in (*(file.name for file in files), *folders, *stages):
            return True
        return _MORE_STAGES.fullmatch(name) is not None


def telling_name(file: pathlib.Path) -> str:
    """What a network is called by its file: of a run's export by the run's folder.

    Args:
        file: absolute; names that every run has tell nothing.
    """
    formats = (each.name for each in number_formats.ALL)
    model = pathlib.Path(number_formats.TFLITE_FILE).stem
    silent = {_EXPORT, model, number_formats.FLOAT, *formats}
    names = (file.stem, *(parent.name for parent in file.parents))
    return next((name for name in names if name not in silent), "")


def of(workdir: str | None) -> RunFolder:
    """The folder that `--workdir` names.

    Raises:
        UsageError: it names none.
    """
    if not workdir:
        raise errors.UsageError("--workdir=DIR is missing: the folder of the run")
    return RunFolder(pathlib.Path(workdir))


def begin(
    folder: RunFolder,
    record: dict[str, Any],
    restore: Callable[[RunFolder], None] | None = None,
) -> bool:
    """Records a new run, or checks that the folder holds the same one.

    Args:
        folder: of the run.
        record: for run.json; `record["flags"]` decides what is the same run, as does
            `record["data"]["fingerprint"]`.
        restore: called for a folder that holds the same run, before anything of it is
            used; may set damaged files aside.

    Returns:
        True when an earlier run of the same command is resumed.

    Raises:
        UsageError: the folder holds a run with other flags or data.
        ForeignFileError: it is no run's, and holds a file that this one would write.
        StorageError: run.json cannot be read or written.
    """
    fingerprint = require_same(folder, record["flags"])
    if fingerprint is None:
        atomic_files.write_json(folder.run_json, record)
        claim(folder)
        return False
    if fingerprint != record["data"]["fingerprint"]:
        raise errors.UsageError(
            f"{folder.root} holds a run on other images than --data_dir gives now. "
            "Choose another --workdir"
        )
    if restore is not None:
        restore(folder)
    if not os.path.lexists(folder.run_json):
        atomic_files.write_json(folder.run_json, record)
    claim(folder)
    return True


def require_same(folder: RunFolder, flags: Mapping[str, Any]) -> Any:
    """Checks that a folder is free for a run, or holds the run of these flags.

    Args:
        folder: of the run.
        flags: by name, as JSON values.

    Returns:
        The fingerprint of the images of the run that is there, None if there is none.

    Raises:
        UsageError: the folder holds a run with other flags.
        ForeignFileError: it is no run's, and holds a file that this one would write.
        StorageError: run.json cannot be read.
    """
    if not os.path.lexists(folder.run_json):
        _require_free(folder)
        return None
    old, fingerprint = _identity(folder)
    changed = [
        _change(name, old.get(name), flags.get(name))
        for name in sorted(old.keys() | flags.keys())
        if old.get(name) != flags.get(name)
    ]
    if changed:
        raise errors.UsageError(
            f"{folder.root} holds another run: {errors.listed(changed)}. "
            "Choose another --workdir, or give the same flags to resume"
        )
    return fingerprint


def is_run(folder: RunFolder) -> bool:
    """Whether the folder holds a run, begun or finished."""
    try:
        _identity(folder)
    except errors.StorageError:
        return False
    return True


def recorded_flags(folder: RunFolder) -> dict[str, Any]:
    """Flags of the run in a folder; those that are left out have their defaults.

    Raises:
        StorageError: there is none.
    """
    return _identity(folder)[0]


def _identity(folder: RunFolder) -> tuple[dict[str, Any], Any]:
    """Flags and fingerprint of the run in a folder.

    Raises:
        StorageError: there is none.
    """
    try:
        record = atomic_files.read_json(folder.run_json)
    except errors.DamagedFileError as error:
        raise errors.DamagedFileError(f"{error}. Choose another --workdir") from error
    try:
        return dict(record["flags"]), record["data"]["fingerprint"]
    except (KeyError, TypeError, ValueError) as error:
        raise errors.StorageError(
            f"{folder.run_json} does not describe a run. Choose another --workdir"
        ) from error


def claim(folder: RunFolder) -> None:
    """Gives the folder of a run its marker; of an old run, with the files it has.

    Raises:
        ForeignFileError: there is a marker, and it is not a run's.
        StorageError: it cannot be written.
    """
    try:
        marker = markers.read(folder.root)
        if marker is None:
            names = {
                path.relative_to(folder.root).as_posix(): path
                for path in _files(folder)
            }
            digests = {name: disk.digest_at(path) for name, path in names.items()}
            files = {name: (each,) for name, each in digests.items() if each}
            markers.write(folder.root, markers.Marker(markers.RUN, files))
        elif marker.writer != markers.RUN:
            raise _taken(folder.root, f"what `{marker.writer}` wrote")
    except OSError as error:
        raise errors.StorageError(
            f"cannot write {folder.root}: {error.strerror or error}"
        ) from error


def _require_free(folder: RunFolder) -> None:
    """Checks that a new run would meet nobody's files in its folder."""
    _require_folder(folder.root)
    if not folder.root.is_dir():
        return
    try:
        names = sorted(os.listdir(folder.root))
        marker = markers.read(folder.root)
    except OSError as error:
        raise errors.StorageError(
            f"cannot read {folder.root}: {error.strerror or error}"
        ) from error
    if marker is not None and marker.writer != markers.RUN:
        raise _taken(folder.root, f"what `{marker.writer}` wrote")
    for name in names:
        if folder.owns(name):
            raise _taken(folder.root, f"'{name}', which no run wrote there")


def _require_folder(root: pathlib.Path) -> None:
    """Checks that a folder is there or can be made, before anything takes long."""
    there = next(
        (each for each in (root, *root.parents) if os.path.lexists(each)), root
    )
    if os.path.lexists(there) and not there.is_dir():
        raise errors.ForeignFileError(
            f"--workdir={disk.shown(root)}: {disk.shown(there)} is no folder. Choose "
            "another --workdir. Nothing was changed"
        )


def _change(name: str, before: Any, now: Any) -> str:
    """Says that a flag, or what its file holds, is another one."""
    if name.endswith(_DIGEST):
        flag = name.removesuffix(_DIGEST)
        then, today = (str(each)[:12] for each in (before, now))
        return f"the file of --{flag} has changed (SHA-256 {then}, now {today})"
    return f"--{name} was {_told(before)} and is now {_told(now)}"


def _told(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 18 else f"{text[:15]}..."


def _taken(root: pathlib.Path, what: str) -> errors.ForeignFileError:
    return errors.ForeignFileError(
        f"{disk.shown(root)} holds {what}: choose another --workdir. Nothing was "
        "changed"
    )


def _files(folder: RunFolder) -> Iterator[pathlib.Path]:
    """Plain files of a run's names, of those that its commands write again."""
    for path in sorted(folder.root.iterdir()):
        if path.is_symlink() or not folder.owns(path.name):
            continue
        if path in folder.remade:
            continue
        if path.is_file():
            yield path
        elif path.name not in _UNLISTED:
            inner = sorted(path.rglob("*"))
            yield from (x for x in inner if x.is_file() and not x.is_symlink())
