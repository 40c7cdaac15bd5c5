"""Pictures of faces as the network takes them: gray, square, uint8."""

import io
import os
import pathlib
import warnings

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from tfpipeline import errors
from tfpipeline.pictures import image_size, luma

FORMATS = ("PNG", "JPEG")
# More than any picture of MAX_PIXELS pixels needs.
_MAX_BYTES = 1 << 25


def read(path: str | os.PathLike[str], side: int) -> npt.NDArray[np.uint8]:
    """Reads the picture of one face.

    Faces are not aligned: the network was trained on squares around faces, and a
    picture should show the same. One of another size is resized (bilinear,
    antialiased).

    Args:
        path: a PNG or JPEG file.
        side: rows and columns that the network takes.

    Returns:
        uint8 [side, side, 1].

    Raises:
        StorageError: the file cannot be read.
        DataError: no picture, damaged, too large, or not square.
    """
    data = _content(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with Image.open(io.BytesIO(data), formats=list(FORMATS)) as picture:
                size = (picture.height, picture.width)
                image_size.require_valid(size, str(path))
                upright = ImageOps.exif_transpose(picture)
                pixels = np.asarray(upright.convert("RGB"))
    except errors.DataError:
        raise
    # Damage makes Pillow raise SyntaxError, struct.error, AssertionError and others.
    except Exception as error:
        reason = str(error) or type(error).__name__
        raise errors.DataError(
            f"{path} is not a {' or '.join(FORMATS)} picture, or damaged: {reason}"
        ) from error
    height, width = pixels.shape[:2]
    if height != width:
        raise errors.DataError(
            f"{path} must be a square around one face; found "
            f"{image_size.text((height, width))}: crop it first"
        )
    return _resized(luma.gray(pixels), side)


def _resized(pixels: npt.NDArray[np.uint8], side: int) -> npt.NDArray[np.uint8]:
    if pixels.shape[0] == side:
        return pixels
    picture = Image.fromarray(pixels[..., 0])
    small = picture.resize((side, side), Image.Resampling.BILINEAR)
    return np.asarray(small)[..., np.newaxis].copy()


def _content(path: str | os.PathLike[str]) -> bytes:
    try:
        with pathlib.Path(path).open("rb") as stream:
            data = stream.read(_MAX_BYTES + 1)
    except OSError as error:
        raise errors.StorageError(
            f"cannot read {path}: {error.strerror or error}"
        ) from error
    if len(data) > _MAX_BYTES:
        raise errors.DataError(
            f"{path} has over {_MAX_BYTES} bytes: no picture of a face"
        )
    return data
