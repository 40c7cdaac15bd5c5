"""`sampledata.h` of MAX78000's synthesis tool: an input image as macros of C words.

    #define SAMPLE_INPUT_0 { \\
      0x00808078, 0x00807c80, ... eight words a line, \\
      0x00286488, 0x00f8bc10 \\
    }

HWC has one array with a word a pixel (`cnn_words`). CHW has an array a channel with
four consecutive pixels of it in a word, the first in bits 7:0, the last word filled up
with zero bytes; its macros are numbered by the processor that takes the channel. A
header says neither its size nor, in HWC, its channels. Source: ai8x-synthesis, c_define
in izer/toplevel.py and load in izer/load.py; the examples of the vendor's MSDK are the
same words wrapped differently, so where lines break means nothing to the reader.
"""

import re

import numpy as np
import numpy.typing as npt

from tfpipeline import errors
from tfpipeline.pictures import cnn_words, image_size

LAYOUTS = ("hwc", "chw")
_COMMENT_LINE = "// This file was @generated automatically\n\n"
_WORDS_A_LINE = 8
_BYTES_A_WORD = cnn_words.BYTES_A_WORD
# Channels that are not packed into one word lie in different memories, each shared by
# four processors: the tool's 0x111 for an RGB image in CHW.
_PROCESSORS_A_MEMORY = 4
# An unclosed comment takes the rest of the text, so that the pattern stays linear.
_COMMENT = re.compile(r"//[^\n]*|/\*(?:.*?\*/|.*)", re.DOTALL)
_MACRO = re.compile(r"#\s*define\s+SAMPLE_INPUT_([0-9]{1,4})\s*\{([^{}]*)\}")
_WORD = re.compile(r"0[xX][0-9a-fA-F]{1,8}")

_Words = npt.NDArray[np.uint32]


def write(image: npt.NDArray[np.uint8], layout: str = "hwc") -> bytes:
    """Header of an image, character by character as the vendor's tool writes it.

    Args:
        image: uint8 [height, width, channels].
        layout: one of LAYOUTS.
    """
    if layout == "hwc":
        arrays = [cnn_words.pack(image).ravel()]
    else:
        arrays = [_channel_words(image[..., c]) for c in range(image.shape[2])]
    macros = (_macro(_PROCESSORS_A_MEMORY * i, words) for i, words in enumerate(arrays))
    return (_COMMENT_LINE + "".join(macros)).encode("ascii")


def _channel_words(channel: npt.NDArray[np.uint8]) -> _Words:
    padded = np.zeros(_words_a_channel(channel.size) * _BYTES_A_WORD, np.uint8)
    padded[: channel.size] = channel.ravel() ^ cnn_words.SIGN_BIT
    return padded.view("<u4").astype(np.uint32)


