"""SavedModels, which hold operations and no layers: read for inference only.

TensorFlow loads and converts them in a child process (`saved_model_child`), which first
refuses what touches more than tensors.
"""

import contextlib
import os
import pathlib
import subprocess
import sys
from collections.abc import Iterator

import tfpipeline
from tfpipeline import errors, leftovers
from tfpipeline.untrusted import content

_CHILD = "tfpipeline.own_networks.saved_model_child"
_TIMEOUT_SECONDS = 1800
# Of the child, for what it refuses by a line of its own.
REFUSED = 3
_FILE = "saved_model.pb"
# Most bytes of the graph, which protobuf bounds too.
_MAX_GRAPH_BYTES = (1 << 31) - 1


@contextlib.contextmanager
def converted(folder: pathlib.Path, name: str) -> Iterator[pathlib.Path]:
    """A float `.tflite` of a SavedModel, which is there within the block.

    Args:
        folder: of the SavedModel.
        name: of the file, without suffix.

    Raises:
        GraphError: it holds operations that touch files, Python or more than tensors,
            or that TFLite has not.
        StorageError: it cannot be read.
    """
    # Absent, a pipe, too large: told without waiting for TensorFlow.
    content.read(folder / _FILE, _MAX_GRAPH_BYTES)
    with leftovers.scratch_folder() as scratch:
        path = scratch / f"{name}.tflite"
        _run(folder.resolve(), path)
        yield path


def _run(folder: pathlib.Path, path: pathlib.Path) -> None:
    root = str(pathlib.Path(tfpipeline.__file__).parents[1])
    paths = filter(None, [root, os.environ.get("PYTHONPATH")])
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-m", _CHILD, str(folder), str(path)],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
            cwd=path.parent,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TIMEOUT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise errors.GraphError(
            f"{folder}: TensorFlow has not converted it in {_TIMEOUT_SECONDS:,} seconds"
        ) from error
    if not done.returncode:
        return
    lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
    reason = errors.one_line(lines[-1], 220) if lines else f"exit {done.returncode}"
    if done.returncode == REFUSED:
        raise errors.GraphError(f"{folder}: {reason}")
    raise errors.GraphError(
        f"{folder}: TensorFlow cannot convert this SavedModel to TFLite: {reason}"
    )
