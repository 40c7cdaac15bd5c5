"""Names, strings, numbers and arrays as C++ spells them."""

import re
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

_COLUMNS = 80

# No name of ours may be one of these: C++17, [lex.key] and [lex.operators].
_KEYWORDS = re.findall(
    r"\w+",
    """
    alignas alignof and and_eq asm auto bitand bitor bool break case catch char
    char16_t char32_t class compl const const_cast constexpr continue decltype
    default delete do double dynamic_cast else enum explicit export extern false
    float for friend goto if inline int long mutable namespace new noexcept not
    not_eq nullptr operator or or_eq private protected public register
    reinterpret_cast return short signed sizeof static static_assert static_cast
    struct switch template this thread_local throw true try typedef typeid
    typename union unsigned using virtual void volatile wchar_t while xor xor_eq
    """,
)

# Namespaces that the generated files use themselves, and macros of old compilers.
_TAKEN = {*_KEYWORDS, "std", "tflite", "main", "unix", "linux"}


def identifier(name: str) -> str:
    """A name for the namespace: lower case letters, digits and single underscores.

    `__` is reserved in C++, and so are keywords; a digit does not start a name.
    """
    found = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_") or "network"
    return f"network_{found}" if found[0].isdigit() or found in _TAKEN else found


def string(text: str) -> str:
    """A string literal with the bytes of `text` in UTF-8."""
    return f'"{"".join(map(_character, text.encode()))}"'


def comment(text: str) -> str:
    """Text for a comment to the line's end; what is not printable ASCII becomes `?`.

    A backslash at the end would make the next line part of the comment.
    """
    return re.sub(r"[^ -~]|\\", "?", text)


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
