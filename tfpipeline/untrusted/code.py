"""Anybody's Python that runs in this program: it may fail, and not end the program."""

import contextlib
from collections.abc import Iterator


@contextlib.contextmanager
def contained() -> Iterator[None]:
    """Turns an end of the program into an error, which callers catch like any other.

    A file that is also a script may call `sys.exit` when it is imported: the command
    would end there, with the exit code of success and without a word.

    Raises:
        RuntimeError: what ran in the block asked the program to end.
    """
    try:
        yield
    except SystemExit as error:
        raise RuntimeError(f"it ended the program: sys.exit({error.code!r})") from error
