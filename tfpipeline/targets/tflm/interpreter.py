"""The real TensorFlow Lite Micro interpreter, compiled for this machine.

It is the golden reference of every integer network: the package `tflite-micro` holds
the C++ that a microcontroller runs, with its portable reference kernels.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tfpipeline import errors
from tfpipeline.targets.tflm import flatbuffer, pool, ports

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


def run(
    model: bytes,
    inputs: Sequence[IntArray],
    *,
    arena_bytes: int | None = None,
    processes: int = 2,
    timeout_seconds: float = pool.DEFAULT_TIMEOUT_SECONDS,
) -> ports.Arrays:
    """Runs images through TFLite Micro, each part of them in a child process.

    Args:
        model: a full-integer `.tflite`.
        inputs: for each of the network's inputs `[N, ...]` of its type, already
            quantized.
        arena_bytes: size of the tensor arena; `None` takes a generous one.
        processes: children at a time; the result does not depend on it.
        timeout_seconds: limit for all of it.

    Returns:
        For each of the network's outputs `[N, ...]` of its type.

    Raises:
        VerificationError: a child failed or crashed; names the exit signal.
        UsageError: `inputs` do not fit the network's.
    """
    program = flatbuffer.require_integer(model)
    check_inputs(program, inputs)
    if arena_bytes is None:
        arena_bytes = generous_arena_bytes(program)
    parts = pool.map_images(
        pool.Job(
            "tflm_predict",
            model,
            options={"arena_bytes": arena_bytes, "outputs": len(program.outputs)},
        ),
        inputs,
        who=f"TFLite Micro in an arena of {arena_bytes} bytes",
        processes=processes,
        timeout_seconds=timeout_seconds,
    )
    return ports.joined([ports.listed(ports.OUTPUT, part) for part in parts])


def predict(model: bytes, images: IntArray, **options: Any) -> IntArray:
    """As `run`, with the same options, for a network of one input and one output.

    Args:
        model: a full-integer `.tflite`.
        images: `[N, H, W, C]` of the input's type, already quantized.
        **options: as `run` takes them.

    Returns:
        `[N, classes]` of the output's type.
    """
    return sole(run(model, [images], **options))


def sole(arrays: ports.Arrays) -> IntArray:
    """The only output.

    Raises:
        UsageError: there are several.
    """
    if len(arrays) != 1:
        raise errors.UsageError(f"one output is expected here; found {len(arrays)}")
    return arrays[0]


def random_inputs(program: flatbuffer.Program, count: int) -> ports.Arrays:
    """`[count, ...]` over the whole range of each input's type; the same each time."""
    random = np.random.default_rng(0)
    found = []
    for tensor in (program.tensors[i] for i in program.inputs):
        limits, shape = np.iinfo(tensor.dtype), (count, *tensor.shape[1:])
        found.append(
            random.integers(limits.min, limits.max + 1, shape, np.dtype(tensor.dtype))
        )
    return tuple(found)


def check_inputs(program: flatbuffer.Program, inputs: Sequence[IntArray]) -> None:
    """Checks that `inputs` are `[N, ...]` of the inputs' types and shapes, N >= 1.

    Raises:
        UsageError: naming both shapes.
    """
    if len(inputs) != len(program.inputs):
        raise errors.UsageError(
            f"the network has {len(program.inputs)} inputs; found {len(inputs)} arrays"
        )
    if len({len(images) for images in inputs}) > 1:
        raise errors.UsageError("there must be as many images for each input")
    for index, images in zip(program.inputs, inputs, strict=True):
        tensor = program.tensors[index]
        wanted, dtype = tensor.shape[1:], tensor.dtype
        if images.dtype != dtype or images.shape[1:] != wanted or len(images) < 1:
            raise errors.UsageError(
                f"images must be {dtype} of shape (N, {', '.join(map(str, wanted))}), "
                f"N >= 1; found {images.dtype} {images.shape}"
            )
