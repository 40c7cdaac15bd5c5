"""What GreenWaves' tools and kernels computed, from the files beside the project."""

import json
import os
import pathlib

import numpy as np
import pytest

_ROOT = pathlib.Path(__file__).resolve().parents[3]
_SHARED = pathlib.Path(os.environ.get("TFPIPELINE_SHARED", _ROOT.parent / "shared"))
FOLDER = _SHARED / "reference" / "gap8"


def load(name):
    """The description and the arrays of a reference; skips the test without it."""
    described, arrays = FOLDER / f"{name}.json", FOLDER / f"{name}.npz"
    if not described.is_file() or not arrays.is_file():
        pytest.skip(f"no {name}.json and .npz in {FOLDER}; set TFPIPELINE_SHARED")
    return json.loads(described.read_text(encoding="utf-8")), np.load(arrays)
