"""`sample_<dataset>.npy`: the input that MAX78000's synthesis tool simulates.

int64 [channels, height, width] of -128..127, the pixel minus 128. Source:
ai8x-synthesis, izer/sampledata.py, which refuses every other type.
"""

import io
import math
import re

import numpy as np
import numpy.typing as npt

from tfpipeline import errors
from tfpipeline.pictures import image_size

_OFFSET = 128
_BYTES_A_VALUE = 8
_MAGIC = b"\x93NUMPY"
# Magic, version of two bytes, length of the dictionary that follows it: two bytes in
# version 1, four in versions 2 and 3 (numpy.lib.format).
_LENGTH_BYTES = {1: 2, 2: 4, 3: 4}
# numpy.save writes the dictionary with sorted keys. NumPy's own reader evaluates it as
# Python and warns or fails in many ways where it is damaged.
_DICTIONARY = re.compile(
    rb"\{'descr': '([^']{1,40})', 'fortran_order': (True|False), "
    rb"'shape': \(((?:[0-9]{1,9}, ?)*[0-9]{0,9})\), ?\}\s*"
)


def write(image: npt.NDArray[np.uint8]) -> bytes:
    """File of uint8 [height, width, channels]."""
    values = image.transpose(2, 0, 1).astype(np.int64, order="C") - _OFFSET
    stream = io.BytesIO()
    np.save(stream, values, allow_pickle=False)
    return stream.getvalue()


def read(data: bytes, size: image_size.Size | None = None) -> npt.NDArray[np.uint8]:
    """Image of a sample.

    Args:
        data: the file.
        size: (height, width) that it must have, if given.

    Returns:
        uint8 [height, width, channels], 3 channels or 1.

    Raises:
        DataError: not such a file, truncated, of another type, shape or size, or a
            value lies outside -128..127.
    """
    dtype, fortran_order, shape, values = _split(data)
    if dtype not in ("<i8", ">i8"):
        raise errors.DataError(
            f"the type of a sample .npy must be int64; found {dtype!r}"
        )
    if len(shape) != 3 or shape[0] not in (1, 3):
        raise errors.DataError(
            "the shape of an image's sample .npy must be (3, height, width), or (1, "
            f"height, width) if it is gray; found {shape}"
        )
    height, width = shape[1:]
    image_size.require_valid((height, width), "the sample .npy")
    expected = math.prod(shape) * _BYTES_A_VALUE
    if len(values) != expected:
        raise errors.DataError(
            f"a sample .npy of shape {shape} has {expected} bytes of values, found "
            f"{len(values)}"
        )
    image_size.require_equal((height, width), size, "the sample .npy")
    array = np.frombuffer(values, dtype)
    array = array.reshape(shape[::-1]).T if fortran_order else array.reshape(shape)
    outside = (array < -_OFFSET) | (array >= _OFFSET)
    if outside.any():
        raise errors.DataError(
            "the values of a sample .npy must lie in -128..127; found "
            f"{int(array[outside][0])}"
        )
    image = (array + _OFFSET).astype(np.uint8)
    return np.ascontiguousarray(image.transpose(1, 2, 0))


def _split(data: bytes) -> tuple[str, bool, tuple[int, ...], bytes]:
    """Type, whether the first axis runs fastest, shape, and the bytes of the values."""
    start = len(_MAGIC) + 2
    if not data.startswith(_MAGIC) or len(data) <= start:
        raise errors.DataError("this is no .npy file: it must start with \\x93NUMPY")
    length_bytes = _LENGTH_BYTES.get(data[len(_MAGIC)])
    if length_bytes is None:
        raise errors.DataError(
            f"the version of a .npy file must be 1, 2 or 3; found {data[len(_MAGIC)]}"
        )
    end = start + length_bytes
    end += int.from_bytes(data[start:end], "little")
    match = _DICTIONARY.fullmatch(data[start + length_bytes : end])
    if match is None or end > len(data):
        raise errors.DataError(
            "malformed .npy header: expected {'descr': ..., 'fortran_order': ..., "
            "'shape': ..., } as numpy.save writes it"
        )
    shape = tuple(int(text) for text in re.findall(rb"[0-9]+", match[3]))
    return match[1].decode("latin-1"), match[2] == b"True", shape, data[end:]
