"""Flagfiles, put in the place of the `--flagfile` that names them.

absl would do so itself, but for a file that is not text, has no end, or includes others
without end.
"""

import os
from collections.abc import Iterator, Sequence

from tfpipeline import errors
from tfpipeline.untrusted import content

MAX_STEPS = 10_000
_SPELLINGS = ("--flagfile", "-flagfile")
_COMMENTS = ("#", "//")


def expanded(arguments: Sequence[str]) -> list[str]:
    """Command line arguments, with the flags of each flagfile in its place.

    A flagfile has a flag on each line. Lines that begin with # or // are comments. It
    may name other flagfiles, relative to the working folder or else to its own.

    Raises:
        StorageError: a flagfile cannot be read, or is no text.
        UsageError: one includes itself, or there are over `MAX_STEPS` flags and files
            in all.
    """
    result: list[str] = []
    # Files that are being read, the innermost last; the command line has no name.
    reading: list[tuple[str, Iterator[str]]] = [("", iter(arguments))]
    for _ in range(MAX_STEPS):
        path, source = reading[-1]
        argument = next(source, None)
        if argument is None:
            reading.pop()
            if not reading:
                return result
            continue
        if argument == "--" and not path:
            return [*result, argument, *source]
        name, equals, inner = argument.partition("=")
        if name not in _SPELLINGS:
            result.append(argument)
            continue
        if not equals and (inner := next(source, "")) == "":
            raise errors.UsageError("--flagfile needs the name of a file")
        inner = _place(os.path.expanduser(inner.strip()), path)
        if inner in [path for path, _ in reading if path]:
            raise errors.UsageError(f"the flagfile {inner} includes itself")
        reading.append((inner, iter(_lines(inner))))
    raise errors.UsageError(f"flagfiles with over {MAX_STEPS:,} flags and files")


def _place(inner: str, outer: str) -> str:
    """Where a flagfile is that another one names."""
    beside = os.path.join(os.path.dirname(outer), inner)
    # Of the command line, or of no name at all, there is no other place.
    is_elsewhere = outer and inner and not os.path.exists(inner)
    return beside if is_elsewhere and os.path.exists(beside) else inner


def _lines(path: str) -> list[str]:
    # absl takes `--flagfile=` for none.
    if not path:
        return []
    lines = (line.strip() for line in content.read_text(path).split("\n"))
    return [line for line in lines if line and not line.startswith(_COMMENTS)]
