"""What a graph costs on GAP8: the target's part of `tfpipeline.estimate`."""

from collections import Counter
from collections.abc import Mapping

from tfpipeline.cost import estimate, occupancy, operations, target
from tfpipeline.ir import global_pools, graph, single_results
from tfpipeline.targets.gap8 import (
    buffers,
    constraints,
    cost,
    fusion,
    l2_plan,
    memory_map,
    spec,
    steps,
    violation,
)

_MODELS = (cost.ASYNC, cost.SYNC)

_NOTES = (
    "latency is structural cycles x kappa: 1.90 in 16 bits, fitted to one figure (380 "
    "ms of the re-identification network, taken at 175 MHz), so it has no band of "
    "error; 1.15 in 8 bits, fitted to 33 MobileNets, 32 of them within 20 %",
    "sync adds weights / 3.61 MB/s, which is fitted to the one figure of 780 ms: no "
    "bandwidth of the HyperRAM explains it (docs/targets/gap8.md)",
    "L2 holds activations, weights and biases of the running layer; code, camera frame "
    "and the rest of an application come on top (python -m tfpipeline.plan)",
)


def estimate_graph(g: graph.Graph, options: estimate.Options) -> estimate.Estimate:
    """Estimates a well-formed graph.

    Float graphs are counted in as many bits as `options` give their activations;
    quantized ones in 8, or in 16 where their activations have as many.
    """
    if lacking := single_results.reasons(g):
        return estimate.refused(spec.NAME, lacking)
    g = global_pools.as_pools(g)
    bits = width(g, options)
    clocks = spec.clocks(options.clock_hz)
    net = fusion.fuse(g)
    plan = l2_plan.plan(net, bits=bits, rule=l2_plan.SYNC)
    ahead = l2_plan.plan(net, bits=bits, rule=l2_plan.ASYNC)
    found = cost.estimate(ahead, clocks)
    breaches = constraints.check(violation.Case(graph=g, plan=plan))
    return estimate.Estimate(
        target=spec.NAME,
        layers=_layers(g, found, options),
        latency={
            model: estimate.Latency(
                cycles=found.cycles(model),
                seconds=found.seconds(model),
                relative_error=spec.RELATIVE_ERROR[bits]
                if model == cost.ASYNC
                else None,
                joules=_joules(found, model, options),
            )
            for model in _wanted(options)
            if net.steps
        },
        memory=_memory(plan, ahead, found),
        violations=tuple(str(b) for b in breaches if b.level == violation.ERROR),
        notes=(*_notes(options, bits, clocks), *net.notes, *_warnings(breaches)),
        sections={"L2 while each layer runs (sync)": memory_map.to_text(plan)},
        maps=(_map(plan),) if net.steps else (),
    )


def _map(plan: l2_plan.Plan) -> occupancy.Occupancy:
    """L2 with the weights of the running step, which the bound has as well."""
    return occupancy.Occupancy(
        title="L2, weights loaded before each step (sync)",
        steps=tuple(step.name for step in plan.net.steps),
        blocks=tuple(
            occupancy.Block(
                each.buffer.name,
                each.offset,
                each.buffer.bytes,
                each.buffer.first,
                each.buffer.last,
                is_weights=each.step is not None,
            )
            for each in plan.regions
        ),
        bound_bytes=buffers.lower_bound(plan.net, plan.bits),
        available_bytes=spec.L2_BYTES,
    )


def width(g: graph.Graph, options: estimate.Options) -> int:
    """Bits of activations and weights, which are the same on this chip."""
    types = {
        tensor.dtype for name, tensor in g.tensors.items() if name not in g.constants
    }
    if "float32" not in types:
        return 16 if "int16" in types else 8
    return 16 if options.weight_bits == 16 else options.activation_bits


def _wanted(options: estimate.Options) -> tuple[str, ...]:
    """The models asked for; both where only another target's are."""
    return tuple(filter(options.wants, _MODELS)) or _MODELS


