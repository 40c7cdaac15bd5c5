"""Converts an image between camera dumps, PNG and the files of the MAX78000 tools.

    python -m tfpipeline.camera --input=face.rgb565 --height=160 --width=120 \\
        --output=face.png

Formats and what each leaves open: docs/camera.md.
"""

import dataclasses
from collections.abc import Collection
from typing import Annotated

from tfpipeline import atomic_files, entry, errors
from tfpipeline.configs import fields
from tfpipeline.configs.fields import Flag
from tfpipeline.pictures import camera, camera_dumps, image_size, sample_headers
from tfpipeline.untrusted import content

# A sample .npy, the longest form, has 24 bytes a pixel: 101 MB for MAX_PIXELS.
_MAX_INPUT_BYTES = 1 << 27


@dataclasses.dataclass(frozen=True)
class Command(fields.Config):
    """What the command line says."""

    input: Annotated[str | None, Flag("File to read.")] = None
    output: Annotated[str | None, Flag("File to write.")] = None
    source: Annotated[
        str | None,
        Flag(
            "Format of the input, if its name does not tell.",
            choices=camera.FORMATS,
            name="from",
        ),
    ] = None
    target: Annotated[
        str | None,
        Flag(
            "Format of the output, if its name does not tell.",
            choices=camera.FORMATS,
            name="to",
        ),
    ] = None
    height: Annotated[
        int | None,
        Flag("Of the input in pixels; PNG, npy and dumps with a header say it.", low=1),
    ] = None
    width: Annotated[
        int | None, Flag("Of the input in pixels; see --height.", low=1)
    ] = None
    channels: Annotated[
        int | None,
        Flag(
            "What a sampledata input holds, 3 if not given; with other inputs, 3 "
            "repeats the channel of a gray image.",
            choices=(1, 3),
        ),
    ] = None
    expansion: Annotated[
        str | None,
        Flag(
            "How an rgb565 input becomes 8 bits; zero_fill if not given.",
            choices=camera_dumps.EXPANSIONS,
        ),
    ] = None
    flip_horizontal: Annotated[bool, Flag("Left becomes right.")] = False
    flip_vertical: Annotated[bool, Flag("Top becomes bottom.")] = False
    rotate: Annotated[
        int, Flag("Degrees clockwise, after the flips.", choices=camera.ROTATIONS)
    ] = 0
    layout: Annotated[
        str | None,
        Flag(
            "Of a sampledata output; hwc if not given.", choices=sample_headers.LAYOUTS
        ),
    ] = None
    framing: Annotated[
        str | None,
        Flag(
            "Header in front of a camera dump that is written; none if not given.",
            choices=camera_dumps.FRAMINGS,
        ),
    ] = None

    def check(self) -> None:
        """A size is two numbers."""
        if (self.height is None) != (self.width is None):
            name = "width" if self.height is None else "height"
            raise errors.UsageError(
                f"--{name} alone says no size: give --height and --width"
            )


def main(command: Command) -> None:
    """Converts --input to --output."""
    if not command.input or not command.output:
        raise errors.UsageError(
            "say what to convert: --input=FILE --output=FILE. Formats: "
            f"{', '.join(camera.FORMATS)}"
        )
    source = command.source or _format_of(command.input, "from")
    target = command.target or _format_of(command.output, "to")
    reading, writing = _reading(command, source), _writing(command, target)

    image = camera.read(_content(command.input), source, reading)
    if command.channels is not None:
        image = camera.with_channels(image, command.channels)
    image = camera.oriented(
        image, command.flip_horizontal, command.flip_vertical, command.rotate
    )
    atomic_files.write_bytes(command.output, camera.write(image, target, writing))
    height, width, depth = image.shape
    print(f"{command.output}: {target}, {height}x{width} pixels, {depth} channel(s)")


def _reading(command: Command, source: str) -> camera.Reading:
    _require_for("expansion", command.expansion, source, ["rgb565"])
    size = None
    if command.height is not None and command.width is not None:
        size = command.height, command.width
    return camera.Reading(
        size=size,
        channels=command.channels if source == "sampledata" else None,
        expansion=command.expansion or "zero_fill",
    )


def _writing(command: Command, target: str) -> camera.Writing:
    _require_for("layout", command.layout, target, ["sampledata"])
    _require_for("framing", command.framing, target, camera_dumps.BYTES_A_PIXEL)
    return camera.Writing(
        layout=command.layout or "hwc", framing=command.framing or "none"
    )


def _format_of(path: str, flag: str) -> str:
    """Format that the file's name tells."""
    name = camera.format_of(path)
    if not name:
        raise errors.UsageError(
            f"the name '{path}' does not tell its format: give --{flag}, one of "
            f"{', '.join(camera.FORMATS)}"
        )
    return name


def _require_for(
    flag: str, value: str | None, name: str, formats: Collection[str]
) -> None:
    if value is not None and name not in formats:
        raise errors.UsageError(
            f"--{flag} is for {', '.join(formats)} only; this is {name}"
        )


def _content(path: str) -> bytes:
    with content.opened(path) as stream:
        data = stream.read(_MAX_INPUT_BYTES + 1)
    if len(data) > _MAX_INPUT_BYTES:
        raise errors.DataError(
            f"{path} has over {_MAX_INPUT_BYTES} bytes, more than any image of up to "
            f"{image_size.MAX_PIXELS} pixels"
        )
    return data


if __name__ == "__main__":
    entry.start(main, "camera", Command(), arguments=("input",))
