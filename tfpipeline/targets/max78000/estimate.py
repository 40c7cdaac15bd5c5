"""What a graph costs on the accelerator: the target's part of `tfpipeline.estimate`."""

import functools
from collections.abc import Sequence

from tfpipeline.cost import estimate, occupancy, target
from tfpipeline.ir import global_pools, graph, single_results
from tfpipeline.targets.max78000 import (
    cost,
    data_memory,
    fusion,
    graph_cost,
    latency,
    lowering,
    power,
    report,
    splitting,
)
from tfpipeline.targets.max78000 import spec as specs

_NOTE = (
    "latency leaves out loading weights and input, unloading the result, and the start "
    "of about 5 us"
)

# Share by which measured networks were slower than the model: nascifarnet 0.1 %,
# cmsisnet up to 7 % ("CIFAR image classification on MAX78000"). The other model was
# never compared with a device.
_RELATIVE_ERRORS = {"ai8x": 0.07}


def estimate_graph(
    g: graph.Graph, options: estimate.Options, spec: specs.Spec
) -> estimate.Estimate:
    """Estimates a well-formed graph on the device of `spec`.

    A network of which some layer has no form at all on the device has violations and
    no layers.

    Raises:
        GraphError: the input cannot be folded by `options.fold`, or a quantized network
            was to be split.
    """
    if lacking := single_results.reasons(g):
        return estimate.refused(spec.name, lacking)
    g = global_pools.as_pools(g)
    if options.split_kernels:
        g = splitting.split(g)
    found = graph_cost.estimate_graph(
        g, spec, weight_bits=_bits(g, options), fold=options.fold
    )
    lowered, result = found.lowered, found.cost
    if not lowered.steps:
        nothing = () if found.violations else ("no layer is left for the accelerator",)
        return estimate.Estimate(
            target=spec.name,
            layers=(),
            latency={},
            memory={},
            violations=(*found.violations, *nothing),
            notes=lowered.notes,
        )
    models = [name for name in result.latency_cycles if options.wants(name)]
    return estimate.Estimate(
        target=spec.name,
        layers=tuple(
            _layer(step, line, models)
            for step, line in zip(lowered.steps, result.layers, strict=True)
        ),
        latency={
            name: estimate.Latency(
                cycles=result.latency_cycles[name],
                seconds=result.latency_seconds(name, options.clock_hz),
                relative_error=_RELATIVE_ERRORS.get(name),
            )
            for name in models
        },
        memory=_memory(lowered, result, spec),
        violations=found.violations,
        notes=_notes(lowered, models, found.violations),
        sections=_sections(lowered, result, models),
        maps=() if found.violations else (_map(lowered, spec),),
    )


def _map(lowered: lowering.Lowered, spec: specs.Spec) -> occupancy.Occupancy:
    """The data memory; four processors have one of its instances."""
    arguments = (lowered.layers, [s.operands for s in lowered.steps], lowered.outputs)
    form = lowered.input_format
    plan = data_memory.plan(*arguments, input_format=form, spec=spec)
    lives = data_memory.lives(*arguments, input_format=form, spec=spec)
    names = [" + ".join(x.graph_layers) or x.name for x in lowered.steps]
    size, shared = spec.memory_instance_bytes, spec.processors_per_memory
    instances = range(spec.processors // shared)
    last_step = len(names)
    return occupancy.Occupancy(
        title="data memory, an instance of it for four processors",
        steps=(occupancy.INPUT_STEP, *names),
        blocks=tuple(
            occupancy.Block(
                name,
                size * instance + region.first_byte,
                region.end_byte - region.first_byte,
                # The input is there before the first layer.
                life[0] + 1,
                min(life[1] + 1, last_step),
            )
            for name, region, life in zip(
                ("input", *names), (plan.input, *plan.outputs), lives, strict=True
            )
            for instance in instances
            if region.processors >> shared * instance & (1 << shared) - 1
        ),
        available_bytes=size * len(instances),
        lanes=tuple(
            occupancy.Lane(f"{shared * each}-{shared * each + shared - 1}", size * each)
            for each in instances
        ),
    )


def _bits(g: graph.Graph, options: estimate.Options) -> fusion.Bits:
    """One width, or that of each layer."""
    if not options.layer_bits:
        return options.weight_bits
    fusion.check_names(g, options.layer_bits)
    named = {layer.name for layer in g.layers if isinstance(layer, graph.Weighted)}
    others = (
        {} if options.weight_bits is None else dict.fromkeys(named, options.weight_bits)
    )
    return {**others, **options.layer_bits}


def _notes(
    lowered: lowering.Lowered, models: Sequence[str], violations: Sequence[str]
) -> tuple[str, ...]:
    notes = [*lowered.notes]
    if models:
        notes.append(_NOTE)
    if violations:
        notes.append("the figures are those that the network would have if it fitted")
    return tuple(notes)


def _layer(
    step: lowering.LoweredLayer, line: cost.LayerCost, models: Sequence[str]
) -> estimate.Layer:
    counts = line.operations
    return estimate.Layer(
        name=" + ".join(step.graph_layers) or step.name,
        kind=line.layer.operator,
        macs=counts.macc,
        **counts.by_name(),
        weight_bytes=line.weight_bytes,
        latency_cycles={name: line.latency_cycles[name] for name in models},
    )


def _memory(
    lowered: lowering.Lowered, result: cost.Cost, spec: specs.Spec
) -> dict[str, int]:
    instances = spec.processors // spec.processors_per_memory
    return {
        "weight_bytes": result.weight_bytes,
        "weight_available_bytes": spec.weight_bytes,
        "bias_bytes": result.bias_bytes,
        "bias_available_bytes": spec.bias_bytes,
        "data_bytes": data_memory.live_bytes(
            lowered.layers,
            [step.operands for step in lowered.steps],
            lowered.outputs,
            input_format=lowered.input_format,
            spec=spec,
        ),
        "data_available_bytes": instances * spec.memory_instance_bytes,
    }


def _sections(
    lowered: lowering.Lowered, result: cost.Cost, models: Sequence[str]
) -> dict[str, str]:
    """What the vendor's tool prints about the same layers, and what it measured."""
    text = report.summary(result)
    if latency.MODELS[0] in models:
        text = f"{report.estimated_latency(result)}\n{text}"
    sections = {"as the vendor's tool prints it": text}
    macs = sum(line.operations.macc for line in result.layers)
    measured = power.of_network(result.weight_bytes, macs, result.spec)
    if measured is not None:
        sections["energy and power by the vendor's AN7664, VCOREA 1.0 V"] = power.text(
            measured
        )
    return sections


TARGETS = tuple(
    target.Target(
        name=name,
        integers="max78000",
        estimate=functools.partial(estimate_graph, spec=spec),
    )
    for name, spec in specs.SPECS.items()
)
