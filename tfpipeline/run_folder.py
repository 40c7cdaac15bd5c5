"""A run's folder: where things lie, and what makes two commands the same run."""

import dataclasses
import pathlib
from typing import Any

from tfpipeline import atomic_files, errors


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
    def graph(self) -> pathlib.Path:
        """The deployed network as a graph; of the first of several number formats."""
        return self.root / "graph"

    def other_graph(self, number_format: str) -> pathlib.Path:
        """The network as a graph, of another number format."""
        return self.root / f"graph_{number_format}"

    def checkpoints(self, stage: str) -> pathlib.Path:
        """Checkpoints of a stage."""
        return self.root / "checkpoints" / stage

    def model(self, stage: str) -> pathlib.Path:
        """The best network of a stage: float, qat, qat_int16x8 or qat_int4."""
        return self.root / stage

    def export(self, target: str) -> pathlib.Path:
        """Files for a target."""
        return self.root / "export" / target


def begin(folder: RunFolder, record: dict[str, Any]) -> bool:
    """Records a new run, or checks that the folder holds the same one.

    Args:
        folder: of the run.
        record: for run.json; `record["flags"]` decides what is the same run, as does
            `record["data"]["fingerprint"]`.

    Returns:
        True when an earlier run of the same command is resumed.

    Raises:
        UsageError: the folder holds a run with other flags or data.
        StorageError: run.json cannot be read or written.
    """
    if not folder.run_json.exists():
        atomic_files.write_json(folder.run_json, record)
        return False
    earlier = atomic_files.read_json(folder.run_json)
    try:
        old, fingerprint = dict(earlier["flags"]), earlier["data"]["fingerprint"]
    except (KeyError, TypeError, ValueError) as error:
        raise errors.StorageError(
            f"{folder.run_json} does not describe a run. Choose another --workdir"
        ) from error
    new = record["flags"]
    changed = [
        f"--{name} was {old.get(name)!r} and is now {new.get(name)!r}"
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name)
    ]
    if changed:
        raise errors.UsageError(
            f"{folder.root} holds another run: {'; '.join(changed)}. "
            "Choose another --workdir, or give the same flags to resume"
        )
    if fingerprint != record["data"]["fingerprint"]:
        raise errors.UsageError(
            f"{folder.root} holds a run on other images than --data_dir gives now. "
            "Choose another --workdir"
        )
    return True