def _layers(
    g: graph.Graph, found: cost.Cost, options: estimate.Options
) -> tuple[estimate.Layer, ...]:
    # A maximum behind a concatenation is computed in several steps, a share in each.
    shared = Counter(layer.name for line in found.lines for layer in line.step.layers)
    return tuple(
        estimate.Layer(
            name=line.step.name,
            kind=_kind(line.step),
            macs=line.step.macs,
            **_counts(g, line.step, shared),
            weight_bytes=line.step.weight_elements * found.bits // 8,
            latency_cycles={
                model: line.async_cycles if model == cost.ASYNC else line.sync_cycles
                for model in _wanted(options)
            },
        )
        for line in found.lines
    )


def _kind(step: steps.Step) -> str:
    """The operation and what the same kernel does behind it: `conv+relu+max_pool`."""
    pool = () if step.pool is None else (step.pool.kind,)
    own = () if step.operation == steps.ACTIVATION else (step.operation,)
    return "+".join((*own, *step.activations, *pool))


def _counts(
    g: graph.Graph, step: steps.Step, shared: Mapping[str, int]
) -> dict[str, int]:
    sums = dict.fromkeys(operations.NAMES, 0)
    for layer in step.layers:
        counts = operations.count(g, layer).by_name()
        for name, count in counts.items():
            if shared[layer.name] > 1:
                whole = g.tensors[layer.output].num_elements
                count = count * steps.elements(step.result) // whole
            sums[name] += count
    return sums


def _joules(found: cost.Cost, model: str, options: estimate.Options) -> float | None:
    """Energy where it was measured: in 8 bits, loads hidden, at the largest clocks."""
    is_measured = found.bits == 8 and model == cost.ASYNC and options.clock_hz is None
    return spec.POWER_8_WATTS * found.seconds(model) if is_measured else None


def _memory(
    plan: l2_plan.Plan, ahead: l2_plan.Plan, found: cost.Cost
) -> dict[str, int]:
    net, bits = plan.net, plan.bits
    weight_bytes = sum(step.weight_elements for step in net.steps) * bits // 8
    bias_bytes = sum(step.bias_elements for step in net.steps) * bits // 8

    def peak(of: steps.Network, rule: str) -> int:
        return l2_plan.plan(of, bits=bits, rule=rule, capacity=None).peak_bytes

    needed = peak(net, l2_plan.SYNC)
    return {
        "weight_bytes": weight_bytes,
        "bias_bytes": bias_bytes,
        # Where the network does not fit, what it would need.
        "ram_bytes": needed if plan.shortages else plan.peak_bytes,
        "ram_available_bytes": spec.L2_BYTES,
        "l2_sync_bytes": needed,
        "l2_sync_bound_bytes": buffers.lower_bound(net, bits),
        "l2_async_bytes": peak(net, l2_plan.ASYNC),
        "l2_activations_bytes": peak(net, l2_plan.ACTIVATIONS),
        "l2_unpooled_bytes": peak(buffers.unpooled(net), l2_plan.SYNC),
        "l2_ping_pong_bytes": l2_plan.ping_pong_bytes(net, bits),
        "l3_stored_bytes": weight_bytes + bias_bytes,
        "l3_traffic_bytes": found.l3_bytes,
        "l2_l1_traffic_bytes": found.l2_l1_bytes,
    }


def _notes(
    options: estimate.Options, bits: int, clocks: spec.Clocks
) -> tuple[str, ...]:
    notes = [
        f"activations, weights and biases of {bits} bits; cluster at "
        f"{clocks.cluster_hz / 1e6:g} MHz, fabric controller at "
        f"{clocks.fabric_hz / 1e6:g} MHz, L3 at "
        f"{clocks.l3_bytes_per_second / 1e6:.1f} MB/s",
        *_NOTES,
    ]
    if clocks.cluster_hz > spec.CLUSTER_HZ:
        notes.append(
            f"the cluster runs at most at {spec.CLUSTER_HZ / 1e6:g} MHz, at 1.2 V"
        )
    if options.weight_bits not in (None, bits):
        notes.append(
            f"weights are counted in {bits} bits: GAP8's kernels have weights as wide "
            f"as their activations, not {options.weight_bits} bits beside {bits}"
        )
    return tuple(notes)


def _warnings(breaches: tuple[constraints.Violation, ...]) -> tuple[str, ...]:
    return tuple(
        f"warning: {breach}" for breach in breaches if breach.level == violation.WARNING
    )


TARGETS = (target.Target(name=spec.NAME, integers="gap8", estimate=estimate_graph),)
