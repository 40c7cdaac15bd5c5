"""The real TensorFlow Lite Micro interpreter, compiled for this machine.

It is the golden reference of every integer network: the package `tflite-micro` holds
the C++ that a microcontroller runs, with its portable reference kernels.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from tfpipeline import errors
from tfpipeline.targets.tflm import flatbuffer, pool

# int8 or int16, as the network's input and output.
IntArray = npt.NDArray[np.signedinteger[Any]]


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
    images: IntArray,
    *,
    arena_bytes: int | None = None,
    processes: int = 2,
    timeout_seconds: float = pool.DEFAULT_TIMEOUT_SECONDS,
) -> IntArray:
    """Runs images through TFLite Micro, each part of them in a child process.

    Args:
        model: a full-integer `.tflite`.
        images: `[N, H, W, C]` of the input's type, already quantized.
        arena_bytes: size of the tensor arena; `None` takes a generous one.
        processes: children at a time; the result does not depend on it.
        timeout_seconds: limit for all of it.

    Returns:
        `[N, classes]` of the output's type.

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


def random_images(program: flatbuffer.Program, count: int) -> IntArray:
    """`[count, ...]` over the whole range of the input's type; the same each time."""
    limits = np.iinfo(program.input.dtype)
    return np.random.default_rng(0).integers(
        limits.min,
        limits.max + 1,
        (count, *program.input.shape[1:]),
        np.dtype(program.input.dtype),
    )


def check_images(program: flatbuffer.Program, images: IntArray) -> None:
    """Checks that `images` is `[N, ...]` of the input's type and shape, N >= 1.

    Raises:
        UsageError: naming both shapes.
    """
    wanted = program.input.shape[1:]
    dtype = program.input.dtype
    if images.dtype != dtype or images.shape[1:] != wanted or len(images) < 1:
        raise errors.UsageError(
            f"images must be {dtype} of shape (N, {', '.join(map(str, wanted))}), "
            f"N >= 1; found {images.dtype} {images.shape}"
        )
