"""Integer execution of a program, as the accelerator computes it, bit for bit."""

import math
from collections.abc import Callable, Sequence

import numpy as np

from tfpipeline import errors
from tfpipeline.ir import graph
from tfpipeline.targets.max78000 import program, reference_layer, vector_layer

Array = graph.Array
Run = Callable[[program.Layer, Sequence[Array]], Array]

# Of the matrix that a layer multiplies by its kernels, for as many images as run at
# once: larger ones leave the caches and are not faster.
MATRIX_BYTES = 2**24


def predict(p: program.Program, images: Array) -> Array:
    """The network's output for each image, in batches.

    Args:
      p: layers with their integers.
      images: int8 `[N, rows, columns, channels]` of the program's input shape, N >= 1.

    Returns:
      int8 or int32 `[N, rows, columns, channels]` of the last layer.

    Raises:
      UsageError: `images` do not fit the input.
    """
    _check(p, images)
    return np.concatenate(
        [_outputs(p, batch, vector_layer.run)[-1] for batch in _batches(p, images)]
    )


def outputs(p: program.Program, images: Array) -> tuple[Array, ...]:
    """Every layer's output for each image, else as `predict`."""
    _check(p, images)
    batches = [_outputs(p, batch, vector_layer.run) for batch in _batches(p, images)]
    return tuple(np.concatenate(parts) for parts in zip(*batches, strict=True))


def outputs_readable(p: program.Program, images: Array) -> tuple[Array, ...]:
    """As `outputs`, by the layer that is the specification; 0.1 s for cmsisnet."""
    _check(p, images)
    return _outputs(p, images, reference_layer.run)


def _outputs(p: program.Program, images: Array, run: Run) -> tuple[Array, ...]:
    found: list[Array] = []
    for layer in p.layers:
        inputs = [images if i == program.INPUT else found[i] for i in layer.inputs]
        found.append(run(layer, _operands(layer, inputs)))
    return tuple(found)


def _operands(layer: program.Layer, inputs: Sequence[Array]) -> Sequence[Array]:
    """The inputs with the layer's rows and columns, concatenated and split."""
    hardware = layer.hardware
    shaped = [
        values.reshape(len(values), *hardware.in_dim, values.shape[-1])
        for values in inputs
    ]
    if all(values.shape[-1] == hardware.in_channels for values in shaped):
        return shaped
    return np.split(np.concatenate(shaped, axis=-1), hardware.operands, axis=-1)


def _batches(p: program.Program, images: Array) -> list[Array]:
    values = (
        math.prod(layer.out_dim) * math.prod(layer.kernel) * layer.in_channels
        for layer in p.hardware
    )
    size = max(1, MATRIX_BYTES // (4 * max(values)))
    return [images[start : start + size] for start in range(0, len(images), size)]


def _check(p: program.Program, images: Array) -> None:
    if images.dtype != np.int8 or images.shape[1:] != p.input_shape or not len(images):
        shape = ", ".join(map(str, p.input_shape))
        raise errors.UsageError(
            f"images must be int8 of shape (N, {shape}), N >= 1; found {images.dtype} "
            f"{images.shape}"
        )
