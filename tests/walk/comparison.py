"""What a page shows beside what was printed."""

import dataclasses
import re
from collections.abc import Iterable, Sequence

_LEFT_OUT = "..."
# With the sign, separators and exponent; `1,024`, `2.68e-07`, `-0.5`.
_NUMBER = re.compile(r"[-+]?\d[\d,.]*(e[-+]?\d+)?")
# Which layer is the worst one depends on a training too.
_NAME = re.compile(r"'[^' ]*'")
# A list of any length: `'a' 1 dB, 'b' 2 dB` once both are masked.
_REPEATED = re.compile(r"('' # \w+)(, \1)+")
# What widths of columns depend on.
_SPACE = re.compile(r"\s+|[-─═━]{2,}")


@dataclasses.dataclass(frozen=True)
class Compared:
    """Lines that a page shows, by their numbers in it.

    Attributes:
        absent: not printed, in this order, whatever the numbers and names in them.
        other: printed with other numbers, names in quotes or widths: what was printed.
    """

    absent: dict[int, str]
    other: dict[int, str]


def compare(shown: Iterable[tuple[int, str]], printed: Sequence[str]) -> Compared:
    """Looks for each line among those printed after the one before.

    Args:
        shown: (number, line); `...` stands for any lines.
        printed: all lines, in order.
    """
    absent, other = {}, {}
    masked = [_masked(line) for line in printed]
    place = 0
    for number, line in shown:
        if line.strip() in ("", _LEFT_OUT):
            continue
        text = line.rstrip()
        wanted = _masked(text)
        fitting = (i for i in range(place, len(masked)) if masked[i] == wanted)
        index = next(fitting, None)
        if index is None:
            absent[number] = text
            continue
        place = index + 1
        if printed[index].rstrip() != text:
            other[number] = printed[index].rstrip()
    return Compared(absent, other)


def _masked(line: str) -> str:
    masked = _SPACE.sub(" ", _NUMBER.sub("#", _NAME.sub("''", line))).strip()
    return _REPEATED.sub(r"\1", masked)
