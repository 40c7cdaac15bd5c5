"""Puts runs into MLflow: flags, every epoch, results, costs and files.

    tfpipeline track runs/demo --to=sqlite:///runs/mlflow.db
    mlflow ui --backend-store-uri sqlite:///runs/mlflow.db

Again at any time, while a run goes on too: what is new is added. Needs
tfpipeline[mlflow].
"""

import dataclasses
import pathlib
from typing import Annotated

from tfpipeline import entry, errors, run_folder
from tfpipeline.configs import fields
from tfpipeline.configs.fields import Flag
from tfpipeline.tracking import mlflow_runs, recorded


@dataclasses.dataclass(frozen=True)
class Command(fields.Config):
    """What the command line says."""

    runs: Annotated[
        tuple[str, ...], Flag("Folders of runs, as arguments without a name too.")
    ] = ()
    to: Annotated[
        str | None,
        Flag(
            "MLflow's place: a server http://HOST:PORT, a database such as "
            "sqlite:///FILE, or a folder."
        ),
    ] = None
    experiment: Annotated[
        str, Flag("Of MLflow, to which the runs belong; made if need be.")
    ] = "tfpipeline"


def main(command: Command) -> None:
    """Writes the runs and prints what they are called there."""
    if not command.runs or not command.to:
        raise errors.UsageError("say what and where: tfpipeline track RUN --to=PLACE")
    folders = [run_folder.RunFolder(pathlib.Path(name)) for name in command.runs]
    found = [recorded.read(folder) for folder in folders]
    numbers = mlflow_runs.send(found, command.to, command.experiment)
    for name, each, number in zip(command.runs, found, numbers, strict=True):
        state = "ended" if each.is_ended else "going on"
        print(
            f"{name}: {number} of '{command.experiment}', {len(each.figures):,} "
            f"figures, {len(each.files)} files, {state}"
        )


if __name__ == "__main__":
    entry.start(main, "track", Command(), arguments=("runs",))
