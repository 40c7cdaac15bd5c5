"""What TensorFlow Lite Micro needs to run a graph: its part of `tfpipeline.estimate`.

The interpreter is no chip: there is memory, and no latency.
"""

from collections.abc import Sequence

from tfpipeline.cost import activations, estimate, memory_map, weights
from tfpipeline.ir import graph

TARGET = "tflm"

_NOTES = (
    "the arena is its head, the activations and scratch memory; the tail, the "
    "interpreter's tables, comes on top (about 8 B an output channel and 24 B a tensor "
    "on a 32-bit core)",
)


def scratch_bytes(g: graph.Graph, layer: graph.Layer) -> Sequence[int]:
    """Scratch memory in bytes that the reference kernels of int8 ask for.

    Only MEAN does: an int32 accumulator an output, and two lists of int32, of the
    input's dimensions and of the axes. Source: tensorflow/lite/micro/kernels/
    reduce_common.cc.
    """
    if not isinstance(layer, graph.Mean):
        return ()
    rank = len(g.tensors[layer.inputs[0]].shape)
    outputs = g.tensors[layer.output].num_elements
    return (4 * outputs, 4 * rank, 4 * len(layer.axes))


def estimate_graph(g: graph.Graph, options: estimate.Options) -> estimate.Estimate:
    """Estimates the memory of a well-formed graph, with a map of the arena."""
    buffers = activations.find_buffers(
        g, bits=options.activation_bits, scratch=scratch_bytes
    )
    plans = memory_map.compare(buffers)
    names = [layer.name for layer in g.layers]
    weight_bytes, bias_bytes = weights.graph_bytes(
        g, activation_bits=options.activation_bits
    )
    return estimate.Estimate(
        target=TARGET,
        layers=tuple(estimate.graph_layer(g, layer, {}) for layer in g.layers),
        latency={},
        memory={
            "weight_bytes": weight_bytes,
            "bias_bytes": bias_bytes,
            "arena_bound_bytes": plans.bound_bytes,
            "arena_planned_bytes": plans.ours.peak_bytes,
            "arena_greedy_bytes": plans.greedy.peak_bytes,
        },
        notes=_NOTES,
        sections={
            "arena": memory_map.format_peaks(plans),
            "map of the arena": memory_map.format_map(plans.ours, names),
        },
    )
