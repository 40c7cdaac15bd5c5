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


# Bytes of a sum that a transposed convolution keeps, by the type of its data.
_SUM_BYTES = {"int8": 4, "int16": 8}


def scratch_bytes(g: graph.Graph, layer: graph.Layer) -> Sequence[int]:
    """Scratch memory in bytes that the reference kernels ask for.

    MEAN: an int32 sum an output, and two lists of int32, of the input's dimensions and
    of the axes. TRANSPOSE_CONV: a sum an output, of 32 bits beside int8 and of 64
    beside int16. Kernels of 4 bits: a byte a weight, unpacked. A float network counts
    as the int8 network that it becomes. Source: tensorflow/lite/micro/kernels/
    reduce_common.cc, transpose_conv.cc, conv_common.cc, depthwise_conv_common.cc,
    fully_connected.cc.
    """
    source = g.tensors[layer.inputs[0]]
    outputs = g.tensors[layer.output].num_elements
    if isinstance(layer, graph.Mean):
        return (4 * outputs, 4 * len(source.shape), 4 * len(layer.axes))
    if isinstance(layer, graph.TransposeConv2D):
        return (_SUM_BYTES.get(source.dtype, 4) * outputs,)
    if isinstance(layer, graph.Weighted):
        kernel = g.tensors[layer.weights]
        return (kernel.num_elements,) if kernel.num_bits == 4 else ()
    return ()


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