def _words_a_channel(pixels: int) -> int:
    return -(-pixels // _BYTES_A_WORD)


def _macro(number: int, words: _Words) -> str:
    texts = [f"0x{word:08x}" for word in words.tolist()]
    lines = [
        ", ".join(texts[i : i + _WORDS_A_LINE])
        for i in range(0, len(texts), _WORDS_A_LINE)
    ]
    body = ", \\\n  ".join(lines)
    return f"#define SAMPLE_INPUT_{number} {{ \\\n  {body} \\\n}}\n"


def read(
    data: bytes, size: image_size.Size | None, channels: int | None = None
) -> npt.NDArray[np.uint8]:
    """Image of a header; its layout is found from the number and length of its arrays.

    Args:
        data: the file.
        size: (height, width).
        channels: 3 or 1; None is 3. A gray header must be asked for: cut off behind
            its first array, a CHW header of three channels looks like one.

    Returns:
        uint8 [height, width, channels].

    Raises:
        DataError: the text is malformed, the size is not given or does not fit, or
            the words do not hold that many channels.
    """
    arrays = parse(data)
    if size is None:
        raise errors.DataError(
            "sampledata does not say its size: give height and width. Found "
            f"{_found(arrays, size)}"
        )
    image_size.require_valid(size, "sampledata")
    pixels = size[0] * size[1]
    chw = _words_a_channel(pixels)
    count = channels or 3
    lengths = [len(words) for words in arrays]
    if lengths == [pixels]:
        _require_unambiguous(arrays[0], channels)
        return cnn_words.unpack(arrays[0], size, count, "HWC")
    if lengths == [chw] * count:
        return np.stack([_channel(words, size) for words in arrays], axis=-1)
    raise errors.DataError(
        f"sampledata of {image_size.text(size)} pixels (height x width) and {count} "
        f"channel(s) has one array of {pixels} words, {pixels * _BYTES_A_WORD} bytes "
        f"(HWC), or {count} of {chw} words, {chw * _BYTES_A_WORD} bytes (CHW); found "
        f"{_found(arrays, size)}"
    )


def parse(data: bytes) -> list[_Words]:
    """Arrays of a header in the order of their numbers, each uint32 [words].

    Raises:
        DataError: the text is malformed.
    """
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise errors.DataError(
            f"malformed sampledata: byte {error.start} is not text; is this a C header?"
        ) from error
    text = text.replace("\r\n", "\n").replace("\\\n", " ")
    arrays: dict[int, _Words] = {}
    for line in _COMMENT.sub(" ", text).split("\n"):
        if not line.strip():
            continue
        match = _MACRO.fullmatch(line.strip())
        if match is None:
            raise errors.DataError(
                "malformed sampledata: expected '#define SAMPLE_INPUT_<number> "
                f"{{ <words> }}' with \\ at the ends of its lines; found "
                f"{line.strip()[:40]!r}"
            )
        number = int(match[1])
        if number in arrays:
            raise errors.DataError(
                f"malformed sampledata: SAMPLE_INPUT_{number} stands there twice"
            )
        arrays[number] = _parse_words(match[2], number)
    if not arrays:
        raise errors.DataError("malformed sampledata: it has no SAMPLE_INPUT macro")
    return [arrays[number] for number in sorted(arrays)]


def _parse_words(body: str, number: int) -> _Words:
    texts = [text.strip() for text in body.split(",")]
    if len(texts) > 1 and not texts[-1]:
        del texts[-1]  # C allows a comma behind the last word.
    for i, text in enumerate(texts):
        if _WORD.fullmatch(text) is None:
            raise errors.DataError(
                f"malformed sampledata: word {i} of SAMPLE_INPUT_{number} must be "
                f"0x and 1 to 8 hexadecimal digits; found {text[:40]!r}"
            )
    return np.array([int(text, 16) for text in texts], np.uint32)


def _require_unambiguous(words: _Words, channels: int | None) -> None:
    if channels is None and not (words >> 8).any():
        raise errors.DataError(
            "each word of the HWC header holds one byte: give channels 1 if it is a "
            "gray image, 3 if its green and blue are 128 everywhere"
        )


def _channel(words: _Words, size: image_size.Size) -> npt.NDArray[np.uint8]:
    packed = words.astype("<u4").view(np.uint8)
    pixels = size[0] * size[1]
    if packed[pixels:].any():
        raise errors.DataError(
            f"the CHW header has data behind {image_size.text(size)} pixels (height x "
            f"width): up to {image_size.fitting(packed.size, size)}"
        )
    return packed[:pixels].reshape(size) ^ cnn_words.SIGN_BIT


def _found(arrays: list[_Words], size: image_size.Size | None) -> str:
    lengths = sorted({len(words) for words in arrays})
    text = f"{len(arrays)} array(s) of {' or '.join(map(str, lengths))} words"
    if len(arrays) == 1:
        return f"{text}: as HWC {image_size.fitting(lengths[0], size)}"
    if len(arrays) == 3 and len(lengths) == 1:
        pixels = lengths[0] * _BYTES_A_WORD
        return f"{text}: as CHW up to {image_size.fitting(pixels, size)}"
    return text
