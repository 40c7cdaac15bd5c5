"""Runs an integer graph on images, layer by layer, with TFLite Micro's integers."""

from collections.abc import Mapping

import numpy as np

from tfpipeline import errors
from tfpipeline.ir import graph
from tfpipeline.simulate import reference_kernels, support, vector_kernels

Array = graph.Array
Kernels = Mapping[type[graph.Layer], reference_kernels.Kernel]

# Images at once. Temporary int64 arrays of more leave the processor's cache.
BATCH_SIZE = 16


def require_supported(g: graph.Graph) -> None:
    """Checks that every layer has a kernel for the types of its tensors.

    Raises:
        GraphError: naming all that `support` finds in the way.
    """
    found = support.reasons(g)
    if found:
        raise errors.GraphError(f"graph '{g.name}': {'; '.join(found)}")


def predict(g: graph.Graph, images: Array) -> Array:
    """The output for each image, in batches, by the fast kernels.

    Args:
        g: a verified graph of int8, or of int16 with int8 kernels, with one input and
            one output.
        images: `[N, ...]` of the input's shape and type, N >= 1.

    Returns:
        `[N, ...]` of the output's type.

    Raises:
        GraphError: a layer is not supported.
        UsageError: `images` do not fit the input.
    """
    size = BATCH_SIZE if keeps_batch(g) else 1
    return _predict(g, images, vector_kernels.KERNELS, size)


def predict_readable(g: graph.Graph, images: Array) -> Array:
    """As `predict`, one image after another, by the kernels that are the specification.

    An image takes 0.8 to 3.4 s for cmsisnet, of 17 million MACs; `predict` 2 ms.
    """
    return _predict(g, images, reference_kernels.KERNELS, 1)


def activations(g: graph.Graph, images: Array, kernels: Kernels) -> dict[str, Array]:
    """All activations by name, for one image or for as many as `kernels` can take.

    Raises:
        GraphError: a layer is not supported.
        UsageError: `images` do not fit the input.
    """
    require_supported(g)
    source = g.tensors[g.inputs[0]]
    if images.dtype != source.dtype or images.shape[1:] != source.shape[1:]:
        raise errors.UsageError(
            f"the input '{source.name}' must be {source.dtype} of shape "
            f"{source.shape}; found {images.dtype} {images.shape}"
        )
    values: dict[str, Array] = {source.name: images}
    for layer in g.layers:
        operands = [
            g.constants[name] if name in g.constants else values[name]
            for name in layer.inputs
        ]
        values[layer.output] = kernels[type(layer)](g, layer, operands)
    return values


def _predict(g: graph.Graph, images: Array, kernels: Kernels, size: int) -> Array:
    if len(images) < 1:
        raise errors.UsageError("at least one image is needed")
    return np.concatenate(
        [
            activations(g, images[start : start + size], kernels)[g.outputs[0]]
            for start in range(0, len(images), size)
        ]
    )


def keeps_batch(g: graph.Graph) -> bool:
    """Whether the first axis is the batch throughout."""
    return all(
        g.tensors[layer.output].shape[:1] == (1,) and _keeps_first(g, layer)
        for layer in g.layers
    )


def _keeps_first(g: graph.Graph, layer: graph.Layer) -> bool:
    """Whether the first axis of a layer's output is that of its inputs."""
    if isinstance(layer, (graph.Mean, graph.Reduction)):
        return 0 not in layer.axes
    if isinstance(layer, graph.Position):
        return layer.axis != 0
    if isinstance(layer, graph.Transpose):
        return layer.permutation[0] == 0
    if isinstance(layer, (graph.Elementwise, graph.Extremum, graph.PRelu)):
        # An operand of fewer dimensions has its batch along another axis.
        rank = len(g.tensors[layer.output].shape)
        read = (name for name in layer.inputs if name not in g.constants)
        return all(len(g.tensors[name].shape) == rank for name in read)
    return True
