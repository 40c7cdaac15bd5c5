"""Times of whole processes, as ratios to a Python that only imports NumPy."""

import pathlib
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence

ROOT = pathlib.Path(__file__).resolve().parents[2]
ROUNDS = 5
_REFERENCE = "import numpy"


def compare(commands: Mapping[str, Sequence[str]], exit_code: int = 0) -> None:
    """Prints medians and ratios of alternating rounds, one line a command.

    Args:
        commands: name -> arguments of Python.
        exit_code: that all of them must have.
    """
    cases = {_REFERENCE: (("-c", "import numpy"), 0)}
    cases |= {name: (tuple(each), exit_code) for name, each in commands.items()}
    seconds: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(ROUNDS):
        for name, (arguments, code) in cases.items():
            start = time.perf_counter()
            done = subprocess.run(
                (sys.executable, *arguments), cwd=ROOT, capture_output=True
            )
            seconds[name].append(time.perf_counter() - start)
            assert done.returncode == code, done.stderr.decode()
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    for name, median in medians.items():
        ratio = median / medians[_REFERENCE]
        print(f"  {name:30} {median:6.2f} s, {ratio:5.2f} x import numpy")
