"""What MAX78000's camera interface leaves in memory: RGB565 and RGB888 dumps.

| format | bytes a pixel | order |
| --- | --- | --- |
| rgb565 | 2 | high byte first: R4..R0 G5..G3, then G2..G0 B4..B0 |
| rgb888x3 | 3 | R, G, B: without DMA |
| rgb888x4 | 4 | R, G, B, 0: with DMA |

The camera gives 5, 6 and 5 bits in every case; as RGB888 the interface pads them.
A dump is bare pixels, or has a header in front that states format, length, width and
height: the line `*IMG* RGB565 48 6 4` of the vendor's ImgCapture, or the binary
`*STR*` header of its CameraIF. Source: camera.c, ov7692.c, examples and PC tools of the
vendor's MSDK.
"""

import dataclasses
import re
import struct
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from tfpipeline import errors
from tfpipeline.pictures import image_size

BYTES_A_PIXEL = {"rgb565": 2, "rgb888x3": 3, "rgb888x4": 4}
_CHANNEL_BITS = (5, 6, 5)
# What headers call the formats; for RGB888 the length tells the two apart.
_HEADER_NAMES = {"rgb565": "RGB565", "rgb888x3": "RGB888", "rgb888x4": "RGB888"}

_LINE_START = b"*IMG* "
_LINE = re.compile(rb"\*IMG\* (\w{1,20}) (\d{1,10}) (\d{1,5}) (\d{1,5})\r?\n")
_BINARY_START = b"*STR*"
# Width, height, length of the format's name; after the name the length of the pixels.
_BINARY_SIZE = struct.Struct(">HHB")
_BINARY_LENGTH = struct.Struct(">I")

_Codes = npt.NDArray[np.int64]

# Codes of a few bits to 8 bits. zero_fill is what the firmware demos do, scale_255 what
# the vendor's PC converter does (it cuts fractions off).
EXPANSIONS: dict[str, Callable[[_Codes, int], _Codes]] = {
    "zero_fill": lambda codes, bits: codes << (8 - bits),
    "bit_replicate": lambda codes, bits: codes << (8 - bits) | codes >> (2 * bits - 8),
    "scale_255": lambda codes, bits: codes * 255 // (2**bits - 1),
}


@dataclasses.dataclass(frozen=True)
class Header:
    """What stands in front of the pixels of a dump."""

    name: str
    pixel_bytes: int
    size: image_size.Size


def _line(header: Header) -> bytes:
    height, width = header.size
    return f"*IMG* {header.name} {header.pixel_bytes} {width} {height}\n".encode()


def _binary(header: Header) -> bytes:
    height, width = header.size
    name = header.name.encode()
    if max(height, width) > 0xFFFF:
        raise errors.DataError(
            "a camera_if header holds up to 65535 pixels a side; found "
            f"{image_size.text(header.size)}"
        )
    return (
        _BINARY_START
        + _BINARY_SIZE.pack(width, height, len(name))
        + name
        + _BINARY_LENGTH.pack(header.pixel_bytes)
    )


# Writers of a header by the name of the firmware that sends it.
FRAMINGS: dict[str, Callable[[Header], bytes]] = {
    "none": lambda header: b"",
    "img_capture": _line,
    "camera_if": _binary,
}


def split_header(data: bytes) -> tuple[Header | None, bytes]:
    """Header of a dump and what follows it; None where it has no header.

    Raises:
        DataError: the dump starts like a header that then goes wrong.
    """
    if data.startswith(_LINE_START):
        match = _LINE.match(data)
        if match is None:
            raise errors.DataError(
                "malformed *IMG* header: expected the line "
                "'*IMG* <format> <bytes> <width> <height>'"
            )
        length, width, height = (int(text) for text in match.groups()[1:])
        name = match[1].decode("ascii")
        return Header(name, length, (height, width)), data[match.end() :]
    if data.startswith(_BINARY_START):
        return _split_binary(data)
    return None, data


def _split_binary(data: bytes) -> tuple[Header, bytes]:
    start = len(_BINARY_START)
    try:
        width, height, name_length = _BINARY_SIZE.unpack_from(data, start)
        start += _BINARY_SIZE.size
        name = data[start : start + name_length].decode("ascii")
        start += name_length
        (length,) = _BINARY_LENGTH.unpack_from(data, start)
    except (struct.error, UnicodeDecodeError) as error:
        raise errors.DataError(
            "malformed *STR* header: expected width and height of 2 bytes, the "
            "format's name and its length before it, and the pixels' length of 4 bytes"
        ) from error
    return Header(name, length, (height, width)), data[start + _BINARY_LENGTH.size :]


