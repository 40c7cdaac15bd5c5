"""Writes a network in the format of a target's own tools, and verifies it.

    python -m export --model=NETWORK.tflite --targets=int8 --output=FOLDER
    python -m export --model=FLOAT.keras --calibration=DATA \\
        --targets=int8,int16x8,tflm,c,max78000,gap8 --output=FOLDER
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
from export.given import Given
from tfpipeline import entry, errors, marked_folder, run_folder, run_lock
from tfpipeline.configs import fields, images, network
from tfpipeline.configs.fields import Flag, Group
from tfpipeline.post_training import calibration as calibrations
from tfpipeline.post_training import input_range as input_ranges
from tfpipeline.post_training import loss
from tfpipeline.precision import options as ptq
from tfpipeline.precision import ranges as range_rules

_GROUP = "all targets"
_OWN = network.Own()


@dataclasses.dataclass(frozen=True)
class Calibrating(images.Examples):
    """How data of --calibration are read, where train would take them."""

    data_dir: images.DataDir = None


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
            "to; of several targets, each gets a folder in it. Without it nothing is "
            "written for "
            + " and ".join(each.name for each in catalog.ALL if not each.needs_output)
            + " alone, which are verified; other files go to NAME_export beside you.",
            group=_GROUP,
        ),
    ] = None

    calibration: Annotated[str | None, Flag(calibrations.HELP, group=_GROUP)] = None
    input_range: Annotated[
        str,
        Flag(
            f"With --calibration. {input_ranges.HELP}",
            check=input_ranges.parse,
            group=_GROUP,
        ),
    ] = input_ranges.AUTO
    per_tensor: Annotated[
        bool,
        Flag(
            "With --calibration, for .tflite and C: one scale for a whole kernel, not "
            "one an output channel.",
            group=_GROUP,
        ),
    ] = False
    equalize: Annotated[
        bool, Flag(f"As --per_tensor: {ptq.EQUALIZE_HELP}", group=_GROUP)
    ] = False
    ranges: Annotated[
        str,
        Flag(
            f"As --per_tensor. {ptq.RANGES_HELP}",
            choices=range_rules.METHODS,
            group=_GROUP,
        ),
    ] = range_rules.EXTREMES.method
    percentile: Annotated[
        float, Flag(ptq.PERCENTILE_HELP, low=50.0, high=100.0, group=_GROUP)
    ] = range_rules.EXTREMES.percentile
    bias_correction: Annotated[
        bool, Flag(f"As --per_tensor: {ptq.BIAS_CORRECTION_HELP}", group=_GROUP)
    ] = False
    no_calibration: Annotated[
        bool,
        Flag(
            "Let values of a float network saturate where they do, for a target that "
            "otherwise asks for --calibration.",
            group=_GROUP,
        ),
    ] = False

    own: Annotated[network.Own, Group("a network of your own")] = _OWN
    calibrating: Annotated[Calibrating, Group("calibration data of your own")] = (
        Calibrating()
    )

    def check(self) -> None:
        """Flags that go with others."""
        if self.calibration is not None and self.no_calibration:
            raise errors.UsageError("give --calibration or --no_calibration, not both")
        if self.calibration is None and self.options() != ptq.PLAIN:
            raise errors.UsageError(
                "--per_tensor, --equalize, --ranges and --bias_correction need "
                "--calibration"
            )

    def given(self) -> Given:
        """The network, for the targets.

        Raises:
            UsageError: none is named.
        """
        if not self.model:
            raise errors.UsageError("say what to export: --model=NETWORK.tflite")
        if not self.targets:
            raise errors.UsageError(
                f"say for what: --targets={catalog.ALL[0].name}, or several of "
                f"{', '.join(each.name for each in catalog.ALL)}"
            )
        return Given(
            self.model,
            self.calibration,
            self.input_range,
            self.no_calibration,
            self.own,
            self.calibrating,
            self.calibrating.data_dir,
            self.options(),
        )

    def options(self) -> ptq.Options:
        """What quantization does beyond rounding."""
        return ptq.Options(
            self.per_tensor,
            self.equalize,
            range_rules.Rule(self.ranges, self.percentile),
            self.bias_correction,
        )

    def placed(self) -> "Request":
        """With a folder beside the user where files need a place and none is said."""
        needed = any(catalog.named(name).needs_output for name in self.targets)
        if self.output is not None or not needed or not self.model:
            return self
        _, _, name = self.model.rstrip("/").rpartition("/")
        stem = name.rpartition(":")[2].split(".")[0] or "network"
        return dataclasses.replace(self, output=f"{stem}_export")

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
    for line in exported(command):
        print(line)


def exported(command: Request) -> Iterator[str]:
    """`run`, while no other process writes to the same folder.

    Raises:
        UsageError: another one does.
        PipelineError: as `run`.
    """
    command = command.placed()
    with contextlib.ExitStack() as held:
        if command.output is not None:
            held.enter_context(run_lock.held_beside(pathlib.Path(command.output)))
        yield from run(command)


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
    given = command.given()
    folders = command.folders()
    for folder in folders.values():
        if folder is not None:
            marked_folder.require(folder)
    prepared = {
        name: catalog.named(name).prepare(given, getattr(command, name))
        for name in folders
    }
    # All before any is written.
    for name, folder in folders.items():
        if folder is not None:
            marked_folder.require(folder, prepared[name].contents)
    yield from given.notes()
    for name, folder in folders.items():
        if folder is not None:
            marked_folder.write(folder, prepared[name].contents)
        yield from prepared[name].report(folder)
        if (cost := prepared[name].cost) is not None:
            yield f"loss       {cost.to_text()}"
    losses = {id(each.cost): each.cost for each in prepared.values() if each.cost}
    for line in loss.warnings(list(losses.values())):
        yield f"WARNING    {line}"


if __name__ == "__main__":
    entry.start(main, "export", Command(), arguments=("model",))
