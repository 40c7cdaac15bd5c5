"""What a network says of one input, or of each in a folder.

    python -m tfpipeline.predict --model=my.keras --input=PICTURE.png

A float network answers itself; a .tflite with integers by these.
"""

import dataclasses
import json
import pathlib
from collections.abc import Iterator
from typing import Annotated

import numpy as np
import numpy.typing as npt

from export.given import Given
from tfpipeline import entry, errors
from tfpipeline.configs import fields
from tfpipeline.configs.fields import Flag
from tfpipeline.inference import runners
from tfpipeline.post_training import calibration, float_network
from tfpipeline.post_training import input_range as input_ranges
from tfpipeline.untrusted import content

_TOP = 3
_FORMS = (runners.FLOAT, runners.INT8, runners.INT16X8, runners.TFLM)


@dataclasses.dataclass(frozen=True)
class Command(fields.Config):
    """What the command line says."""

    model: Annotated[
        str | None,
        Flag(
            "A .keras, .h5 or .tflite file, file.py:function, or the folder of a run."
        ),
    ] = None
    source: Annotated[
        str | None,
        Flag(
            "A .png, a .npy of one input or of [N, ...], or a folder of them.",
            name="input",
        ),
    ] = None
    form: Annotated[
        str,
        Flag(
            "Which of the network answers; if not given the integers of a file, else "
            "the float network.",
            choices=("", *_FORMS),
        ),
    ] = ""
    input_range: Annotated[str, Flag(input_ranges.HELP, check=input_ranges.parse)] = (
        input_ranges.AUTO
    )
    labels: Annotated[
        str | None, Flag("A text file with the name of each output, one a line.")
    ] = None
    top: Annotated[int, Flag("How many classes are told of each.", low=1)] = _TOP
    output: Annotated[
        str,
        Flag("text, or json: all outputs, an input a line.", choices=("text", "json")),
    ] = "text"


def main(command: Command) -> None:
    """Prints a line an input."""
    for line in lines(command):
        print(line)


def lines(command: Command) -> Iterator[str]:
    """A line an input: its name, and the largest outputs or all.

    Raises:
        UsageError: what is missing, or does not go together.
        DataError: an input cannot be read.
        PipelineError: as the network's reader.
    """
    if not command.model or not command.source:
        raise errors.UsageError("say of what and with what: --model=FILE --input=FILE")
    given = Given(command.model)
    network = runners.Network(given)
    shape = network.input_shape()
    names = _labels(command.labels)
    g, model, _ = given.loaded()
    read = float_network.pixels_of(command.input_range, g, model)
    files, inputs = _read(command.source, shape, read)
    outputs = network.runner(command.form or _form(command.model))(inputs)
    for file, values in zip(files, outputs.reshape(len(inputs), -1), strict=True):
        if command.output == "json":
            yield json.dumps({"input": file, "outputs": values.tolist()})
            continue
        yield f"{file}  {_told(values, names, command.top)}"


def _form(model: str) -> str:
    if pathlib.Path(model).suffix.lower() != ".tflite":
        return runners.FLOAT
    g = Given(model).loaded()[0]
    dtypes = {"int8": runners.INT8, "int16": runners.INT16X8}
    return dtypes.get(g.tensors[g.inputs[0]].dtype, runners.FLOAT)


def _read(
    source: str, shape: tuple[int, ...], pixels: input_ranges.InputRange
) -> tuple[list[str], npt.NDArray[np.float32]]:
    """Names and inputs `[N, *shape]`."""
    path = pathlib.Path(source)
    files = calibration.files_of(path) if path.is_dir() else [path]
    found = [(str(file), calibration.single(file, shape, pixels)) for file in files]
    names = [
        name if len(values) == 1 else f"{name}[{index}]"
        for name, values in found
        for index in range(len(values))
    ]
    return names, np.concatenate([values for _, values in found])


def _labels(file: str | None) -> tuple[str, ...]:
    if file is None:
        return ()
    return tuple(line.strip() for line in content.read_text(file).splitlines())


def _told(values: npt.NDArray[np.floating], names: tuple[str, ...], top: int) -> str:
    if names and len(names) != len(values):
        raise errors.DataError(
            f"--labels has {len(names)} lines; the network has {len(values)} outputs"
        )
    largest = np.argsort(-values, kind="stable")[:top]
    return ", ".join(
        f"{names[index] if names else index} {values[index]:.4g}" for index in largest
    )


if __name__ == "__main__":
    entry.start(main, "predict", Command())
