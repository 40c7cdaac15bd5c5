"""Runs an integer graph on images, layer by layer, with TFLite Micro's integers."""

import functools
from collections.abc import Mapping, Sequence

import numpy as np

from tfpipeline import errors, parallel
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
        raise errors.GraphError(errors.told(f"graph '{g.name[:60]}': ", found))


def run(
    g: graph.Graph, inputs: Sequence[Array], *, readable: bool = False
) -> tuple[Array, ...]:
    """The outputs for each image, in batches, by the fast kernels.

    Args:
        g: a verified graph of int8, or of int16 with int8 kernels.
        inputs: for each of the graph's inputs `[N, ...]` of its shape and type, N >= 1.
        readable: whether the kernels that are the specification run instead, one image
            after another. An image takes 0.8 to 3.4 s for cmsisnet, of 17 million MACs;
            2 ms by the fast ones.

    Returns:
        For each of the graph's outputs `[N, ...]` of its type.

    Raises:
        GraphError: a layer is not supported.
        UsageError: `inputs` do not fit the graph's.
    """
    require_supported(g)
    size = BATCH_SIZE if keeps_batch(g) and not readable else 1
    _check(g, inputs)
    images = len(inputs[0])
    if images < 1:
        raise errors.UsageError("at least one image is needed")
    steps = _steps(g, readable=readable)

    def outputs(start: int) -> list[Array]:
        values = _values(g, [each[start : start + size] for each in inputs], steps)
        return [values[name] for name in g.outputs]

    starts = range(0, images, size)
    # The readable kernels are Python throughout, which threads do not share.
    parts = list(map(outputs, starts)) if readable else parallel.mapped(outputs, starts)
    return tuple(np.concatenate(arrays) for arrays in zip(*parts, strict=True))


def predict(g: graph.Graph, images: Array) -> Array:
    """As `run`, for a graph of one input and one output.

    Args:
        g: a verified graph.
        images: `[N, ...]` of the input's shape and type, N >= 1.

    Returns:
        `[N, ...]` of the output's type.
    """
    return _sole(g, run(g, [images]))


def predict_readable(g: graph.Graph, images: Array) -> Array:
    """As `predict`, by the kernels that are the specification."""
    return _sole(g, run(g, [images], readable=True))


def activations(
    g: graph.Graph, inputs: Sequence[Array], kernels: Kernels
) -> dict[str, Array]:
    """All activations by name, for one image or for as many as `kernels` can take.

    Args:
        g: a verified graph.
        inputs: for each of the graph's inputs `[N, ...]`.
        kernels: of every kind of layer.

    Raises:
        GraphError: a layer is not supported.
        UsageError: `inputs` do not fit the graph's.
    """
    require_supported(g)
    _check(g, inputs)
    steps = [functools.partial(kernels[type(layer)], g, layer) for layer in g.layers]
    return _values(g, inputs, steps)


def _steps(g: graph.Graph, *, readable: bool) -> list[vector_kernels.Prepared]:
    """What each layer does with its operands."""
    if not readable:
        return [vector_kernels.prepared(g, layer) for layer in g.layers]
    kernels = reference_kernels.KERNELS
    return [functools.partial(kernels[type(layer)], g, layer) for layer in g.layers]


def _values(
    g: graph.Graph, inputs: Sequence[Array], steps: Sequence[vector_kernels.Prepared]
) -> dict[str, Array]:
    """All activations by name."""
    values: dict[str, Array] = dict(zip(g.inputs, inputs, strict=True))
    for layer, step in zip(g.layers, steps, strict=True):
        operands = [
            g.constants[name] if name in g.constants else values[name]
            for name in layer.inputs
        ]
        results = reference_kernels.listed(step(operands))
        values |= zip(graph.written_names(layer), results, strict=True)
    return values


def _check(g: graph.Graph, inputs: Sequence[Array]) -> None:
    if len(inputs) != len(g.inputs):
        raise errors.UsageError(
            f"graph '{g.name[:60]}' has {len(g.inputs)} inputs; found {len(inputs)} "
            "arrays"
        )
    for name, images in zip(g.inputs, inputs, strict=True):
        source = g.tensors[name]
        if images.dtype != source.dtype or images.shape[1:] != source.shape[1:]:
            raise errors.UsageError(
                f"the input '{source.name}' must be {source.dtype} of shape "
                f"{source.shape}; found {images.dtype} {images.shape}"
            )
        if len(images) != len(inputs[0]):
            raise errors.UsageError("there must be as many images for each input")


def _sole(g: graph.Graph, outputs: tuple[Array, ...]) -> Array:
    if len(outputs) != 1:
        raise errors.UsageError(
            f"graph '{g.name[:60]}' has {len(outputs)} outputs; one is expected here"
        )
    return outputs[0]


def keeps_batch(g: graph.Graph) -> bool:
    """Whether the first axis is the batch throughout."""
    return all(
        g.tensors[name].shape[:1] == (1,) and _keeps_first(g, layer)
        for layer in g.layers
        for name in graph.written_names(layer)
    )


def _keeps_first(g: graph.Graph, layer: graph.Layer) -> bool:
    """Whether the first axis of a layer's output is that of its inputs."""
    if isinstance(layer, (graph.Mean, graph.Reduction)):
        return 0 not in layer.axes
    if isinstance(layer, (graph.Position, graph.Split, graph.Pack, graph.Unpack)):
        return layer.axis != 0
    if isinstance(layer, graph.Lstm):
        return not layer.time_major
    if isinstance(layer, graph.Transpose):
        return layer.permutation[0] == 0
    if isinstance(layer, (graph.Elementwise, graph.Extremum, graph.PRelu)):
        # An operand of fewer dimensions has its batch along another axis.
        rank = len(g.tensors[layer.output].shape)
        read = (name for name in layer.inputs if name not in g.constants)
        return all(len(g.tensors[name].shape) == rank for name in read)
    return True
