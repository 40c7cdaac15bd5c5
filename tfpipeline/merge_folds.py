"""One verification result from runs of train_descriptor that share out the folds.

    python -m tfpipeline.merge_folds --runs=runs/reid_0_4,runs/reid_5_9

Prints accuracy fold by fold for every form of the network that all of the runs have.
"""

import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from absl import flags

from tfpipeline import atomic_files, entry, errors, run_folder
from tfpipeline.report import verification as tables

_RUNS = flags.DEFINE_list("runs", [], "Folders of the runs.")
_FORMAT = flags.DEFINE_enum("format", "text", ["text", "csv"], "Of the output.")


def main(argv: Sequence[str]) -> None:
    """Entry point."""
    del argv  # entry.run has refused what is not a flag
    if not _RUNS.value:
        raise errors.UsageError("--runs=FOLDER,FOLDER,... is missing")
    found = [results(pathlib.Path(folder)) for folder in _RUNS.value]
    shared = [form for form in found[0] if all(form in forms for forms in found)]
    if not shared:
        raise errors.UsageError("the runs verified no form of the network in common")
    merged = {form: tables.merge([forms[form] for forms in found]) for form in shared}
    write = tables.csv if _FORMAT.value == "csv" else tables.table
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
    forms: dict[str, Any] = record["verification"]
    return forms


if __name__ == "__main__":
    entry.run(main, "merge_folds")
