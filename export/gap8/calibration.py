"""Array for calibration, from the user's files, as the network takes them."""

import pathlib

import numpy as np

from tfpipeline import errors
from tfpipeline.ir import graph
from tfpipeline.pictures import png_images
from tfpipeline.untrusted import arrays, content

Array = graph.Array

# What a network's input is made of a camera's pixel of 0 to 255.
SIGNED = "signed"  # (pixel - 128) / 128, as training has it
UNIT = "unit"  # pixel / 256, as training with --nonormalize
RAW = "raw"  # the pixel
PIXELS = (SIGNED, UNIT, RAW)

_ARRAYS = (".npy", ".npz")
_IMAGES = (".npy", ".png")


def read(path: str, shape: tuple[int, ...], pixels: str) -> Array:
    """Reads images.

    Args:
        path: a `.npy` or `.npz` file of numbers `[N, rows, columns, channels]` as the
            network takes them, or a folder of `.npy` files with an image each, or of
            `.png` files.
        shape: of the network's input, without the batch.
        pixels: what the network takes of a PNG's pixels, of `PIXELS`.

    Returns:
        float32 `[N, *shape]`, in the order of the files' names.

    Raises:
        UsageError: neither such a file nor a folder with any.
        DataError: a file cannot be read, or holds another shape, or what is no number.
    """
    place = pathlib.Path(path)
    if place.is_dir():
        files = sorted(f for f in place.iterdir() if f.suffix.lower() in _IMAGES)
        if not files:
            raise errors.UsageError(f"the folder '{place}' holds no .png and no .npy")
        return np.stack([_image(file, shape, pixels) for file in files])
    if place.suffix.lower() not in _ARRAYS or not place.exists():
        raise errors.UsageError(
            f"--calibration must name a .npy or .npz file, or a folder of .png or .npy "
            f"images, that exists; found '{place}'"
        )
    return _checked(place, _array(place), shape)


def _image(file: pathlib.Path, shape: tuple[int, ...], pixels: str) -> Array:
    if file.suffix.lower() == ".npy":
        stored: Array = _checked(file, _array(file)[np.newaxis], shape)[0]
        return stored
    try:
        found: Array = png_images.read(content.read(file)).astype(np.float32)
    except (errors.StorageError, errors.DataError) as error:
        raise errors.DataError(f"cannot read {file}: {error}") from error
    if pixels == SIGNED:
        found = (found - np.float32(128)) / np.float32(128)
    elif pixels == UNIT:
        found = found / np.float32(256)
    image: Array = _checked(file, found[np.newaxis], shape)[0]
    return image


def _array(file: pathlib.Path) -> Array:
    """The array of a `.npy`, or the one of an `.npz`, called `images` if of several."""
    try:
        data = content.read(file)
        if arrays.is_npy(data):
            return arrays.parse_npy(data, str(file))
        stored = arrays.parse_npz(data, str(file))
    except errors.StorageError as error:
        raise errors.DataError(str(error)) from error
    if "images" in stored:
        return stored["images"]
    if len(stored) == 1:
        return next(iter(stored.values()))
    raise errors.DataError(
        f"{file} must hold one array, or one called 'images'; it has "
        f"{errors.listed(stored) or 'none'}"
    )


def _checked(file: pathlib.Path, values: Array, shape: tuple[int, ...]) -> Array:
    fits = values.ndim and len(values) and values.shape[1:] == shape
    if not fits or values.dtype.kind not in "iuf":
        sizes = ", ".join(map(str, shape))
        raise errors.DataError(
            f"{file} must hold numbers of shape (N, {sizes}), N >= 1; found "
            f"{values.dtype} {values.shape}"
        )
    found = values.astype(np.float32)
    if not np.isfinite(found).all():
        raise errors.DataError(f"{file} holds what is not a finite number")
    return found
