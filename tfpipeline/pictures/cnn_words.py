"""Pixels as MAX78000's accelerator takes them: signed bytes in 32-bit words.

A pixel of an RGB image is `0x00BBGGRR ^ 0x00808080`: each byte is the channel minus 128
as int8, channel 0 in bits 7:0, unused bytes 0. So bright red, which a camera of 5 bits
gives as 248, is 0x00808078. Source: the vendor's camera demos write these words to the
input FIFO, and ai8x-synthesis packs its samples so (izer/load.py).
"""

import numpy as np
import numpy.typing as npt

from tfpipeline import errors
from tfpipeline.pictures import image_size

BYTES_A_WORD = 4
_CHANNELS = 3
# Flipping the top bit of uint8 v gives the byte of int8 v - 128.
SIGN_BIT = np.uint8(0x80)


def pack(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint32]:
    """Words of an image, one a pixel.

    Args:
        image: uint8 [height, width, channels], up to four channels.

    Returns:
        uint32 [height, width].
    """
    packed = np.zeros((*image.shape[:2], BYTES_A_WORD), np.uint8)
    packed[..., : image.shape[2]] = image ^ SIGN_BIT
    return packed.view("<u4")[..., 0].astype(np.uint32)


def unpack(
    words: npt.NDArray[np.uint32], size: image_size.Size, channels: int, what: str
) -> npt.NDArray[np.uint8]:
    """Image of words that hold one pixel each; the inverse of `pack`.

    Args:
        words: uint32, height x width of them.
        size: (height, width).
        channels: how many bytes of a word are in use.
        what: the source, for the message.

    Returns:
        uint8 [height, width, channels].

    Raises:
        DataError: a byte that no channel uses is not 0, so these are other data.
    """
    packed = np.ascontiguousarray(words, "<u4").view(np.uint8)
    packed = packed.reshape(*size, BYTES_A_WORD)
    unused = packed[..., channels:].any(axis=-1).ravel()
    if unused.any():
        first = int(unused.argmax())
        raise errors.DataError(
            f"{what}: word {first} is 0x{int(words.ravel()[first]):08x}, which holds "
            f"more than {channels} channel(s): not an image in this format, or not of "
            f"{channels} channel(s)"
        )
    return packed[..., :channels] ^ SIGN_BIT


def read(data: bytes, size: image_size.Size | None) -> npt.NDArray[np.uint8]:
    """Image of a file of little-endian words.

    Returns:
        uint8 [height, width, 3].

    Raises:
        DataError: the size is not given, the length is wrong, or a fourth byte is in
            use.
    """
    if size is None:
        raise errors.DataError(
            "cnn_words do not say their size: give height and width. "
            f"{len(data)} bytes: {_fits(len(data), size)}"
        )
    image_size.require_valid(size, "cnn_words")
    expected = size[0] * size[1] * BYTES_A_WORD
    if len(data) != expected:
        raise errors.DataError(
            f"cnn_words of {image_size.text(size)} pixels (height x width) have "
            f"{expected} bytes, found {len(data)}: {_fits(len(data), size)}"
        )
    return unpack(np.frombuffer(data, "<u4"), size, _CHANNELS, "cnn_words")


def write(image: npt.NDArray[np.uint8]) -> bytes:
    """File of little-endian words of uint8 [height, width, 3]."""
    return pack(image).astype("<u4").tobytes()


def _fits(length: int, near: image_size.Size | None) -> str:
    if length % BYTES_A_WORD:
        return f"no whole number of {BYTES_A_WORD}-byte words"
    return image_size.fitting(length // BYTES_A_WORD, near)
