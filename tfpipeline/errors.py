"""Errors that a user can act on.

Libraries raise one of these; `main` of an entry point prints the message as one line
and exits with a non-zero code (`--debug` shows the traceback instead). A message says
what is wrong, where, and what to do, in one line of up to 400 characters: `listed`,
`told` and `brief` are for what a file may make longer.
"""

import reprlib
from collections.abc import Collection, Sequence

# Of a line that a program writes for an error.
MAX_LINE_CHARACTERS = 400
# Of a name or a value in a message.
_MAX_CHARACTERS = 80
# Of what has no space in it, such as a path.
_MAX_WORD_CHARACTERS = 120
# Of the end of a message that is too long: it says what to do.
_END_CHARACTERS = 140


class PipelineError(Exception):
    """Base of every error that tfpipeline raises on purpose."""


class UsageError(PipelineError):
    """A flag, an argument or a combination of them is not valid."""


class DataError(PipelineError):
    """A data set is absent, unreadable, or not of the expected shape."""


class TrainingError(PipelineError):
    """Training cannot go on: a loss that is not finite, no usable checkpoint."""


class QuantizationError(PipelineError):
    """A network cannot be quantized by the scheme that was asked for."""


class GraphError(PipelineError):
    """A graph, or the file it is read from, is not well formed or not supported."""


class TargetError(PipelineError):
    """A network does not fit a target, or cannot run there."""


class ExportError(PipelineError):
    """A network cannot be written in the target's format."""


class VerificationError(PipelineError):
    """An exported network does not compute what it must."""


class StorageError(PipelineError):
    """A file cannot be written or read: disk full, permission, truncated."""


class ForeignFileError(StorageError):
    """Something is in the way that this program did not write, and does not replace."""


class WriteError(StorageError):
    """A file cannot be written, which another place might take; the old one stays.

    Attributes:
        path: of the file.
    """

    def __init__(self, path: str, error: OSError) -> None:
        super().__init__(
            f"cannot write {path}: {error.strerror or error}. Free space or choose "
            "another place; nothing already written was lost"
        )
        self.path = path


class DamagedFileError(StorageError):
    """The content of a file is not what it should be."""


def listed(names: Collection[object], limit: int = 8) -> str:
    """Names for a message, with a comma between; of many the first and how many more.

    Args:
        names: of things; each is shortened.
        limit: how many are told.
    """
    told = [_shortened(str(name)) for name, _ in zip(names, range(limit), strict=False)]
    more = len(names) - len(told)
    return ", ".join(told) + (f" and {more:,} more" if more else "")


def told(lead: str, findings: Sequence[str], limit: int = 380) -> str:
    """A message of many findings: the first that fit into a line, the count of others.

    Args:
        lead: what the message begins with, to its last space.
        findings: one sentence each, the most important first; at least one.
        limit: characters of the message; a first finding that is longer is shortened.
    """
    room = limit - len(lead) - len(f"; and {len(findings):,} more")
    text = findings[0]
    if len(text) > room:
        text = f"{text[: room - 3]}..."
    count = 1
    for each in findings[1:]:
        if len(text) + len(each) + 2 > room:
            break
        text, count = f"{text}; {each}", count + 1
    more = len(findings) - count
    return f"{lead}{text}" + (f"; and {more:,} more" if more else "")


def brief(value: object) -> str:
    """A value, or an error with its class, for a message: `repr` up to a length."""
    if isinstance(value, BaseException):
        text = str(value).strip().split("\n")[0]
        return f"{type(value).__name__} {_shortened(text)}".strip()
    if isinstance(value, str):
        return repr(_shortened(value))
    # `repr` itself may never end: lists can share their parts.
    return _shortened(reprlib.repr(value))


def one_line(text: str, limit: int = MAX_LINE_CHARACTERS) -> str:
    """A message as one line of printable characters, cut in its middle if too long."""
    words = [_cut(word, _MAX_WORD_CHARACTERS, 50) for word in text.split()]
    line = "".join(
        # Control characters would act on a terminal.
        each if each.isprintable() else each.encode("unicode_escape").decode()
        for each in " ".join(words)
    )
    return _cut(line, limit, _END_CHARACTERS)


def _cut(text: str, limit: int, end: int) -> str:
    """The begin of a text and its last `end` characters."""
    if len(text) <= limit:
        return text
    end = min(end, limit // 3)
    return f"{text[: limit - end - 3]}...{text[-end:]}"


def _shortened(text: str) -> str:
    if len(text) <= _MAX_CHARACTERS:
        return text
    return f"{text[: _MAX_CHARACTERS - 3]}..."
