"""Values, names and comments as C spells them."""

import re
import string as templates
import textwrap
import unicodedata
from collections.abc import Iterable, Mapping, Sequence

_COLUMNS = 88


# Headers of the library, beside which a file of the same name would be found first.
_HEADERS = frozenset(
    {
        *("assert", "complex", "ctype", "errno", "fenv", "float", "inttypes", "iso646"),
        *("limits", "locale", "math", "setjmp", "signal", "stdalign", "stdarg"),
        *("stdatomic", "stdbool", "stddef", "stdint", "stdio", "stdlib", "stdnoreturn"),
        *("string", "tgmath", "threads", "time", "uchar", "wchar", "wctype"),
    }
)


def words(name: str) -> str:
    """Lower case letters, digits and single underscores; accents are left out."""
    bare = unicodedata.normalize("NFKD", name.lower())
    bare = "".join(char for char in bare if not unicodedata.combining(char))
    return re.sub(r"[^a-z0-9]+", "_", bare).strip("_") or "network"


def identifier(name: str) -> str:
    """A name for files and functions: letters, digits and underscores."""
    found = words(name)
    return f"network_{found}" if found[0].isdigit() or found in _HEADERS else found


def plain(text: str) -> str:
    """Text in which what could end a comment, or mean anything to C, is `_`."""
    return re.sub(r"[^A-Za-z0-9_ .,:;()/-]|/(?=[*/])", "_", text)


def string(text: str) -> str:
    """A string of C, plain."""
    return f'"{plain(text)}"'


def comment(text: str, indent: str = "") -> str:
    """A comment, plain."""
    return textwrap.fill(
        f"/* {plain(text)} */",
        _COLUMNS,
        initial_indent=indent,
        subsequent_indent=f"{indent}   ",
    )


def real(value: float) -> str:
    """The float that C reads as this float32: nine digits tell all of them apart."""
    digits = f"{value:.9g}"
    return f"{digits}f" if re.search(r"[.e]", digits) else f"{digits}.0f"


def items(values: Iterable[str], indent: str = "    ") -> str:
    """Values between commas, in indented lines of at most 87 columns.

    That leaves room for what closes a call: one character more than a comma.
    """
    lines: list[str] = []
    line = ""
    for value in values:
        if len(indent) + len(line) + len(value) + 3 > _COLUMNS:
            lines.append(line)
            line = ""
        line += f" {value}," if line else f"{value},"
    return "".join(f"{indent}{line}\n" for line in (*lines, line))


def array(
    ctype: str,
    name: str,
    values: Sequence[int | str],
    length: int | None = None,
    behind: str = "",
) -> str:
    """A constant array.

    Args:
        ctype: of its elements.
        name: of the array.
        values: numbers, or macros of several.
        length: if it is not the number of values.
        behind: the number of elements that follow, zeros, as an expression.
    """
    rows = items(map(str, values))
    size = f"{len(values) if length is None else length}"
    if behind:
        size += f" + {behind}"
    return f"static const {ctype} {name}[{size}] = {{\n{rows}}};\n"


def struct(ctype: str, name: str, fields: Mapping[str, object]) -> str:
    """A constant of a struct; a field's value is a number, a name or a sequence."""
    rows = items(f".{field} = {_value(value)}" for field, value in fields.items())
    return f"static const {ctype} {name} = {{\n{rows}}};\n"


def _value(value: object) -> str:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "{" + ", ".join(map(_value, value)) + "}"
    return str(value)


def filled(text: str, **names: str) -> str:
    """Text of C with `$name` and the like replaced; every name must be given."""
    return templates.Template(text).substitute(names)
