"""Whatever goes wrong with the content of a file, as one clear error."""

import contextlib
from collections.abc import Iterator

from tfpipeline import errors

# Of what a library says of the damage; the file's name and ours come beside it.
_MAX_REASON_CHARACTERS = 150


@contextlib.contextmanager
def reported(what: str, kind: str) -> Iterator[None]:
    """Turns every exception into a DamagedFileError.

    Parsers raise errors of every class on damaged files: zlib.error, LZMAError,
    NotImplementedError, RecursionError, tokenize.TokenError, struct.error. A
    MemoryError passes: sizes are checked before anything is allocated, so it says that
    the machine is small.

    Args:
        what: names the file.
        kind: what it should be, with its article.

    Raises:
        DamagedFileError: for all but MemoryError and errors of our own.
    """
    try:
        yield
    except (errors.PipelineError, MemoryError):
        raise
    except Exception as error:
        raise errors.DamagedFileError(
            f"{what} is not {kind}, or damaged: {reason(error)}"
        ) from error


def reason(error: BaseException) -> str:
    """The first line of an error's message, or else its class, shortened."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    text = lines[0]
    if len(text) > _MAX_REASON_CHARACTERS:
        text = f"{text[: _MAX_REASON_CHARACTERS - 3]}..."
    return text
