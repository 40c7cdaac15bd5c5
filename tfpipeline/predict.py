"""What a network says of one input, or of each in a folder.

    python -m tfpipeline.predict --model=my.keras --input=PICTURE.png

A float network answers itself; a .tflite with integers by these. What an export or a
run knows of its inputs and outputs need not be said again.
"""

import dataclasses
import itertools
import json
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt

from export.given import Given
from tfpipeline import entry, errors
from tfpipeline.configs import fields, images
from tfpipeline.configs import network as networks
from tfpipeline.configs.fields import Flag, Group
from tfpipeline.data import preprocessing
from tfpipeline.inference import inputs, runners
from tfpipeline.metadata import flags, model_metadata
from tfpipeline.post_training import float_network
from tfpipeline.post_training import input_range as input_ranges
from tfpipeline.untrusted import content

_TOP = 3
_OWN, _READING = networks.Own(), images.Reading()
_FORMS = (
    runners.FLOAT,
    runners.INT8,
    runners.INT16X8,
    runners.TFLM,
    runners.C,
    runners.GAP8,
)
# Inputs that are computed at a time.
_TOGETHER = 256
# Tasks whose outputs are values, which are told in their order.
_VALUES = ("regression", "reconstruction", "multi_label")


@dataclasses.dataclass(frozen=True)
class Command(fields.Config):
    """What the command line says."""

    model: Annotated[
        str | None,
        Flag(
            "A .keras, .h5 or .tflite file, file.py:function, the folder of a run, or "
            "a quant.json."
        ),
    ] = None
    source: Annotated[
        str | None,
        Flag(
            "A picture, a .wav, a .csv of rows or windows, a .npy of one input or of "
            "[N, ...], or a folder of them.",
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
        str | None,
        Flag(
            "A text file with the name of each output, one a line; if not given, the "
            "names that the export or the run has."
        ),
    ] = None
    top: Annotated[int, Flag("How many classes are told of each.", low=1)] = _TOP
    output: Annotated[
        str,
        Flag("text, or json: all outputs, an input a line.", choices=("text", "json")),
    ] = "text"
    own: Annotated[networks.Own, Group("a network of your own")] = _OWN
    reading: Annotated[images.Reading, Group("how files become inputs")] = _READING


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
    given = Given(command.model, own=command.own)
    given.require_there()
    inputs.files(command.source)
    network = runners.Network(given)
    known = given.metadata
    names = _labels(command.labels) or (() if known is None else known.names)
    found = inputs.read(
        command.source,
        network.input_shape(),
        _reading(command.reading, known),
        _pixels(command.input_range, given, known),
    )
    run = network.runner(command.form or network.form())
    task = {} if known is None else known.task
    while some := list(itertools.islice(found, _TOGETHER)):
        outputs = run(np.stack([values for _, values in some]))
        outputs = _restored(outputs.reshape(len(some), -1), task)
        for (file, _), values in zip(some, outputs, strict=True):
            if command.output == "json":
                yield json.dumps({"input": file, "outputs": values.tolist()})
            else:
                yield f"{file}  {_told(values, names, command.top, task)}"


def _reading(
    given: images.Reading, known: model_metadata.Metadata | None
) -> images.Reading:
    """How files become inputs: by flags, and for the rest as the network says."""
    if known is None:
        return given
    said = {leaf.name for leaf, value in fields.leaves(given) if value != leaf.default}
    return fields.replaced(
        given, {name: x for name, x in flags.of(known).items() if name not in said}
    )


def _pixels(
    text: str, given: Given, known: model_metadata.Metadata | None
) -> preprocessing.Preprocessing:
    """What the network reads of a pixel."""
    if text == input_ranges.AUTO and known is not None and known.is_of_pixels:
        return known.preprocessing
    quantized = given.gap_quantized
    if text == input_ranges.AUTO and quantized is not None and quantized.takes_pixels:
        text = input_ranges.PIXELS
    g, model, _ = given.loaded()
    limits = float_network.pixels_of(text, g, model)
    return preprocessing.of_bytes(limits.low, limits.high)


def _restored(
    outputs: npt.NDArray[np.floating], task: Mapping[str, Any]
) -> npt.NDArray[np.floating]:
    """Outputs in the units of what was learned."""
    try:
        mean, deviation = np.array(task["mean"], float), np.array(task["deviation"])
        return np.asarray(outputs * deviation + mean)
    except KeyError:
        return outputs
    except (TypeError, ValueError) as error:
        raise errors.DataError(
            "the network's metadata do not say the units of its outputs"
        ) from error


def _labels(file: str | None) -> tuple[str, ...]:
    if file is None:
        return ()
    return tuple(line.strip() for line in content.read_text(file).splitlines())


def _told(
    values: npt.NDArray[np.floating],
    names: tuple[str, ...],
    top: int,
    task: Mapping[str, Any],
) -> str:
    if len(values) == 1 and len(names) == 2:
        # Of yes and no the network says yes.
        names = names[1:]
    if names and len(names) != len(values):
        raise errors.DataError(
            f"there are {len(names)} names of outputs; the network has {len(values)}"
        )
    chosen = np.arange(len(values))
    if task.get("name") not in _VALUES:
        chosen = np.argsort(-values, kind="stable")[:top]
    return ", ".join(
        f"{names[index] if names else index} {values[index]:.4g}" for index in chosen
    )


if __name__ == "__main__":
    entry.start(main, "predict", Command(), arguments=("model", "input"))
