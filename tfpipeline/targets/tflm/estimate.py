"""What TensorFlow Lite Micro needs to run a graph: its part of `tfpipeline.estimate`.

The interpreter is no chip: there is memory, and no latency.
"""

import functools

from tfpipeline.cost import (
    activations,
    estimate,
    kernel_scratch,
    memory_map,
    occupancy,
    target,
    weights,
)
from tfpipeline.ir import graph

TARGET = "tflm"

_NOTES = (
    "the arena is its head, the activations and scratch memory; the tail, the "
    "interpreter's tables, comes on top (about 8 B an output channel and 24 B a tensor "
    "on a 32-bit core)",
)


def estimate_graph(g: graph.Graph, options: estimate.Options) -> estimate.Estimate:
    """Estimates the memory of a well-formed graph, with a map of the arena."""
    bits = options.activation_bits
    buffers = activations.find_buffers(
        g, bits=bits, scratch=functools.partial(kernel_scratch.reference, bits=bits)
    )
    plans = memory_map.compare(buffers)
    names = [layer.name for layer in g.layers]
    kept = activations.state_bytes(g, bits)
    weight_bytes, bias_bytes = weights.graph_bytes(g, activation_bits=bits)
    return estimate.Estimate(
        target=TARGET,
        layers=tuple(estimate.graph_layer(g, layer, {}) for layer in g.layers),
        latency={},
        memory={
            "weight_bytes": weight_bytes,
            "bias_bytes": bias_bytes,
            **({"state_bytes": kept} if kept else {}),
            "arena_bound_bytes": plans.bound_bytes,
            "arena_planned_bytes": plans.ours.peak_bytes,
            "arena_greedy_bytes": plans.greedy.peak_bytes,
        },
        notes=_NOTES,
        sections={
            "arena": memory_map.format_peaks(plans),
            "map of the arena": memory_map.format_map(plans.ours, names),
        },
        maps=(
            occupancy.of_arena(
                plans.greedy, names, title="arena as TensorFlow Lite Micro plans it"
            ),
        ),
    )


TARGETS = (target.Target(name=TARGET, integers=target.TFLITE, estimate=estimate_graph),)
