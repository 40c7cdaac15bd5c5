"""Runs a program of ours in this process, as `python -m` does in one of its own.

A process pays for its imports each time: half a second on the NumPy side, five seconds
with TensorFlow.
"""

import contextlib
import dataclasses
import io
import os
import pathlib
import runpy
import sys
import warnings
from unittest import mock

ROOT = pathlib.Path(__file__).resolve().parents[1]


@dataclasses.dataclass(frozen=True)
class Done:
    """What a program left: its exit code and what it printed."""

    returncode: int
    stdout: str
    stderr: str


def run(module: str, *arguments: object, folder: str | os.PathLike[str] = ROOT) -> Done:
    """Runs `python -m module arguments` in `folder`.

    Log lines of handlers that exist already are not in what it printed.
    """
    out, err = io.StringIO(), io.StringIO()
    with (
        contextlib.chdir(folder),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        mock.patch.object(sys, "argv", [module, *map(str, arguments)]),
        warnings.catch_warnings(),
    ):
        # Its module may have been imported before; it runs again under another name.
        warnings.filterwarnings("ignore", ".*found in sys.modules after import")
        try:
            runpy.run_module(module, run_name="__main__", alter_sys=True)
            code: object = 0
        except SystemExit as stopped:
            code = stopped.code or 0
    if not isinstance(code, int):
        err.write(f"{code}\n")
        code = 1
    return Done(code, out.getvalue(), err.getvalue())
