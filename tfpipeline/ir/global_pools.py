"""The largest value of a whole plane as chips have it: a pool and a reshape.

A `.tflite` file has REDUCE_MAX for what Keras calls a global pool, of lines and of 16
bits always. TensorFlow Lite Micro runs and prices it as that; a chip that has pools has
the operator too.
"""

import dataclasses
from collections.abc import Container

from tfpipeline.ir import graph


def as_pools(g: graph.Graph) -> graph.Graph:
    """The same results, with a MaxPool for each ReduceMax over all of a plane or line.

    Args:
        g: a well-formed graph.

    Returns:
        `g` itself where there is none. The pool is named as the reader of Keras
        networks does: the layer's name and `/pool`, unless it keeps the axes.
    """
    if not any(_is_global(g, layer) for layer in g.layers):
        return g
    tensors, layers = dict(g.tensors), list[graph.Layer]()
    taken = {layer.name for layer in g.layers}
    for layer in g.layers:
        if not _is_global(g, layer):
            layers.append(layer)
            continue
        source, result = tensors[layer.inputs[0]], tensors[layer.output]
        plane = source.shape[1:-1]
        pool = graph.MaxPool(
            name=layer.name,
            inputs=layer.inputs,
            output=layer.output,
            kernel_size=plane,
            strides=plane,
            padding=((0, 0),) * len(plane),
        )
        shape = (source.shape[0], *(1 for _ in plane), source.shape[-1])
        if result.shape == shape:
            layers.append(pool)
            continue
        pooled = _free(f"{layer.output}/pool", tensors)
        tensors[pooled] = dataclasses.replace(result, name=pooled, shape=shape)
        name = _free(f"{layer.name}/pool", taken)
        taken.add(name)
        layers += [
            dataclasses.replace(pool, name=name, output=pooled),
            graph.Reshape(name=layer.name, inputs=(pooled,), output=layer.output),
        ]
    return dataclasses.replace(g, tensors=tensors, layers=tuple(layers))


def _is_global(g: graph.Graph, layer: graph.Layer) -> bool:
    if not isinstance(layer, graph.ReduceMax):
        return False
    rank = len(g.tensors[layer.inputs[0]].shape)
    return rank in (3, 4) and sorted(layer.axes) == list(range(1, rank - 1))


def _free(name: str, taken: Container[str]) -> str:
    while name in taken:
        name += "_"
    return name
