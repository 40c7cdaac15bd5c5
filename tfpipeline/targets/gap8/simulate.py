"""Integer execution of a program, as the chip's kernels compute it, bit for bit.

`kernels` explains the two precisions. `predict` is fast and runs on all cores;
`outputs_readable` is the specification.
"""

import collections
from collections.abc import Mapping

import numpy as np

from tfpipeline import errors, parallel
from tfpipeline.ir import graph
from tfpipeline.targets.gap8 import fixed_point, kernels, program, vector_kernels

Array = graph.Array

SINGLE = kernels.SINGLE
DOUBLE = kernels.DOUBLE
PRECISIONS = kernels.PRECISIONS

# Images at once; more are not faster.
BATCH_SIZE = 16


def quantize_images(p: program.Program, images: Array) -> Array:
    """The integers of real images: to the nearest, halves upwards, saturated.

    Args:
        p: says the input's shape and fraction bits.
        images: float32 `[N, rows, columns, channels]`, `[N, columns, channels]` for
            one row, or `[N, n]` for a vector, in the range that the network was
            calibrated with: 0 to 255 for raw input.

    Returns:
        int16 or int8 `[N, channels, rows, columns]`.

    Raises:
        UsageError: images of another shape.
    """
    channels, rows, columns = p.input.shape
    if images.ndim == 2:
        images = images[:, None, None, :]
    elif images.ndim == 3:
        images = images[:, None]
    if images.shape[1:] != (rows, columns, channels):
        raise errors.UsageError(
            f"images must be (N, {rows}, {columns}, {channels}); found {images.shape}"
        )
    integers = fixed_point.quantize(images, p.input.q, p.num_bits)
    return np.ascontiguousarray(integers.transpose(0, 3, 1, 2))


def predict(p: program.Program, images: Array, precision: str = DOUBLE) -> Array:
    """The first output for each image, in batches on all cores.

    Args:
        p: layers with their integers.
        images: int16 or int8 `[N, channels, rows, columns]`, N >= 1, as
            `quantize_images` returns.
        precision: SINGLE or DOUBLE.

    Returns:
        `[N, channels, rows, columns]` of the output, as wide as the images.

    Raises:
        UsageError: the images do not fit, or there is no such precision.
        GraphError: a bias that the kernels of single precision cannot take.
    """
    name = p.outputs[0]
    parts = _each_batch(p, images, precision, (name,))
    return np.concatenate([part[name] for part in parts])


def outputs_of(
    p: program.Program, images: Array, names: tuple[str, ...], precision: str = DOUBLE
) -> tuple[Array, ...]:
    """The named tensors for each image; else as `predict`."""
    parts = _each_batch(p, images, precision, names)
    return tuple(np.concatenate([part[name] for part in parts]) for name in names)


def rows(p: program.Program, images: Array, precision: str = DOUBLE) -> Array:
    """As `predict`, of all outputs.

    Of several it is one row an image, `[N, values]`: each output flattened, one behind
    the other, as the exported C gives them.
    """
    if len(p.outputs) == 1:
        return predict(p, images, precision)
    found = outputs_of(p, images, p.outputs, precision)
    return np.concatenate([each.reshape(len(each), -1) for each in found], axis=1)


def outputs(
    p: program.Program, images: Array, precision: str = DOUBLE
) -> dict[str, Array]:
    """Every tensor for each image by name, the input included; else as `predict`."""
    names = tuple(p.tensors)
    parts = _each_batch(p, images, precision, names)
    return {name: np.concatenate([part[name] for part in parts]) for name in names}


def outputs_readable(
    p: program.Program, images: Array, precision: str = DOUBLE
) -> dict[str, Array]:
    """As `outputs`, by the kernels that are the specification."""
    _check(p, images, precision)
    found = {p.input.name: images}
    for layer in p.layers:
        inputs = [found[name] for name in layer.inputs]
        found[layer.output] = kernels.execute(layer, inputs, precision)
    return found


def _each_batch(
    p: program.Program, images: Array, precision: str, names: tuple[str, ...]
) -> list[Mapping[str, Array]]:
    """The named tensors of each batch; batches run in parallel."""
    _check(p, images, precision)
    # Small batches where there are few images, so that all threads have some.
    size = max(1, min(BATCH_SIZE, -(-len(images) // parallel.THREADS)))
    batches = [images[start : start + size] for start in range(0, len(images), size)]
    return parallel.mapped(lambda batch: _batch(p, batch, precision, names), batches)


def _batch(
    p: program.Program, images: Array, precision: str, names: tuple[str, ...]
) -> dict[str, Array]:
    """The named tensors; others are let go of behind their last reader."""
    found = {p.input.name: np.ascontiguousarray(images.swapaxes(0, 1))}
    remaining = collections.Counter(name for each in p.layers for name in each.inputs)
    remaining.update(names)
    for layer in p.layers:
        inputs = [found[name] for name in layer.inputs]
        found[layer.output] = vector_kernels.execute(layer, inputs, precision)
        for name in layer.inputs:
            remaining[name] -= 1
            if not remaining[name]:
                found.pop(name, None)
    return {name: np.ascontiguousarray(found[name].swapaxes(0, 1)) for name in names}


def _check(p: program.Program, images: Array, precision: str) -> None:
    if precision not in PRECISIONS:
        raise errors.UsageError(
            f"precision must be {' or '.join(PRECISIONS)}; found '{precision}'"
        )
    width = fixed_point.WIDTHS[p.num_bits]
    fits = images.dtype == width and images.shape[1:] == p.input.shape and len(images)
    if not fits:
        shape = ", ".join(map(str, p.input.shape))
        raise errors.UsageError(
            f"images must be {width} of shape (N, {shape}), N >= 1; found "
            f"{images.dtype} {images.shape}"
        )
    if precision == SINGLE:
        wrong = [
            layer.name
            for layer in p.layers
            if isinstance(layer, program.Conv)
            and layer.format.bias_q != layer.format.out_q
        ]
        if wrong:
            raise errors.GraphError(
                f"single precision adds the bias at the output's fraction bits; that "
                f"of {', '.join(wrong)} has others"
            )
