"""Standard streams that are closed, full, or cannot show a character.

And the signals that ask a program to end: they unwind it as Ctrl-C does, so that
temporary files and child processes go.
"""

import contextlib
import io
import os
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType
from typing import TextIO

# 128 and the number of the signal, as shells say it: a reader that left (SIGPIPE).
EXIT_CLOSED = 128 + signal.SIGPIPE
_ENDING = (signal.SIGTERM, signal.SIGHUP)
_NAMES = ("stdin", "stdout", "stderr")


class EndedError(BaseException):
    """A signal asks the program to end; no `except Exception` stops it.

    Attributes:
        exit_code: of the program.
    """

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.exit_code = 128 + number


@contextlib.contextmanager
def prepared() -> Iterator[None]:
    """Makes streams and signals what a program can rely on.

    A stream that is closed becomes one to nowhere: a file that is opened later would
    get its number, and what is printed. A character that the stream's encoding lacks is
    written as an escape. Signals that are ignored, as under nohup, stay so.

    Raises:
        EndedError: in the block, when a signal asks the program to end.
    """
    for number, name in enumerate(_NAMES):
        try:
            os.fstat(number)
        except OSError:
            # The lowest free number, which is this one.
            os.open(os.devnull, os.O_RDWR)
        if getattr(sys, name) is None:
            mode = "w" if number else "r"
            setattr(sys, name, open(number, mode, closefd=False))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        # What tests put in a stream's place has no encoding.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    taken = [each for each in _ENDING if signal.getsignal(each) is signal.SIG_DFL]
    if threading.current_thread() is not threading.main_thread():
        taken = []
    for each in taken:
        signal.signal(each, _end)
    try:
        yield
    finally:
        for each in taken:
            signal.signal(each, signal.SIG_DFL)


def failure(stream: TextIO, *, probe: bool = False) -> OSError | None:
    """Why a stream takes no more, after trying; it then leads to nowhere.

    Args:
        stream: standard output.
        probe: whether to write an empty line where nothing is left to be written. A
            stream without a buffer forgets what it did not take.

    Returns:
        None for a stream that works.
    """
    try:
        stream.flush()
        if probe:
            os.write(stream.fileno(), b"\n")
    except OSError as error:
        # What is left in its buffer would fail again when Python ends.
        with contextlib.suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)
        return error
    return None


def _end(number: int, frame: FrameType | None) -> None:
    del frame
    # Once is enough: cleaning up is not interrupted again.
    for each in _ENDING:
        signal.signal(each, signal.SIG_IGN)
    raise EndedError(number)
