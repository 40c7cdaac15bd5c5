"""Runs the vendor's synthesis tool on a folder, as its README.txt says.

`AI8X_SYNTHESIS` names a checkout of ai8x-synthesis, `AI8X_PYTHON` a Python with its
requirements. Nothing of the tool is in this project.
"""

import atexit
import dataclasses
import functools
import json
import os
import pathlib
import re
import shlex
import subprocess

import numpy as np

from export.max78000 import files
from tests.export.max78000 import vendor_server

# For each layer the tool logs: what it reads, what is pooled, what is combined, the
# sums, the output.
_ARRAYS_A_LAYER = 5


@dataclasses.dataclass(frozen=True, eq=False)
class Result:
    """What the tool printed, and the outputs of its simulator, the last one's last."""

    log: str
    outputs: list[np.ndarray]

    @property
    def summary(self) -> str:
        """Operations, memory and cycles, in the order of the report."""
        found = [
            re.search(rf"{begin}\n.*?\n{end}[^\n]*\n", self.log, re.DOTALL)
            for begin, end in (
                ("SUMMARY OF OPS", "Bias memory:"),
                ("ESTIMATED LATENCY", "Total "),
            )
        ]
        return "\n".join(match[0] for match in found if match)


def missing() -> str | None:
    """Why the tool cannot be run here."""
    absent = [n for n in ("AI8X_SYNTHESIS", "AI8X_PYTHON") if n not in os.environ]
    return f"{' and '.join(absent)} not set" if absent else None


def synthesize(arguments: list[str]) -> tuple[int, str]:
    """Exit status of `ai8xize.py` and what it prints."""
    server = _server()
    assert server.stdin is not None
    assert server.stdout is not None
    server.stdin.write(json.dumps(arguments) + "\n")
    server.stdin.flush()
    status, printed = json.loads(server.stdout.readline())
    return status, printed


@functools.cache
def _server() -> subprocess.Popen[str]:
    server = subprocess.Popen(
        [os.environ["AI8X_PYTHON"], str(pathlib.Path(vendor_server.__file__))],
        cwd=os.environ["AI8X_SYNTHESIS"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    atexit.register(_end, server)
    return server


def _end(server: subprocess.Popen[str]) -> None:
    """Ends the server, waits for it and closes its pipes."""
    with server:
        server.kill()


def run(folder: pathlib.Path, output: pathlib.Path, *, logs_all: bool = True) -> Result:
    """Runs the command of the folder's README.txt; fails with what the tool says.

    Args:
        folder: of our files.
        output: a folder for what the tool writes.
        logs_all: whether all layers' outputs are wanted, or the last one's.
    """
    text = (folder / files.README_FILE).read_text(encoding="utf-8")
    match = re.search(r"python ai8xize\.py (.*?)\n\n", text, re.DOTALL)
    options = shlex.split(match[1].replace("\\\n", " ").replace("FOLDER", str(folder)))
    options[options.index("--test-dir") + 1] = str(output)
    name = "data.npy" if logs_all else "result.npy"
    wanted = ["--log-intermediate"] if logs_all else ["--sample-numpy-filename", name]
    status, printed = synthesize([*options, *wanted])
    assert status == 0, printed
    target = output / options[options.index("--prefix") + 1]
    log = (target / "log.txt").read_text(encoding="utf-8")
    arrays = []
    with open(target / name, "rb") as stream:
        size = os.fstat(stream.fileno()).st_size
        while stream.tell() < size:
            arrays.append(np.load(stream))
    outputs = arrays[_ARRAYS_A_LAYER - 1 :: _ARRAYS_A_LAYER] if logs_all else arrays
    return Result(log + printed, outputs)
