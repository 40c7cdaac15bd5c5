"""Writes a network in the format of a target's own tools, and verifies it.

    python -m export --model=NETWORK.tflite --targets=int8 --output=FOLDER
    python -m export --model=RUN_OR_FLOAT_FILE --targets=gap8 --calibration=FOLDER \\
        --output=FOLDER
    python -m export --model=RUN_OR_GRAPH --targets=max78000 --output=FOLDER
    python -m export --model=NETWORK.tflite --targets=c --output=FOLDER \\
        --emulate=cortex-m4
    python -m export --model=RUN_OR_FILE --targets=tflm --output=FOLDER --labels=FILE

What a target is asked, it says itself: `catalog` lists them.
"""

import contextlib
import dataclasses
import pathlib
from collections.abc import Iterator
from typing import Annotated

from export import catalog
from tfpipeline import entry, errors, marked_folder, run_folder, run_lock
from tfpipeline.configs import fields
from tfpipeline.configs.fields import Flag, Group

_GROUP = "all targets"


@dataclasses.dataclass(frozen=True)
class Request(fields.Config):
    """What the command line says, whatever the target."""

    model: Annotated[
        str | None,
        Flag(
            "The folder of a run, or: "
            + "; ".join(f"{each.name}: {each.takes}" for each in catalog.ALL)
            + ".",
            group=_GROUP,
        ),
    ] = None
    targets: Annotated[
        tuple[str, ...],
        Flag(
            "What to export for, of: "
            + "; ".join(f"{each.name}: {each.title}" for each in catalog.ALL)
            + ".",
            check=catalog.named,
            group=_GROUP,
        ),
    ] = ("int8",)
    output: Annotated[
        str | None,
        Flag(
            "Folder that gets the files: a new or empty one, or one that was exported "
            "to; of several targets, each gets a folder in it. Optional for "
            + " and ".join(each.name for each in catalog.ALL if not each.needs_output)
            + ", which are verified in any case.",
            group=_GROUP,
        ),
    ] = None

    def folders(self) -> dict[str, pathlib.Path | None]:
        """Target -> folder that gets its files.

        Raises:
            UsageError: they would go into the folder of a run.
        """
        if self.output is None:
            return dict.fromkeys(self.targets)
        root = pathlib.Path(self.output)
        if len(self.targets) == 1:
            return {self.targets[0]: root}
        if run_folder.is_run(run_folder.RunFolder(root)):
            raise errors.UsageError(
                f"{root} is the folder of a run: choose another --output=FOLDER"
            )
        return {name: root / name for name in self.targets}


# The flags of each target, beside those of all.
Command = dataclasses.make_dataclass(
    "Command",
    [
        (each.name, Annotated[type(each.flags), Group(each.name)], each.flags)
        for each in catalog.ALL
    ],
    bases=(Request,),
    frozen=True,
)


def main(command: Request) -> None:
    """Exports the network of --model and reports in a few lines."""
    with contextlib.ExitStack() as held:
        if command.output is not None:
            held.enter_context(run_lock.held_beside(pathlib.Path(command.output)))
        for line in run(command):
            print(line)


def run(command: Request) -> Iterator[str]:
    """Exports a network for each target, once it is prepared for all of them.

    Args:
        command: a `Command`.

    Yields:
        Lines for the user.

    Raises:
        PipelineError: what stands in the way, before anything is written; or what a
            target's own check finds afterwards.
    """
    if not command.model:
        raise errors.UsageError("say what to export: --model=NETWORK.tflite")
    folders = command.folders()
    for name, folder in folders.items():
        if folder is not None:
            marked_folder.require(folder)
        elif catalog.named(name).needs_output:
            raise errors.UsageError("say where the files go: --output=FOLDER")
    prepared = {
        name: catalog.named(name).prepare(command.model, getattr(command, name))
        for name in folders
    }
    # All before any is written.
    for name, folder in folders.items():
        if folder is not None:
            marked_folder.require(folder, prepared[name].contents)
    for name, folder in folders.items():
        if folder is not None:
            marked_folder.write(folder, prepared[name].contents)
        yield from prepared[name].report(folder)


if __name__ == "__main__":
    entry.start(main, "export", Command())
