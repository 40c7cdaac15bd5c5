"""Runs a float graph on images, in float64: what integers are measured against."""

from collections.abc import Iterator, Mapping

import numpy as np

from tfpipeline import errors
from tfpipeline.ir import graph
from tfpipeline.simulate import execution, float_kernels, reference_kernels

Array = graph.Array
Kernels = Mapping[type[graph.Layer], reference_kernels.Kernel]

# Images at once: as many float64 activations of all layers are held.
BATCH_SIZE = 16


def require_float(g: graph.Graph) -> None:
    """Checks that a graph is of real numbers, with weights, and has kernels for it.

    Raises:
        GraphError: naming what is in the way.
    """
    found = [
        f"tensor '{tensor.name}' is {tensor.dtype}"
        for tensor in g.tensors.values()
        if tensor.dtype != "float32"
    ][:1]
    found += [
        f"{layer.kind} '{layer.name}' has no kernel of real numbers"
        for layer in g.layers
        if type(layer) not in float_kernels.KERNELS
    ]
    if len(g.inputs) != 1 or g.inputs[0] in g.constants:
        found.append(f"one input is supported; found {len(g.inputs)}")
    if found:
        raise errors.GraphError(f"graph '{g.name}' is no float graph: {found[0]}")


def predict(g: graph.Graph, images: Array) -> Array:
    """The first output for each image, float64 `[N, ...]`.

    Args:
        g: a verified float graph with one input.
        images: `[N, ...]` of the input's shape, N >= 1.

    Raises:
        GraphError: a layer is not supported.
        UsageError: `images` do not fit the input.
    """
    return np.concatenate([values[g.outputs[0]] for values in batches(g, images)])


def batches(g: graph.Graph, images: Array) -> Iterator[dict[str, Array]]:
    """All activations by name, of up to `BATCH_SIZE` images at a time.

    Of one where the first axis is not the batch throughout.
    """
    if len(images) < 1:
        raise errors.UsageError("at least one image is needed")
    size = BATCH_SIZE if execution.keeps_batch(g) else 1
    for start in range(0, len(images), size):
        yield activations(g, images[start : start + size])


def activations(
    g: graph.Graph, images: Array, kernels: Kernels = float_kernels.KERNELS
) -> dict[str, Array]:
    """All activations by name, float64, with fused activations applied.

    Raises:
        GraphError: a layer is not supported.
        UsageError: `images` do not fit the input.
    """
    require_float(g)
    source = g.tensors[g.inputs[0]]
    is_real = np.issubdtype(images.dtype, np.floating)
    if not is_real or images.shape[1:] != source.shape[1:]:
        raise errors.UsageError(
            f"the input '{source.name}' must be real numbers of shape {source.shape}; "
            f"found {images.dtype} {images.shape}"
        )
    values: dict[str, Array] = {source.name: images.astype(np.float64)}
    for layer in g.layers:
        operands = [
            g.constants[name].astype(np.float64)
            if name in g.constants
            else values[name]
            for name in layer.inputs
        ]
        results = reference_kernels.listed(kernels[type(layer)](g, layer, operands))
        clamp: graph.Clamp = getattr(layer, "clamp", graph.NO_CLAMP)
        if clamp != graph.NO_CLAMP:
            results = [np.clip(x, clamp.minimum, clamp.maximum) for x in results]
        values |= zip(graph.written_names(layer), results, strict=True)
    return values
