"""Integer execution of a program, as the accelerator computes it, bit for bit."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

from tfpipeline import errors, parallel
from tfpipeline.ir import graph
from tfpipeline.targets.max78000 import (
    accelerator_layer,
    arithmetic,
    program,
    reference_kernels,
    vector_kernels,
)

Array = graph.Array
Kept = TypeVar("Kept")


@dataclasses.dataclass(frozen=True)
class _Kernels:
    """Pooling, and convolution with all that follows it."""

    pooled: Callable[[accelerator_layer.AcceleratorLayer, Array], Array]
    convolved: Callable[[program.Layer, Array], Array]


_READABLE = _Kernels(reference_kernels.pooled, reference_kernels.convolved)
_FAST = _Kernels(vector_kernels.pooled, vector_kernels.convolved)

# Images at once; more are not faster.
BATCH_SIZE = 16


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
    return np.concatenate(_each_batch(p, images, lambda found: found[-1]))


def outputs_of(
    p: program.Program, images: Array, places: Sequence[int]
) -> tuple[Array, ...]:
    """The outputs of the layers at `places` for each image, else as `predict`."""
    batches = _each_batch(p, images, lambda found: tuple(found[i] for i in places))
    return tuple(np.concatenate(parts) for parts in zip(*batches, strict=True))


def outputs(p: program.Program, images: Array) -> tuple[Array, ...]:
    """Every layer's output for each image, else as `predict`."""
    batches = _each_batch(p, images, lambda found: found)
    return tuple(np.concatenate(parts) for parts in zip(*batches, strict=True))


def outputs_readable(p: program.Program, images: Array) -> tuple[Array, ...]:
    """As `outputs`, by the kernels that are the specification.

    An image takes 0.1 to 0.2 s for cmsisnet; `predict` 1 to 2 ms.
    """
    _check(p, images)
    return _outputs(p, images, _READABLE)


def _outputs(p: program.Program, images: Array, kernels: _Kernels) -> tuple[Array, ...]:
    found: list[Array] = []
    for layer in p.layers:
        inputs = [images if i == program.INPUT else found[i] for i in layer.inputs]
        data = _prepared(layer.hardware, _operands(layer, inputs), kernels)
        if layer.hardware.convolves:
            data = kernels.convolved(layer, data)
        found.append(data)
    return tuple(found)


def _prepared(
    hardware: accelerator_layer.AcceleratorLayer,
    operands: Sequence[Array],
    kernels: _Kernels,
) -> Array:
    """What the layer convolves or passes on: pooled, combined, flattened."""
    if hardware.eltwise is None:
        data = kernels.pooled(hardware, operands[0])
    elif hardware.pool_first:
        every = [kernels.pooled(hardware, operand) for operand in operands]
        data = arithmetic.combine(hardware.eltwise, every)
    else:
        data = kernels.pooled(hardware, arithmetic.combine(hardware.eltwise, operands))
    if hardware.flatten:
        # In the order channel, row, column.
        data = data.transpose(0, 3, 1, 2).reshape(len(data), 1, 1, -1)
    return data


def _operands(layer: program.Layer, inputs: Sequence[Array]) -> Sequence[Array]:
    """The inputs with the layer's rows and columns, concatenated and split."""
    hardware = layer.hardware
    if layer.joins_pixels([values.shape[-1] for values in inputs]):
        count, channels = len(inputs[0]), hardware.in_channels
        rows = [values.reshape(count, -1, channels) for values in inputs]
        whole = np.concatenate(rows, axis=1)
        return [whole.reshape(count, *hardware.in_dim, channels)]
    shaped = [
        values.reshape(len(values), *hardware.in_dim, values.shape[-1])
        for values in inputs
    ]
    if all(values.shape[-1] == hardware.in_channels for values in shaped):
        return shaped
    return np.split(np.concatenate(shaped, axis=-1), hardware.operands, axis=-1)


def _each_batch(
    p: program.Program, images: Array, keep: Callable[[tuple[Array, ...]], Kept]
) -> list[Kept]:
    """What to keep of the outputs of each batch; batches run in parallel."""
    _check(p, images)
    # Small batches where there are few images, so that all threads have some.
    size = max(1, min(BATCH_SIZE, -(-len(images) // parallel.THREADS)))
    batches = [images[start : start + size] for start in range(0, len(images), size)]
    return parallel.mapped(lambda batch: keep(_outputs(p, batch, _FAST)), batches)


def _check(p: program.Program, images: Array) -> None:
    if images.dtype != np.int8 or images.shape[1:] != p.input_shape or not len(images):
        shape = ", ".join(map(str, p.input_shape))
        raise errors.UsageError(
            f"images must be int8 of shape (N, {shape}), N >= 1; found {images.dtype} "
            f"{images.shape}"
        )
