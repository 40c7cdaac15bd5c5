"""Files of other projects through every command that takes a `.tflite`.

`python -m tests.real_files FOLDER [FILE.json]` prints a line a file: whether TensorFlow
Lite Micro's interpreter runs it as it is, and what estimate, int8, tflm and c make of
it; then how many files ended how.
"""

import collections
import json
import pathlib
import subprocess
import sys

import numpy as np

from export import catalog, given
from tfpipeline import errors, model_source
from tfpipeline.cost import estimate
from tfpipeline.ir import from_tflite
from tfpipeline.simulate import execution, support
from tfpipeline.targets import catalog as targets
from tfpipeline.targets.tflm import flatbuffer, interpreter

THROUGH = "through"
RUNS = "runs"
OTHER = "other integers"
EXPORTS = ("int8", "int16x8", "tflm", "c")
IMAGES = 64

# Runs any file as it is, with inputs of any type; a crash is the child's.
_RUN = """
import sys
import numpy as np
from tflite_micro import runtime
model = open(sys.argv[1], "rb").read()
network = runtime.Interpreter.from_bytes(model, arena_size=64 * 2**20)
random = np.random.default_rng(0)
for i in range(64):
    try:
        given = network.get_input_details(i)
    except Exception:
        break
    dtype = np.dtype(given["dtype"])
    shape = given["shape"]
    if dtype.kind == "f":
        values = random.normal(size=shape)
    elif dtype.kind == "b":
        values = random.integers(0, 2, shape)
    else:
        values = random.integers(0, 100, shape)
    network.set_input(values.astype(dtype), i)
network.invoke()
"""


def outcomes(path: pathlib.Path) -> dict[str, str]:
    """Step -> `through`, or why not: the interpreter, estimate and the exports."""
    found = {"interpreter": _interpreter(path), "estimate": _estimate(path)}
    for name in EXPORTS:
        target = catalog.named(name)
        try:
            prepared = target.prepare(given.Given(str(path)), target.flags)
        except errors.PipelineError as error:
            found[name] = str(error)
        else:
            assert prepared.contents, "nothing would be written"
            found[name] = THROUGH
    found["simulated"] = _simulated(path)
    return found


def _interpreter(path: pathlib.Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", _RUN, str(path)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    if done.returncode == 0:
        return RUNS
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    return " | ".join(lines[-3:])[:300] or f"exit code {done.returncode}"


def _estimate(path: pathlib.Path) -> str:
    try:
        source = model_source.load(str(path))
        found = targets.estimate_all(source.graph, ("tflm",), estimate.Options())
    except errors.PipelineError as error:
        return str(error)
    return found[0].violations[0] if found[0].violations else THROUGH


def _simulated(path: pathlib.Path) -> str:
    """Whether our execution has TensorFlow Lite Micro's integers, as int8's file is."""
    try:
        g = from_tflite.read_file(path)
    except errors.PipelineError:
        return "not read"
    if support.reasons(g):
        return "not executed"
    target = catalog.named("tflm")
    try:
        prepared = target.prepare(given.Given(str(path)), target.flags)
        model = prepared.contents["model.tflite"]
    except (errors.PipelineError, KeyError):
        return "no file"
    inputs = interpreter.random_inputs(flatbuffer.read(model), IMAGES)
    expected = interpreter.run(model, inputs)
    ours = execution.run(g, inputs)
    equal = all(
        np.array_equal(our.reshape(their.shape), their)
        for our, their in zip(ours, expected, strict=True)
    )
    return THROUGH if equal else OTHER


def main(folder: pathlib.Path, record: pathlib.Path | None) -> None:
    """Prints a line a file, and the counts."""
    files = sorted(folder.rglob("*.tflite"), key=lambda each: each.stat().st_size)
    recorded = {}
    for path in files:
        found = outcomes(path)
        name = str(path.relative_to(folder))
        recorded[name] = found
        print(name, json.dumps(found), flush=True)
        if record is not None:
            record.write_text(json.dumps(recorded, indent=1))
    for step in ("interpreter", "estimate", *EXPORTS, "simulated"):
        counts = collections.Counter(
            found[step] in (THROUGH, RUNS) for found in recorded.values()
        )
        print(f"{step}: {counts[True]} of {len(files)}")


if __name__ == "__main__":
    main(
        pathlib.Path(sys.argv[1]),
        pathlib.Path(sys.argv[2]) if len(sys.argv) > 2 else None,
    )
