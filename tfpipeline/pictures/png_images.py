"""PNG images of 8 bits a channel, RGB or gray."""

import io
import warnings

import numpy as np
import numpy.typing as npt
from PIL import Image

from tfpipeline import errors
from tfpipeline.pictures import image_size

# IHDR must be a file's first chunk: signature 8 bytes, length 4, name 4, width 4,
# height 4, then the bits of a channel (PNG specification, 11.2.2).
_BIT_DEPTH_AT = 24


def write(image: npt.NDArray[np.uint8]) -> bytes:
    """PNG of uint8 [height, width, channels]: RGB for 3 channels, gray for 1."""
    pixels = image[..., 0] if image.shape[2] == 1 else image
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def read(data: bytes, size: image_size.Size | None = None) -> npt.NDArray[np.uint8]:
    """Image of a PNG file.

    Args:
        data: the file.
        size: (height, width) that it must have, if given.

    Returns:
        uint8 [height, width, 3], or [height, width, 1] if the PNG is gray.

    Raises:
        DataError: not a PNG, damaged, of another size, over 8 bits a channel, or with
            transparent pixels.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with Image.open(io.BytesIO(data), formats=["PNG"]) as picture:
                found = (picture.height, picture.width)
                image_size.require_valid(found, "the PNG")
                image_size.require_equal(found, size, "the PNG")
                return _pixels(picture, data[_BIT_DEPTH_AT])
    except errors.DataError:
        raise
    # Damage makes Pillow raise SyntaxError, struct.error, AssertionError and others.
    except Exception as error:
        text = str(error) or type(error).__name__
        raise errors.DataError(f"not a PNG, or damaged: {text}") from error


def _pixels(picture: Image.Image, bit_depth: int) -> npt.NDArray[np.uint8]:
    if bit_depth > 8:
        raise errors.DataError(
            f"a PNG must have up to 8 bits a channel, as the camera gives; found "
            f"{bit_depth}"
        )
    if picture.has_transparency_data:
        alpha = np.asarray(picture.convert("RGBA"))[..., 3]
        if (alpha < 255).any():
            raise errors.DataError(
                "the PNG has transparent pixels, which no other format has; give it a "
                "background first"
            )
    if picture.mode in ("1", "L", "LA"):
        return np.asarray(picture.convert("L"))[..., np.newaxis].copy()
    return np.asarray(picture.convert("RGB")).copy()
