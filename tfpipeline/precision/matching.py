"""Layers of an integer graph and those of the float graph that it was made from."""

from tfpipeline import errors
from tfpipeline.ir import graph

# (layer of the float graph, layer of the integer graph).
Pair = tuple[graph.Layer, graph.Layer]


def match(float_graph: graph.Graph, integer_graph: graph.Graph) -> tuple[Pair, ...]:
    """Pairs the layers of both, by their names where all agree, else by their order.

    The readers of Keras and of `.tflite` give a network's layers in one order. A
    Requantize, which only an integer graph has, is left out.

    Raises:
        GraphError: they are not the same network; names the first difference.
    """
    ours = list(float_graph.layers)
    theirs = [x for x in integer_graph.layers if not isinstance(x, graph.Requantize)]
    by_name = {layer.name: layer for layer in theirs}
    if by_name.keys() == {layer.name for layer in ours} and len(theirs) == len(ours):
        theirs = [by_name[layer.name] for layer in ours]
    for index in range(max(len(ours), len(theirs))):
        found = [
            _description(g, layers[index]) if index < len(layers) else "no layer"
            for g, layers in ((float_graph, ours), (integer_graph, theirs))
        ]
        if found[0] != found[1]:
            name = (ours if index < len(ours) else theirs)[index].name
            raise errors.GraphError(
                f"'{float_graph.name}' is not the float network of "
                f"'{integer_graph.name}': layer {index} '{name}' is {found[0]} in "
                f"float, {found[1]} in integers"
            )
    return tuple(zip(ours, theirs, strict=True))


def _description(g: graph.Graph, layer: graph.Layer) -> str:
    return f"{layer.kind} to {g.tensors[layer.output].shape}"
