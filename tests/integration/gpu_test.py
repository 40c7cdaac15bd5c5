"""Training on a GPU: the same flagfile, in bfloat16, compiled or not, and mirrored."""

import json
import pathlib
import subprocess
import sys

import pytest

_ROOT = pathlib.Path(__file__).resolve().parents[2]
_LISTED = """
from tfpipeline.compat import tf
print(len(tf.config.list_physical_devices("GPU")))
"""


@pytest.fixture(scope="module")
def gpus() -> int:
    # In a process of its own: one that has looked holds the devices.
    done = subprocess.run(
        (sys.executable, "-c", _LISTED), cwd=_ROOT, capture_output=True, text=True
    )
    count = int(done.stdout.split()[-1]) if done.returncode == 0 else 0
    if not count:
        pytest.skip("TensorFlow finds no GPU on this machine")
    return count


@pytest.mark.slow
@pytest.mark.parametrize(
    "flags", [(), ("--jit_compile",), ("--strategy=mirrored",)], ids=str
)
def test_the_demo_trains_there(gpus, flags, tmp_path):
    command = (
        *(sys.executable, "-m", "tfpipeline.train"),
        *("--flagfile=tfpipeline/demo.flags", "--precision=bfloat16", *flags),
        f"--workdir={tmp_path}",
    )
    done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    results = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))
    # Ten classes: far beyond chance.
    assert all(row["test_accuracy"] > 0.5 for row in results["accuracy"]), results
