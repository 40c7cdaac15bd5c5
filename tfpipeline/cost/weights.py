"""Bytes of kernels and biases, as stored or as they would be deployed."""

from tfpipeline.ir import graph

# Width of the weights of a network that is not quantized: as it would be deployed.
DEFAULT_BITS = 8


def weight_bytes(
    g: graph.Graph, layer: graph.Layer, *, bits: int = DEFAULT_BITS
) -> int:
    """Bytes of a layer's kernel, the last one filled up; 0 without one of its own.

    A kernel that several layers read is the first one's.

    Args:
        g: a well-formed graph.
        layer: of it.
        bits: width of a weight where the graph is not quantized.
    """
    if not isinstance(layer, graph.Weighted) or not _is_first(g, layer, "weights"):
        return 0
    tensor = g.tensors[layer.weights]
    width = bits if tensor.dtype == "float32" else tensor.num_bits
    return -(-tensor.num_elements * width // 8)


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
    if not isinstance(layer, graph.Weighted) or layer.bias is None:
        return 0
    if not _is_first(g, layer, "bias"):
        return 0
    tensor = g.tensors[layer.bias]
    if tensor.dtype != "float32":
        return tensor.num_elements * tensor.num_bits // 8
    return tensor.num_elements * (8 if activation_bits == 16 else 4)


def graph_bytes(
    g: graph.Graph,
    *,
    bits: int = DEFAULT_BITS,
    activation_bits: int = DEFAULT_BITS,
) -> tuple[int, int]:
    """Bytes of all kernels and of all biases; what layers share is counted once."""
    kernels = sum(weight_bytes(g, layer, bits=bits) for layer in g.layers)
    biases = sum(
        bias_bytes(g, layer, activation_bits=activation_bits) for layer in g.layers
    )
    return kernels, biases


def _is_first(g: graph.Graph, layer: graph.Weighted, field: str) -> bool:
    """Whether no earlier layer reads the constant that `field` names."""
    name = getattr(layer, field)
    return layer is next(
        each
        for each in g.layers
        if isinstance(each, graph.Weighted) and getattr(each, field) == name
    )
