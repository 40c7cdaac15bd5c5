"""The real TensorFlow Lite Micro interpreter, compiled for this machine.

It is the golden reference of every int8 network: the package `tflite-micro` holds the
C++ that a microcontroller runs, with its portable reference kernels.
"""

import numpy as np
import numpy.typing as npt

from tfpipeline import errors
from tfpipeline.targets.tflm import flatbuffer, pool

Int8Array = npt.NDArray[np.int8]


def generous_arena_bytes(program: flatbuffer.Program, *, preserve: bool = False) -> int:
    """An arena that is surely large enough, for runs that do not measure it.

    Four times the activations, because a kernel may ask for int32 scratch of its
    output's size; 1 KiB a tensor and operator for the interpreter's own structures
    (a recorded run needs about 150 bytes). `preserve` keeps all tensors at once, which
    the sum of the activations already covers.
    """
    structures = 1024 * (len(program.tensors) + len(program.operators))
    extra = program.activation_bytes if preserve else 0
    size = 65_536 + 4 * program.activation_bytes + extra + structures
    # A multiple of the alignment, or the recorded totals would vary with the rest.
    return size // 16 * 16


def predict(
    model: bytes,
    images: Int8Array,
    *,
    arena_bytes: int | None = None,
    processes: int = 2,
    timeout_seconds: float = pool.DEFAULT_TIMEOUT_SECONDS,
) -> Int8Array:
    """Runs images through TFLite Micro, each part of them in a child process.

    Args:
        model: a `.tflite` with int8 input and output.
        images: int8 `[N, H, W, C]`, already quantized.
        arena_bytes: size of the tensor arena; `None` takes a generous one.
        processes: children at a time; the result does not depend on it.
        timeout_seconds: limit for all of it.

    Returns:
        int8 `[N, classes]`.

    Raises:
        VerificationError: a child failed or crashed; names the exit signal.
        UsageError: `images` does not fit the network's input.
    """
    program = flatbuffer.require_integer(model)
    check_images(program, images)
    if arena_bytes is None:
        arena_bytes = generous_arena_bytes(program)
    parts = pool.map_images(
        pool.Job("tflm_predict", model, options={"arena_bytes": arena_bytes}),
        images,
        who=f"TFLite Micro in an arena of {arena_bytes} bytes",
        processes=processes,
        timeout_seconds=timeout_seconds,
    )
    return np.concatenate([part["outputs"] for part in parts])


def check_images(program: flatbuffer.Program, images: Int8Array) -> None:
    """Checks that `images` is int8 `[N, ...]` of the network's input shape, N >= 1.

    Raises:
        UsageError: naming both shapes.
    """
    wanted = program.input.shape[1:]
    if images.dtype != np.int8 or images.shape[1:] != wanted or len(images) < 1:
        raise errors.UsageError(
            f"images must be int8 of shape (N, {', '.join(map(str, wanted))}), N >= 1; "
            f"found {images.dtype} {images.shape}"
        )
