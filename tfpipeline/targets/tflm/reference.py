"""TensorFlow Lite on this machine, through `ai_edge_litert`: fast, or by the reference.

`fast` is XNNPACK, for accuracy over many images: it rounds differently from the
reference by 1 LSB an operator and is never the oracle. `reference` is BUILTIN_REF, the
portable kernels that TFLite Micro's are derived from.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tfpipeline import errors
from tfpipeline.numerics import affine
from tfpipeline.targets.tflm import flatbuffer, interpreter, pool, ports

IntArray = interpreter.IntArray

KERNELS = ("fast", "reference")

# Images quantized at a time, so that the float32 copy stays small.
CHUNK_IMAGES = 256


def run(
    model: bytes,
    inputs: Sequence[IntArray],
    *,
    kernels: str = "fast",
    processes: int = 2,
    timeout_seconds: float = pool.DEFAULT_TIMEOUT_SECONDS,
) -> ports.Arrays:
    """Runs integers through TFLite: `[N, ...]` of each input to those of each output.

    Each of `processes` children takes a part of the images with one thread.

    Raises:
        VerificationError: a child failed or crashed; names the exit signal.
        UsageError: unknown `kernels`, or images that do not fit the input.
    """
    if kernels not in KERNELS:
        raise errors.UsageError(
            f"kernels must be one of {', '.join(KERNELS)}; found '{kernels}'"
        )
    interpreter.check_inputs(flatbuffer.require_integer(model), inputs)
    parts = pool.map_images(
        pool.Job("tflite_predict", model, options={"kernels": kernels}),
        inputs,
        who=f"TFLite with {kernels} kernels",
        processes=processes,
        timeout_seconds=timeout_seconds,
    )
    return ports.joined([ports.listed(ports.OUTPUT, part) for part in parts])


def predict(model: bytes, images: IntArray, **options: Any) -> IntArray:
    """As `run`, for one input `[N, H, W, C]` and one output `[N, classes]`."""
    return interpreter.sole(run(model, [images], **options))


def quantize_input(model: bytes, images: npt.NDArray[np.float32]) -> IntArray:
    """Quantizes the float network's input to the integer network's, as QUANTIZE does.

    Args:
        model: a full-integer `.tflite`.
        images: float `[N, H, W, C]`, as the float network reads them.

    Raises:
        UsageError: `images` is not floating point; integers must be normalized first,
            as the data set's input pipeline does.
    """
    if not np.issubdtype(images.dtype, np.floating):
        raise errors.UsageError(
            f"images must be what the float network reads, float32; found "
            f"{images.dtype}. Normalize them as in training."
        )
    tensor = flatbuffer.require_integer(model).input
    scale, zero_point = tensor.scales[0], tensor.zero_points[0]
    result = np.empty(images.shape, tensor.dtype)
    for start in range(0, len(images), CHUNK_IMAGES):
        chunk = images[start : start + CHUNK_IMAGES]
        result[start : start + CHUNK_IMAGES] = affine.quantized_float32(
            chunk, scale, zero_point, tensor.dtype
        )
    return result
