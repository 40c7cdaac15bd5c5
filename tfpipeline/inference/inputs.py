"""Inputs of a network from the user's files, with nothing beside them to learn."""

import pathlib
from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

from tfpipeline import errors
from tfpipeline.configs import images
from tfpipeline.data import forms, preprocessing
from tfpipeline.data.own import pictures, tables, wave_folders
from tfpipeline.untrusted import arrays, content

Array = npt.NDArray[np.float32]

_ARRAYS = (".npy",)
SUFFIXES = (
    *forms.PICTURE_SUFFIXES,
    *forms.WAVE_SUFFIXES,
    *forms.TABLE_SUFFIXES,
    *_ARRAYS,
)


def read(
    source: str,
    shape: tuple[int, ...],
    reading: images.Reading,
    pixels: preprocessing.Preprocessing,
) -> Iterator[tuple[str, Array]]:
    """What a network reads of a file, or of each in a folder and in those below it.

    Args:
        source: a picture, a `.wav`, a table, a `.npy` of one input or several, or a
            folder of them.
        shape: of one input.
        reading: how such files become inputs; docs/data.md.
        pixels: what the network reads of a pixel, for pictures and arrays of uint8.

    Yields:
        Name of a file, with the place in it where there are several inputs, and the
        input, float32 `[*shape]`.

    Raises:
        DataError: there is no such file, or it cannot be read; or its inputs are of
            another shape, or not finite.
    """
    for path in files(source):
        reader = next(read for ends, read in _READERS if _ends(path, ends))
        found = reader(str(path), shape, reading, pixels)
        if found.shape[1:] != shape:
            raise errors.DataError(
                f"{path} gives inputs of shape {list(found.shape[1:])}; the network "
                f"reads {list(shape)}{_advice(path)}"
            )
        if not np.isfinite(found).all():
            raise errors.DataError(f"{path} holds what is not a finite number")
        for place, values in enumerate(found):
            yield (str(path) if len(found) == 1 else f"{path}[{place}]"), values


def files(source: str) -> list[pathlib.Path]:
    """A file, or those of a folder and below, by name.

    Raises:
        DataError: there are none.
    """
    place = pathlib.Path(source)
    if not content.exists(place):
        raise errors.DataError(f"there is no {errors.brief(source)} for --input")
    if not place.is_dir():
        if not _ends(place, SUFFIXES):
            raise errors.DataError(
                f"{place} is no input by its name: give one of {', '.join(SUFFIXES)}"
            )
        return [place]
    found = sorted(
        path
        for path in place.rglob("*")
        if _ends(path, SUFFIXES) and not path.name.startswith(".") and path.is_file()
    )
    if not found:
        raise errors.DataError(
            f"the folder {place} holds no input: none of {', '.join(SUFFIXES)}"
        )
    return found


def _ends(path: pathlib.Path, suffixes: tuple[str, ...]) -> bool:
    return path.suffix.lower() in suffixes


def _picture(
    path: str,
    shape: tuple[int, ...],
    reading: images.Reading,
    pixels: preprocessing.Preprocessing,
) -> Array:
    if len(shape) != 3 or shape[2] not in (1, 3):
        raise errors.DataError(
            f"{path} is a picture; the network reads inputs of shape {list(shape)}"
        )
    size = reading.height_and_width
    if size is None:
        size = pictures.look([path]).size
        if size != shape[:2]:
            raise errors.DataError(
                f"{path} has {size[0]}x{size[1]} pixels (height x width), the network "
                f"reads {shape[0]}x{shape[1]}: give --image_size={shape[0]},{shape[1]}"
            )
    look = pictures.Look(size, shape[2])
    return pixels.real(pictures.read_one(path, look)[np.newaxis])


def _wave(
    path: str,
    shape: tuple[int, ...],
    reading: images.Reading,
    pixels: preprocessing.Preprocessing,
) -> Array:
    return wave_folders.unlabeled(path, reading.sound, shape)


def _table(
    path: str,
    shape: tuple[int, ...],
    reading: images.Reading,
    pixels: preprocessing.Preprocessing,
) -> Array:
    return tables.unlabeled(path, reading)


def _array(
    path: str,
    shape: tuple[int, ...],
    reading: images.Reading,
    pixels: preprocessing.Preprocessing,
) -> Array:
    try:
        stored = arrays.parse_npy(content.read(path), path)
    except errors.StorageError as error:
        raise errors.DataError(str(error)) from error
    if stored.dtype.kind not in "iuf":
        raise errors.DataError(f"{path} must hold numbers; found {stored.dtype}")
    several = stored if stored.ndim == 1 + len(shape) else stored[np.newaxis]
    if several.dtype == np.uint8:
        return pixels.real(several)
    with np.errstate(over="ignore"):  # Infinite then, and told.
        return several.astype(np.float32)


def _advice(path: pathlib.Path) -> str:
    if _ends(path, forms.WAVE_SUFFIXES):
        return "; give --front_end and its parameters as in training"
    if _ends(path, forms.TABLE_SUFFIXES):
        return "; give --columns, and --window=ROWS for windows, as in training"
    return ""


_Reader = Callable[
    [str, tuple[int, ...], images.Reading, preprocessing.Preprocessing], Array
]
_READERS: tuple[tuple[tuple[str, ...], _Reader], ...] = (
    (forms.PICTURE_SUFFIXES, _picture),
    (forms.WAVE_SUFFIXES, _wave),
    (forms.TABLE_SUFFIXES, _table),
    (_ARRAYS, _array),
)
