"""Stands in for the child process in tests: crashes, hangs, or plays a larger arena."""

import json
import os
import pathlib
import signal
import sys
import time

import numpy as np

from tests.targets.tflm import misbehaving_worker_limits as limits


def main(folder: pathlib.Path) -> None:
    request = json.loads((folder / "request.json").read_text(encoding="utf-8"))
    options = request["options"]
    if request["task"] == "sleep":
        time.sleep(60)
    if request["task"] == "crash" or options["arena_bytes"] < limits.NEEDED_BYTES:
        os.kill(os.getpid(), signal.SIGSEGV)
    for name in ("total", "head", "tail"):
        line = (
            f"[RecordingMicroAllocator] Arena allocation {name} {limits.RECORDED_BYTES}"
        )
        print(f"{line} bytes", file=sys.stderr)
    (folder / "values.json").write_text("{}", encoding="utf-8")
    np.savez(folder / "results.npz", output0=np.zeros((1, 10), np.int8))
