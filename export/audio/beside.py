"""The front end beside an exported network: that of its run, or of the command line."""

import pathlib

from export.audio import writer
from tfpipeline import errors, marked_folder, run_folder
from tfpipeline.audio import front_end
from tfpipeline.configs import fields, sound
from tfpipeline.ir import graph
from tfpipeline.untrusted import damage

# Of an export; NAME_test.c there is a program of its own.
FOLDER = "front_end"
# RUN/export/int8/model.tflite lies so deep in the folder of its run.
_DEPTH = 3


def contents(
    given: front_end.FrontEnd | None, model: str, name: str, tensor: graph.Tensor
) -> dict[str, str]:
    """Files of a front end for an export; none without one.

    Args:
        given: of the command line or the network's metadata; without a front end there
            that of the run counts.
        model: the network, or the folder of a run.
        name: of the exported network.
        tensor: its input.

    Raises:
        ExportError: the front end and the network do not go together.
        StorageError: the run that `model` belongs to cannot be read.
    """
    value = given or of_run(model)
    if value is None:
        return {}
    files = writer.contents(writer.prepare(value, f"{name}_front_end", tensor))
    return {f"{FOLDER}/{file}": text for file, text in files.items()}


def write(
    folder: pathlib.Path, value: front_end.FrontEnd, name: str, tensor: graph.Tensor
) -> None:
    """Writes a front end into a folder of its own, in place of an earlier one.

    Args:
        folder: where the files go.
        value: the front end.
        name: of the network.
        tensor: its input.

    Raises:
        PipelineError: as `contents` and `marked_folder.write`.
    """
    files = writer.contents(writer.prepare(value, f"{name}_front_end", tensor))
    marked_folder.write(folder, files)


def lines(files: dict[str, str]) -> list[str]:
    """What is told of the files."""
    names = [name for name in files if name.endswith(".h")]
    return [f"front end  {name}, .c and known answers" for name in names]


def of_run(model: str) -> front_end.FrontEnd | None:
    """The front end of the run that a network belongs to; None where there is none.

    Raises:
        StorageError: it is damaged.
    """
    path = pathlib.Path(model).resolve()
    for folder in (path, *path.parents[:_DEPTH]):
        run = run_folder.RunFolder(folder)
        if run_folder.is_run(run):
            flags = run_folder.recorded_flags(run)
            names = {leaf.name for leaf, _ in fields.leaves(sound.Sound())}
            with damage.reported(str(run.run_json), "of a run with a front end"):
                try:
                    own = {name: flags[name] for name in names & flags.keys()}
                    return fields.replaced(sound.Sound(), own).value
                except errors.UsageError as error:
                    raise ValueError(str(error)) from error
    return None
