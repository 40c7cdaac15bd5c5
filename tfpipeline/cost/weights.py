"""Bytes of kernels, constant operands and biases, as stored or as deployed."""

import functools
from collections.abc import Callable, Mapping

from tfpipeline.ir import graph

# Width of the weights of a network that is not quantized: as it would be deployed.
DEFAULT_BITS = 8


def weight_bytes(
    g: graph.Graph, layer: graph.Layer, *, bits: int = DEFAULT_BITS
) -> int:
    """Bytes of a layer's kernel and constant operands; 0 without any of its own.

    Slopes of a PRelu and a constant of a sum lie beside the kernels. What several
    layers read is the first one's; a last byte is filled up.

    Args:
        g: a well-formed graph.
        layer: of it.
        bits: width of a weight where the graph is not quantized.
    """
    total = 0
    for tensor in _own(g, layer, _constants):
        width = bits if tensor.dtype == "float32" else tensor.num_bits
        total += -(-tensor.num_elements * width // 8)
    return total


def bias_bytes(
    g: graph.Graph, layer: graph.Layer, *, activation_bits: int = DEFAULT_BITS
) -> int:
    """Bytes of a layer's bias: of its type, int32 beside int8, int64 beside int16.

    A bias that several layers read is the first one's.

    Args:
        g: a well-formed graph.
        layer: of it.
        activation_bits: width of an activation where the graph is not quantized.
    """
    total = 0
    for tensor in _own(g, layer, _biases):
        if tensor.dtype != "float32":
            total += tensor.num_elements * tensor.num_bits // 8
        else:
            total += tensor.num_elements * (8 if activation_bits == 16 else 4)
    return total


def graph_bytes(
    g: graph.Graph,
    *,
    bits: int = DEFAULT_BITS,
    activation_bits: int = DEFAULT_BITS,
) -> tuple[int, int]:
    """Bytes of all kernels with constant operands, and of all biases.

    What layers share is counted once.
    """
    kernels = sum(weight_bytes(g, layer, bits=bits) for layer in g.layers)
    biases = sum(
        bias_bytes(g, layer, activation_bits=activation_bits) for layer in g.layers
    )
    return kernels, biases


def _constants(g: graph.Graph, layer: graph.Layer) -> tuple[str, ...]:
    operands = tuple(name for name in layer.inputs if name in g.constants)
    return graph.kernel_names(layer) + operands


def _biases(g: graph.Graph, layer: graph.Layer) -> tuple[str, ...]:
    del g
    return graph.bias_names(layer)


_Names = Callable[[graph.Graph, graph.Layer], tuple[str, ...]]


def _own(g: graph.Graph, layer: graph.Layer, names: _Names) -> list[graph.Tensor]:
    """The constants that `names` lists of a layer and of no earlier one."""
    first = _first_readers(g, names)
    return [
        g.tensors[name]
        for name in dict.fromkeys(names(g, layer))
        if first.get(name, layer) is layer
    ]


# Asked of every layer of a graph in turn: a search each time is quadratic in them.
@functools.lru_cache(maxsize=2)
def _first_readers(g: graph.Graph, names: _Names) -> Mapping[str, graph.Layer]:
    """By name of a constant, the first layer that reads it."""
    first: dict[str, graph.Layer] = {}
    for layer in g.layers:
        for name in names(g, layer):
            first.setdefault(name, layer)
    return first
