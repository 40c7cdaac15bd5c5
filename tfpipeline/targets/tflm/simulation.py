"""Our own execution of a `.tflite`, in child processes as the interpreters run.

For int16 activations no quicker interpreter has TensorFlow Lite Micro's integers:
XNNPACK has no kernels for them, and TFLite's own reference rounds a FULLY_CONNECTED in
float. `simulate` has, and is quicker than either (docs/verification.md).
"""

from collections.abc import Callable, Sequence
from typing import Any

from tfpipeline.targets.tflm import flatbuffer, interpreter, pool, ports

# Images of one child: some seconds, of which its start is a third of one.
PART_SIZE = 512


def run(
    model: bytes,
    inputs: Sequence[interpreter.IntArray],
    *,
    processes: int = 2,
    done: Callable[[int], None] | None = None,
    timeout_seconds: float = pool.DEFAULT_TIMEOUT_SECONDS,
) -> ports.Arrays:
    """Executes the file's graph for images, each part of them in a child process.

    Args:
        model: a full-integer `.tflite`.
        inputs: for each of the network's inputs `[N, ...]` of its type, already
            quantized.
        processes: children at a time; the result does not depend on it.
        done: called with the number of images of every part that is done.
        timeout_seconds: limit for all of it.

    Returns:
        For each of the network's outputs `[N, ...]` of its type.

    Raises:
        VerificationError: a child failed; says why.
        UsageError: `inputs` do not fit the network's.
    """
    interpreter.check_inputs(flatbuffer.require_integer(model), inputs)
    parts = pool.map_images(
        pool.Job("simulate", model),
        inputs,
        who="our execution of the network",
        processes=processes,
        part_size=PART_SIZE,
        done=done,
        timeout_seconds=timeout_seconds,
    )
    return ports.joined([ports.listed(ports.OUTPUT, part) for part in parts])


def predict(
    model: bytes, images: interpreter.IntArray, **options: Any
) -> interpreter.IntArray:
    """As `run`, with the same options, for one input `[N, ...]` and one output."""
    return interpreter.sole(run(model, [images], **options))
