"""One verification result from runs of train_descriptor that share out the folds.

    python -m tfpipeline.merge_folds --runs=runs/reid_0_4,runs/reid_5_9

Prints accuracy fold by fold for every form of the network that all of the runs have.
"""

import dataclasses
import pathlib
from collections.abc import Mapping
from typing import Annotated, Any

from tfpipeline import atomic_files, descriptor_forms, entry, errors, run_folder
from tfpipeline.configs import fields
from tfpipeline.configs.fields import Flag
from tfpipeline.report import verification as tables


@dataclasses.dataclass(frozen=True)
class Command(fields.Config):
    """What the command line says."""

    runs: Annotated[tuple[str, ...], Flag("Folders of the runs.")] = ()
    format: Annotated[str, Flag("Of the output.", choices=("text", "csv"))] = "text"


def main(command: Command) -> None:
    """Prints the results of --runs as one."""
    if not command.runs:
        raise errors.UsageError("--runs=FOLDER,FOLDER,... is missing")
    found = [results(pathlib.Path(folder)) for folder in command.runs]
    shared = [form for form in found[0] if all(form in forms for forms in found)]
    if not shared:
        raise errors.UsageError("the runs verified no form of the network in common")
    merged = {form: tables.merge([forms[form] for forms in found]) for form in shared}
    write = tables.csv if command.format == "csv" else tables.table
    print(write(merged), end="")


def results(folder: pathlib.Path) -> Mapping[str, Any]:
    """The verification of a finished run, by form.

    Raises:
        StorageError: the folder holds no results of train_descriptor.
    """
    path = run_folder.RunFolder(folder).results_json
    record = atomic_files.read_json(path)
    if not isinstance(record, dict) or not isinstance(record.get("verification"), dict):
        raise errors.StorageError(f"{path} holds no verification of train_descriptor")
    return {
        descriptor_forms.named(stored): figures
        for stored, figures in record["verification"].items()
    }


if __name__ == "__main__":
    entry.start(main, "merge_folds", Command())
