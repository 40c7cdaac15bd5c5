"""Makes the page of a run, or of several: report.html in the folder of each.

    python -m tfpipeline.report runs/demo

A run writes its page when it ends; this one makes it again from the run's files, of
runs of earlier versions as far as they have what it shows. Nothing is trained.
"""

import dataclasses
import pathlib
from typing import Annotated

from tfpipeline import entry, errors, run_folder
from tfpipeline.configs import fields
from tfpipeline.configs.fields import Flag


@dataclasses.dataclass(frozen=True)
class Command(fields.Config):
    """What the command line says."""

    runs: Annotated[
        tuple[str, ...],
        Flag("Folders of finished runs, as arguments without a name too."),
    ] = ()


def main(command: Command) -> None:
    """Writes the pages and prints where they are."""
    if not command.runs:
        raise errors.UsageError("say of which run: tfpipeline report RUN")
    # Matplotlib and scikit-learn, which a wrong command line need not wait for.
    from tfpipeline.report.run_pages import run_page, stored_runs

    for name in command.runs:
        folder = run_folder.RunFolder(pathlib.Path(name))
        results = stored_runs.results(folder)
        run_folder.claim(folder)
        run_page.write(folder, results)
        print(f"written    {folder.report}")


if __name__ == "__main__":
    entry.start(main, "report", Command(), arguments=("runs",))
