"""What a graph costs on a PowerVR core: the target's part of `tfpipeline.estimate`."""

import functools

from tfpipeline.cost import estimate, target, weights
from tfpipeline.ir import graph
from tfpipeline.targets.powervr import cost, lowering, spec


def estimate_graph(
    g: graph.Graph, options: estimate.Options, core: spec.Core
) -> estimate.Estimate:
    """Estimates a well-formed graph on `core`."""
    bits = _bits(g, options)
    clock_hz = options.clock_hz or core.clock_hz
    models = tuple(filter(options.wants, spec.MODELS)) or spec.MODELS
    lowered = lowering.lower(g)
    found = {
        model: cost.cost(g, lowered, core, model, bits, clock_hz) for model in models
    }
    cycles = {
        model: {
            each.layers[0]: clock_hz * seconds
            for each, seconds in zip(
                lowered.passes, found[model].pass_seconds, strict=True
            )
        }
        for model in models
    }
    kernels, biases = weights.graph_bytes(g, bits=bits, activation_bits=bits)
    memory = {"weight_bytes": kernels, "bias_bytes": biases}
    for model in models:
        memory[f"{model}_traffic_bytes"] = round(found[model].traffic_bytes)
    return estimate.Estimate(
        target=core.name,
        layers=tuple(
            estimate.graph_layer(
                g,
                layer,
                {model: cycles[model].get(layer.name, 0.0) for model in models},
            )
            for layer in g.layers
        ),
        latency={
            model: estimate.Latency(
                cycles=clock_hz * found[model].seconds, seconds=found[model].seconds
            )
            for model in models
        },
        memory=memory,
        notes=_notes(g, bits, models),
    )


def _bits(g: graph.Graph, options: estimate.Options) -> int:
    """Of all values: as the graph stores them, else as the options say."""
    types = {g.tensors[layer.output].dtype for layer in g.layers}
    if "int16" in types:
        return 16
    return options.activation_bits if "float32" in types else 8


def _notes(g: graph.Graph, bits: int, models: tuple[str, ...]) -> tuple[str, ...]:
    constants = ", ".join(f"{model} {spec.FITTED_CONSTANTS[model]}" for model in models)
    notes = [
        "a fit to one table of 16 numbers of two networks, no measurement: constants "
        f"from that table are {constants}; docs/targets/powervr.md has the residuals",
        f"weights and activations of {bits} bits; traffic is bytes over the memory's "
        "bus for one inference",
    ]
    if any(isinstance(layer, graph.Unknown) for layer in g.layers):
        notes.append(
            "work and weights of operators that are not supported are left out"
        )
    return tuple(notes)


TARGETS = tuple(
    target.Target(
        name=name,
        integers="powervr",
        estimate=functools.partial(estimate_graph, core=core),
    )
    for name, core in spec.CORES.items()
)
