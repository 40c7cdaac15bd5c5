"""Converts an image between camera dumps, PNG and the files of the MAX78000 tools.

    python -m tfpipeline.camera --input=face.rgb565 --height=160 --width=120 \\
        --output=face.png

Formats and what each leaves open: docs/camera.md.
"""

import pathlib
from collections.abc import Collection, Sequence

from absl import flags

from tfpipeline import atomic_files, entry, errors
from tfpipeline.pictures import camera, camera_dumps, image_size, sample_headers

# A sample .npy, the longest form, has 24 bytes a pixel: 101 MB for MAX_PIXELS.
_MAX_INPUT_BYTES = 1 << 27
_CHANNELS = ("1", "3")

_INPUT = flags.DEFINE_string("input", None, "File to read.")
_OUTPUT = flags.DEFINE_string("output", None, "File to write.")
# Choices are checked in main, so that a wrong one is one line and exit code 2.
_FROM = flags.DEFINE_string(
    "from",
    None,
    f"Format of the input, if its name does not tell: {', '.join(camera.FORMATS)}.",
)
_TO = flags.DEFINE_string(
    "to", None, "Format of the output, if its name does not tell; as --from."
)
_HEIGHT = flags.DEFINE_string(
    "height", None, "Of the input in pixels; PNG, npy and dumps with a header say it."
)
_WIDTH = flags.DEFINE_string("width", None, "Of the input in pixels; see --height.")
_CHANNEL_COUNT = flags.DEFINE_string(
    "channels",
    None,
    "3 or 1. What a sampledata input holds, 3 if not given; with other inputs, 3 "
    "repeats the channel of a gray image.",
)
_EXPANSION = flags.DEFINE_string(
    "expansion",
    None,
    "How an rgb565 input becomes 8 bits: "
    f"{', '.join(camera_dumps.EXPANSIONS)}; zero_fill if not given.",
)
_FLIP_HORIZONTAL = flags.DEFINE_bool("flip_horizontal", False, "Left becomes right.")
_FLIP_VERTICAL = flags.DEFINE_bool("flip_vertical", False, "Top becomes bottom.")
_ROTATE = flags.DEFINE_string(
    "rotate", "0", "Degrees clockwise, after the flips: 0, 90, 180, 270."
)
_LAYOUT = flags.DEFINE_string(
    "layout", None, "Of a sampledata output: hwc or chw; hwc if not given."
)
_FRAMING = flags.DEFINE_string(
    "framing",
    None,
    "Header in front of a camera dump that is written: "
    f"{', '.join(camera_dumps.FRAMINGS)}; none if not given.",
)


def main(argv: Sequence[str]) -> None:
    """Converts --input to --output."""
    del argv  # entry.run refuses any.
    if not _INPUT.value or not _OUTPUT.value:
        raise errors.UsageError(
            "say what to convert: --input=FILE --output=FILE. Formats: "
            f"{', '.join(camera.FORMATS)}"
        )
    source = _format(_FROM, _INPUT.value)
    target = _format(_TO, _OUTPUT.value)
    reading, writing = _reading(source), _writing(target)
    rotate = int(_choice(_ROTATE, [str(each) for each in camera.ROTATIONS], "0"))
    channels = _channels()

    image = camera.read(_content(_INPUT.value), source, reading)
    if channels is not None:
        image = camera.with_channels(image, channels)
    image = camera.oriented(image, _FLIP_HORIZONTAL.value, _FLIP_VERTICAL.value, rotate)
    atomic_files.write_bytes(_OUTPUT.value, camera.write(image, target, writing))
    height, width, depth = image.shape
    print(f"{_OUTPUT.value}: {target}, {height}x{width} pixels, {depth} channel(s)")


def _reading(source: str) -> camera.Reading:
    _require_for(_EXPANSION, source, ["rgb565"])
    return camera.Reading(
        size=_size(),
        channels=_channels() if source == "sampledata" else None,
        expansion=_choice(_EXPANSION, camera_dumps.EXPANSIONS, "zero_fill"),
    )


def _writing(target: str) -> camera.Writing:
    _require_for(_LAYOUT, target, ["sampledata"])
    _require_for(_FRAMING, target, camera_dumps.BYTES_A_PIXEL)
    return camera.Writing(
        layout=_choice(_LAYOUT, sample_headers.LAYOUTS, "hwc"),
        framing=_choice(_FRAMING, camera_dumps.FRAMINGS, "none"),
    )


def _format(flag: flags.FlagHolder[str | None], path: str) -> str:
    """Format that the flag names, or else the file's name."""
    name = _choice(flag, camera.FORMATS, camera.format_of(path) or "")
    if not name:
        raise errors.UsageError(
            f"the name '{path}' does not tell its format: give --{flag.name}, one of "
            f"{', '.join(camera.FORMATS)}"
        )
    return name


def _choice(
    flag: flags.FlagHolder[str] | flags.FlagHolder[str | None],
    choices: Collection[str],
    default: str,
) -> str:
    value: str | None = flag.value
    if value is None:
        return default
    if value not in choices:
        raise errors.UsageError(
            f"--{flag.name} must be one of {', '.join(choices)}; found '{value}'"
        )
    return value


def _require_for(
    flag: flags.FlagHolder[str | None], name: str, formats: Collection[str]
) -> None:
    if flag.value is not None and name not in formats:
        raise errors.UsageError(
            f"--{flag.name} is for {', '.join(formats)} only; this is {name}"
        )


def _channels() -> int | None:
    if _CHANNEL_COUNT.value is None:
        return None
    return int(_choice(_CHANNEL_COUNT, _CHANNELS, ""))


def _size() -> image_size.Size | None:
    given = [flag for flag in (_HEIGHT, _WIDTH) if flag.value is not None]
    if not given:
        return None
    if len(given) == 1:
        raise errors.UsageError(
            f"--{given[0].name} alone says no size: give --height and --width"
        )
    return _pixels(_HEIGHT), _pixels(_WIDTH)


def _pixels(flag: flags.FlagHolder[str | None]) -> int:
    value = flag.value or ""
    if not (value.isascii() and value.isdigit() and 0 < len(value) < 10):
        raise errors.UsageError(
            f"--{flag.name} must be a whole number of pixels; found '{value}'"
        )
    return int(value)


def _content(path: str) -> bytes:
    try:
        with pathlib.Path(path).open("rb") as stream:
            data = stream.read(_MAX_INPUT_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise errors.StorageError(f"cannot read {path}: {reason}") from error
    if len(data) > _MAX_INPUT_BYTES:
        raise errors.DataError(
            f"{path} has over {_MAX_INPUT_BYTES} bytes, more than any image of up to "
            f"{image_size.MAX_PIXELS} pixels"
        )
    return data


if __name__ == "__main__":
    entry.run(main, "camera")
