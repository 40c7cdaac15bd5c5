"""Images between the camera, the accelerator, the vendor's tools and PNG.

Every format is read into and written from one form, an image: uint8
[height, width, 3], red first; [height, width, 1] for gray where a format has that.

| format | what | its module |
| --- | --- | --- |
| rgb565, rgb888x3, rgb888x4 | camera dumps of 2, 3 and 4 bytes a pixel | camera_dumps |
| png | RGB or gray | png_images |
| cnn_words | 32-bit words for the accelerator | cnn_words |
| sampledata | `sampledata.h`, those words as C | sample_headers |
| npy | `sample_<dataset>.npy` for the synthesis tool | sample_arrays |
"""

import dataclasses
import functools
import os
import pathlib
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from tfpipeline import errors
from tfpipeline.pictures import (
    camera_dumps,
    cnn_words,
    image_size,
    png_images,
    sample_arrays,
    sample_headers,
)

RgbImage = npt.NDArray[np.uint8]

# Degrees clockwise.
ROTATIONS = (0, 90, 180, 270)


@dataclasses.dataclass(frozen=True)
class Reading:
    """What a file may leave open.

    Attributes:
        size: (height, width) in pixels; None if the file says it.
        channels: of sampledata, which does not say it: 3 or 1; None is 3.
        expansion: of rgb565 to 8 bits, a key of camera_dumps.EXPANSIONS.
    """

    size: image_size.Size | None = None
    channels: int | None = None
    expansion: str = "zero_fill"


@dataclasses.dataclass(frozen=True)
class Writing:
    """Which of a format's forms to write.

    Attributes:
        layout: of sampledata, one of sample_headers.LAYOUTS.
        framing: of a camera dump, a key of camera_dumps.FRAMINGS.
    """

    layout: str = "hwc"
    framing: str = "none"


@dataclasses.dataclass(frozen=True)
class Format:
    """A format: its functions, and how many channels it may hold."""

    read: Callable[[bytes, Reading], RgbImage]
    write: Callable[[RgbImage, Writing], bytes]
    channels: tuple[int, ...]


def _read_dump(name: str, data: bytes, how: Reading) -> RgbImage:
    return camera_dumps.read(data, name, how.size, how.expansion)


def _write_dump(name: str, image: RgbImage, how: Writing) -> bytes:
    return camera_dumps.write(image, name, how.framing)


FORMATS: dict[str, Format] = {
    **{
        name: Format(
            functools.partial(_read_dump, name),
            functools.partial(_write_dump, name),
            (3,),
        )
        for name in camera_dumps.BYTES_A_PIXEL
    },
    "png": Format(
        lambda data, how: png_images.read(data, how.size),
        lambda image, how: png_images.write(image),
        (1, 3),
    ),
    "cnn_words": Format(
        lambda data, how: cnn_words.read(data, how.size),
        lambda image, how: cnn_words.write(image),
        (3,),
    ),
    "sampledata": Format(
        lambda data, how: sample_headers.read(data, how.size, how.channels),
        lambda image, how: sample_headers.write(image, how.layout),
        (1, 3),
    ),
    "npy": Format(
        lambda data, how: sample_arrays.read(data, how.size),
        lambda image, how: sample_arrays.write(image),
        (1, 3),
    ),
}


def format_of(path: str | os.PathLike[str]) -> str | None:
    """Format that a file's name tells: its suffix, or sampledata for `.h`."""
    suffix = pathlib.Path(path).suffix.lower().removeprefix(".")
    name = "sampledata" if suffix == "h" else suffix
    return name if name in FORMATS else None


def read(data: bytes, name: str, how: Reading = Reading()) -> RgbImage:
    """Image of the content of a file.

    Args:
        data: the whole file.
        name: a key of FORMATS.
        how: what the file leaves open.

    Returns:
        uint8 [height, width, 3], or [height, width, 1] if the file is gray.

    Raises:
        DataError: the file is damaged, of another size, or leaves open what `how` does
            not say.
    """
    return FORMATS[name].read(data, how)


def write(image: RgbImage, name: str, how: Writing = Writing()) -> bytes:
    """Content of a file with an image.

    Args:
        image: uint8 [height, width, 3], or [height, width, 1] for a gray one.
        name: a key of FORMATS.
        how: which of the format's forms.

    Raises:
        DataError: the array is no image, or the format cannot hold it.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] not in (1, 3):
        raise errors.DataError(
            "an image is uint8 [height, width, 3 or 1]; found "
            f"{image.dtype} {list(image.shape)}"
        )
    image_size.require_valid(image.shape[:2], "the image")
    if image.shape[2] not in FORMATS[name].channels:
        raise errors.DataError(
            f"{name} has no gray images; make it one of 3 channels first"
        )
    return FORMATS[name].write(image, how)


def with_channels(image: RgbImage, channels: int) -> RgbImage:
    """Image of `channels` channels: a gray one is repeated for 3.

    Raises:
        DataError: a color image would have to become gray, for which there are many
            rules and no camera's.
    """
    if image.shape[2] == channels:
        return image
    if channels == 1:
        raise errors.DataError("the image has 3 channels; convert it to gray first")
    return np.repeat(image, channels, axis=2)


def oriented(
    image: RgbImage,
    flip_horizontal: bool = False,
    flip_vertical: bool = False,
    rotate: int = 0,
) -> RgbImage:
    """Image flipped first and rotated then.

    Args:
        image: uint8 [height, width, channels].
        flip_horizontal: left becomes right.
        flip_vertical: top becomes bottom.
        rotate: degrees clockwise, one of ROTATIONS.
    """
    if flip_horizontal:
        image = image[:, ::-1]
    if flip_vertical:
        image = image[::-1]
    return np.ascontiguousarray(np.rot90(image, -ROTATIONS.index(rotate)))
