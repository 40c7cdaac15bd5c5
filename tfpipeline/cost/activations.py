"""A graph's activations as buffers: what the arena planners are given."""

from collections.abc import Callable, Sequence

import numpy as np

from tfpipeline.cost import liveness
from tfpipeline.ir import graph

# Bytes of scratch memory that a target's kernel asks for while a layer runs.
Scratch = Callable[[graph.Graph, graph.Layer], Sequence[int]]

# Width of the activations of a network that is not quantized: as it would be deployed.
DEFAULT_BITS = 8


def element_bytes(tensor: graph.Tensor, bits: int = DEFAULT_BITS) -> int:
    """Bytes of a value: of an integer tensor's type; `bits` of a float graph's."""
    if tensor.dtype == "float32":
        return bits // 8
    return np.dtype(tensor.dtype).itemsize


def state_bytes(g: graph.Graph, bits: int = DEFAULT_BITS) -> int:
    """Bytes of what layers keep from run to run, which no plan can share.

    Each starts at a multiple of 16 (`AllocateVariables` of micro_allocator.cc). A cell
    state has 16 bits where the graph is not quantized.
    """
    total = 0
    for layer in g.layers:
        for position, name in enumerate(graph.state_names(layer)):
            tensor = g.tensors[name]
            is_cell = isinstance(layer, graph.Lstm) and position == 1
            size = tensor.num_elements * element_bytes(tensor, 16 if is_cell else bits)
            total += -(-size // liveness.ALIGNMENT) * liveness.ALIGNMENT
    return total


def no_scratch(g: graph.Graph, layer: graph.Layer) -> Sequence[int]:
    """No layer asks for any."""
    return ()


def find_buffers(
    g: graph.Graph, *, bits: int = DEFAULT_BITS, scratch: Scratch = no_scratch
) -> tuple[liveness.Buffer, ...]:
    """Buffers of all activations, in the order in which the layers use them.

    Args:
        g: a well-formed graph.
        bits: width of an activation where the graph is not quantized.
        scratch: memory of kernels, alive during their layer.
    """
    steps = [
        liveness.Step(
            layer.name,
            tuple(name for name in layer.inputs if name not in g.constants),
            graph.written_names(layer),
            tuple(scratch(g, layer)),
        )
        for layer in g.layers
    ]
    sizes = {
        name: tensor.num_elements * element_bytes(tensor, bits)
        for name, tensor in g.tensors.items()
        if name not in g.constants
    }
    return liveness.find_buffers(sizes, steps, g.inputs, g.outputs)
