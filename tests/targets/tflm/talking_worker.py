"""Stands in for the child process in tests: prints to both streams."""

import pathlib
import sys

import numpy as np

print("at import", flush=True)


def main(folder: pathlib.Path) -> None:
    print("[1, 0]", flush=True)
    print("to stderr", file=sys.stderr)
    (folder / "values.json").write_text("{}", encoding="utf-8")
    np.savez(folder / "results.npz")
