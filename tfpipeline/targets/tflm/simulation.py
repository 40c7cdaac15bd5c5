"""Our own execution of a `.tflite`, in child processes as the interpreters run.

For int16 activations no quicker interpreter has TensorFlow Lite Micro's integers:
XNNPACK has no kernels for them, and TFLite's own reference rounds a FULLY_CONNECTED in
float. `simulate` has, and is quicker than either (docs/verification.md).
"""

from collections.abc import Callable

import numpy as np

from tfpipeline.targets.tflm import flatbuffer, interpreter, pool

# Images of one child: some seconds, of which its start is a third of one.
PART_SIZE = 512


def predict(
    model: bytes,
    images: interpreter.IntArray,
    *,
    processes: int = 2,
    done: Callable[[int], None] | None = None,
    timeout_seconds: float = pool.DEFAULT_TIMEOUT_SECONDS,
) -> interpreter.IntArray:
    """Executes the file's graph for images, each part of them in a child process.

    Args:
        model: a full-integer `.tflite`.
        images: `[N, H, W, C]` of the input's type, already quantized.
        processes: children at a time; the result does not depend on it.
        done: called with the number of images of every part that is done.
        timeout_seconds: limit for all of it.

    Returns:
        `[N, classes]` of the output's type.

    Raises:
        VerificationError: a child failed; says why.
        UsageError: `images` does not fit the network's input.
    """
    interpreter.check_images(flatbuffer.require_integer(model), images)
    parts = pool.map_images(
        pool.Job("simulate", model),
        images,
        who="our execution of the network",
        processes=processes,
        part_size=PART_SIZE,
        done=done,
        timeout_seconds=timeout_seconds,
    )
    return np.concatenate([part["outputs"] for part in parts])
