"""TensorFlow Lite Micro on many files, each in a process of its own.

Its checks end the process that runs it. A child for each file that starts Python would
take a third of a second, one that is forked some milliseconds:

    python -m tests.simulate.forked_micro FOLDER

runs `FOLDER/*.tflite` on `FOLDER/*.npy` and leaves `FOLDER/*.out.npy`, or `*.failed`
that says why not.
"""

import os
import pathlib
import signal
import subprocess
import sys

import numpy as np

_ARENA_BYTES = 2**20


def predict(folder: pathlib.Path, cases) -> list[np.ndarray | str]:
    """The outputs for the images of each case, or how the interpreter ended.

    Args:
        folder: an empty one.
        cases: each with a `model` and `images`.
    """
    for number, case in enumerate(cases):
        (folder / f"{number:05d}.tflite").write_bytes(case.model)
        np.save(folder / f"{number:05d}.npy", case.images)
    command = [sys.executable, "-m", "tests.simulate.forked_micro", str(folder)]
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL, timeout=600)
    return [_result(folder, f"{number:05d}") for number in range(len(cases))]


def _result(folder: pathlib.Path, stem: str) -> np.ndarray | str:
    failed = folder / f"{stem}.failed"
    if failed.exists():
        return failed.read_text(encoding="utf-8")
    outputs: np.ndarray = np.load(folder / f"{stem}.out.npy")
    return outputs


def _run(model: pathlib.Path, runtime) -> None:
    images = np.load(model.with_suffix(".npy"))
    found = runtime.Interpreter.from_bytes(model.read_bytes(), arena_size=_ARENA_BYTES)
    outputs = []
    for image in images:
        found.set_input(image[np.newaxis], 0)
        found.invoke()
        outputs.append(found.get_output(0).copy())
    np.save(model.with_suffix(".out.npy"), np.concatenate(outputs))


def main(folder: pathlib.Path) -> None:
    """Runs all files of `folder`, one child after another."""
    from tflite_micro import runtime

    for model in sorted(folder.glob("*.tflite")):
        child = os.fork()
        if not child:
            try:
                _run(model, runtime)
            except BaseException:
                os._exit(1)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        code = os.waitstatus_to_exitcode(status)
        if code:
            how = "refused" if code > 0 else signal.Signals(-code).name
            model.with_suffix(".failed").write_text(how, encoding="utf-8")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
