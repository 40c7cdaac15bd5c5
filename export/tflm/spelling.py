"""Names, strings, numbers and arrays as C++ spells them."""

import re
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from export.c import literals

_COLUMNS = 80


def identifier(name: str) -> str:
    """A namespace: `model_`, then lower case letters, digits and single underscores.

    With the prefix no name starts with a digit, or is a keyword, or one that a header
    of the C library takes. Two underscores in a row are reserved.
    """
    return f"model_{literals.words(name)}"


def string(text: str) -> str:
    """A string literal with the bytes of `text` in UTF-8."""
    return f'"{"".join(map(_character, text.encode()))}"'


def real(value: float) -> str:
    """The float that C++ reads as this float32: nine digits tell all of them apart."""
    digits = f"{np.float32(value):.9g}"
    return f"{digits}f" if re.search(r"[.e]", digits) else f"{digits}.0f"


def array(values: npt.NDArray[np.integer]) -> str:
    """The numbers between commas, in indented lines of at most 80 columns."""
    return _lines(map(str, values.reshape(-1).tolist()))


def data(values: bytes) -> str:
    """The bytes in hexadecimal, likewise."""
    return _lines(f"0x{byte:02x}" for byte in values)


def _lines(items: Iterable[str]) -> str:
    lines: list[str] = []
    line = " "
    for item in items:
        if len(line) + len(item) + 2 > _COLUMNS:
            lines.append(line)
            line = " "
        line += f" {item},"
    return "".join(f"{each}\n" for each in (*lines, line))


def _character(byte: int) -> str:
    # `?` too: `??/` is a backslash to compilers that know trigraphs.
    if 0x20 <= byte < 0x7F and chr(byte) not in '"\\?':
        return chr(byte)
    # Three octal digits end by themselves; hexadecimal ones would go on.
    return f"\\{byte:03o}"