def read(
    data: bytes,
    pixel_format: str,
    size: image_size.Size | None = None,
    expansion: str = "zero_fill",
) -> npt.NDArray[np.uint8]:
    """Image of a dump.

    Args:
        data: bare pixels if `size` is given, else pixels behind a header.
        pixel_format: a key of BYTES_A_PIXEL.
        size: (height, width).
        expansion: a key of EXPANSIONS; for rgb565 only.

    Returns:
        uint8 [height, width, 3].

    Raises:
        DataError: the length is wrong, a header is missing, malformed or of another
            format, or the fourth byte of an rgb888x4 pixel is not 0.
    """
    if size is None:
        size, data = _behind_header(data, pixel_format)
    image_size.require_valid(size, pixel_format)
    _require_length(data, pixel_format, size)
    pixels = np.frombuffer(data, np.uint8).reshape(*size, -1)
    if pixel_format == "rgb565":
        return expand(np.frombuffer(data, ">u2").reshape(size), expansion)
    if pixel_format == "rgb888x4" and pixels[..., 3].any():
        first = int((pixels[..., 3] != 0).argmax())
        raise errors.DataError(
            f"rgb888x4: the fourth byte of pixel {first} is not 0: not a dump in this "
            "format"
        )
    return pixels[..., :3].copy()


def expand(codes: npt.NDArray[np.uint16], expansion: str) -> npt.NDArray[np.uint8]:
    """RGB image of RGB565 codes.

    Args:
        codes: uint16 [height, width], red in bits 15:11, blue in bits 4:0.
        expansion: a key of EXPANSIONS.

    Returns:
        uint8 [height, width, 3].
    """
    rule = EXPANSIONS[expansion]
    channels = []
    shift = 16
    for bits in _CHANNEL_BITS:
        shift -= bits
        levels = rule(np.arange(2**bits), bits).astype(np.uint8)
        channels.append(levels[(codes >> shift) & (2**bits - 1)])
    return np.stack(channels, axis=-1)


def reduce(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint16]:
    """RGB565 codes of uint8 [height, width, 3], low bits cut off as the camera does.

    `reduce(expand(codes, rule))` is `codes` for every rule.
    """
    codes = np.zeros(image.shape[:2], np.int64)
    for channel, bits in enumerate(_CHANNEL_BITS):
        codes = (codes << bits) | (image[..., channel] >> (8 - bits))
    return codes.astype(np.uint16)


def write(
    image: npt.NDArray[np.uint8], pixel_format: str, framing: str = "none"
) -> bytes:
    """Dump of an image.

    Args:
        image: uint8 [height, width, 3].
        pixel_format: a key of BYTES_A_PIXEL.
        framing: a key of FRAMINGS.

    Raises:
        DataError: the header has no room for the size.
    """
    height, width = image.shape[:2]
    if pixel_format == "rgb565":
        pixels = reduce(image).astype(">u2").tobytes()
    else:
        padded = np.zeros((height, width, BYTES_A_PIXEL[pixel_format]), np.uint8)
        padded[..., :3] = image
        pixels = padded.tobytes()
    header = Header(_HEADER_NAMES[pixel_format], len(pixels), (height, width))
    return FRAMINGS[framing](header) + pixels


def _behind_header(data: bytes, pixel_format: str) -> tuple[image_size.Size, bytes]:
    header, pixels = split_header(data)
    if header is None:
        raise errors.DataError(
            f"a dump without *IMG* or *STR* header does not say its size: give height "
            f"and width. {len(data)} bytes of {pixel_format}: "
            f"{_fits(len(data), pixel_format)}"
        )
    if header.name != _HEADER_NAMES[pixel_format]:
        names = [f for f, name in _HEADER_NAMES.items() if name == header.name]
        raise errors.DataError(
            f"the dump's header says {header.name!r}, not {pixel_format}: "
            + (f"it is {' or '.join(names)}" if names else "not supported")
            + f"; formats of dumps: {', '.join(BYTES_A_PIXEL)}"
        )
    if header.pixel_bytes != len(pixels):
        raise errors.DataError(
            f"the dump's header announces {header.pixel_bytes} bytes of pixels, "
            f"{len(pixels)} follow"
        )
    return header.size, pixels


def _require_length(data: bytes, pixel_format: str, size: image_size.Size) -> None:
    count = size[0] * size[1]
    expected = count * BYTES_A_PIXEL[pixel_format]
    if len(data) == expected:
        return
    advice = _fits(len(data), pixel_format, size)
    others = [f for f, each in BYTES_A_PIXEL.items() if count * each == len(data)]
    if others:
        advice = f"that is {others[0]} of this size"
    if data.startswith((_LINE_START, _BINARY_START)):
        advice = "the file starts with a header: leave out height and width"
    raise errors.DataError(
        f"{pixel_format} of {image_size.text(size)} pixels (height x width) has "
        f"{expected} bytes, found {len(data)}: {advice}"
    )


def _fits(length: int, pixel_format: str, near: image_size.Size | None = None) -> str:
    each = BYTES_A_PIXEL[pixel_format]
    if length % each:
        return f"no whole number of {each}-byte pixels"
    return image_size.fitting(length // each, near)
