"""Sets runs beside each other: what differs, how good they are, and what they cost.

    python -m tfpipeline.compare runs/a runs/b --html=comparison.html

Prints flags that differ, the table of figures, tests on the same test examples (the
first run is what the others are compared with) and the costs on every target.
"""

import dataclasses
import pathlib
from typing import Annotated

from tfpipeline import atomic_files, entry, errors, run_folder
from tfpipeline.configs import fields
from tfpipeline.configs.fields import Flag


@dataclasses.dataclass(frozen=True)
class Command(fields.Config):
    """What the command line says."""

    runs: Annotated[
        tuple[str, ...],
        Flag("Folders of two finished runs or more, as arguments without a name too."),
    ] = ()
    html: Annotated[
        str | None, Flag("File for the same as a page with figures; must be new.")
    ] = None
    format: Annotated[
        str, Flag("Of what is printed.", choices=("text", "csv", "json"))
    ] = "text"


def main(command: Command) -> None:
    """Prints the comparison, and writes its page."""
    if len(command.runs) < 2:
        raise errors.UsageError("say which runs: tfpipeline compare RUN RUN ...")
    # scikit-learn and matplotlib, which a wrong command line need not wait for.
    from tfpipeline.report.run_pages import comparison, stored_runs
    from tfpipeline.report_pages import page

    folders = [run_folder.RunFolder(pathlib.Path(name)) for name in command.runs]
    runs = stored_runs.compared(folders)
    if command.html is not None:
        title = "Runs: " + ", ".join(run.name for run in runs)
        page.write(command.html, title, comparison.sections(runs))
    if command.format == "json":
        print(atomic_files.json_text(comparison.record(runs)), end="")
    elif command.format == "csv":
        print(comparison.to_csv(runs), end="")
    else:
        print(comparison.to_text(runs), end="")
        if command.html is not None:
            print(f"written    {command.html}")


if __name__ == "__main__":
    entry.start(main, "compare", Command(), arguments=("runs",))
