"""Pictures of faces as the network takes them: gray, square, uint8."""

import io
import os
import warnings

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from tfpipeline import errors
from tfpipeline.pictures import image_size, luma
from tfpipeline.untrusted import content, damage

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
        StorageError: the file cannot be read, or is too large.
        DataError: no picture, damaged, of too many pixels, or not square.
    """
    data = content.read(path, _MAX_BYTES)
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
        raise errors.DataError(
            f"{path} is not a {' or '.join(FORMATS)} picture, or damaged: "
            f"{damage.reason(error)}"
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
