"""What a network costs on an Ethos-U: the target's part of `tfpipeline.estimate`.

Vela compiles the network's `.tflite`; cycles and memory are its own figures. What it
leaves to the CPU is priced as on a Cortex-M55 with CMSIS-NN (`targets/stm32`), at the
clock of the NPU.
"""

import functools

from tfpipeline import errors
from tfpipeline.cost import estimate, target
from tfpipeline.ir import graph
from tfpipeline.targets.ethosu import placement, spec, vela
from tfpipeline.targets.stm32 import cost, lowering
from tfpipeline.targets.stm32 import spec as cores

# Latency models: the NPU alone, and with what is left to the CPU.
NPU_MODEL = "vela"
BOTH_MODEL = "vela + cortex-m55"
_CORE = "cortex-m55"
_EVIDENCE = "by Vela"
# What the NPU computes with.
_INTEGERS = ("int8", "int16")


def estimate_graph(
    g: graph.Graph, options: estimate.Options, config: spec.Config
) -> estimate.Estimate:
    """Estimates a well-formed graph for `config`.

    A network that Vela cannot compile has a violation. Of one that has no integers yet
    `options.to_tflite` gives made-up ones.

    Raises:
        UsageError: Vela is not installed; or there is no `.tflite` to compile.
    """
    vela.require_installed()
    if options.to_tflite is None:
        raise errors.UsageError(
            f"{config.name} is estimated of a .tflite file only: by `tfpipeline "
            "estimate --model=FILE.tflite` or of a run"
        )
    try:
        found = placement.place(options.to_tflite(), config)
    except (errors.ExportError, errors.GraphError) as error:
        return estimate.refused(config.name, [str(error)])
    return _estimate(g, options, config, found)


def _estimate(
    g: graph.Graph,
    options: estimate.Options,
    config: spec.Config,
    found: placement.Placement,
) -> estimate.Estimate:
    compiled = found.compiled
    clock_hz = options.clock_hz or compiled.clock_hz
    on_npu = placement.cycles_by_layer(found, g)
    layers = found.layer_of(g)
    on_cpu = {layers[each.operator.index]: each for each in found.on_cpu}
    priced = _priced(g, list(on_cpu))
    models: dict[str, float] = {NPU_MODEL: compiled.cycles}
    if on_cpu:
        models[BOTH_MODEL] = compiled.cycles + sum(priced.values())
    return estimate.Estimate(
        target=config.name,
        layers=tuple(
            estimate.graph_layer(
                g,
                layer,
                {
                    model: on_npu.get(layer.name, 0)
                    + (priced.get(layer.name, 0.0) if model == BOTH_MODEL else 0)
                    for model in models
                },
            )
            for layer in g.layers
        ),
        latency={
            model: estimate.Latency(
                cycles=cycles, seconds=cycles / clock_hz, evidence=_EVIDENCE
            )
            for model, cycles in models.items()
        },
        memory=memory(compiled),
        notes=tuple(_notes(g, config, found, priced)),
    )


def _priced(g: graph.Graph, names: list[str]) -> dict[str, float]:
    """Cycles of a Cortex-M55 for layers of these names; moved data are 0."""
    core = cores.CORES[_CORE]
    return {
        layer.name: cost.count_instructions(layer, core) * core.cycles_per_instruction
        for layer in lowering.lower(g)
        if layer.name in names
    }


def memory(compiled: vela.Compiled) -> dict[str, int]:
    """Vela's sizes, in bytes; DRAM only where the memory mode uses some."""
    dram = compiled.num_bytes("dram_memory_used")
    flash = compiled.num_bytes("off_chip_flash_memory_used")
    flash += compiled.num_bytes("on_chip_flash_memory_used")
    return {
        "weight_bytes": round(compiled.number("total_npu_encoded_weights")),
        "flash_bytes": flash,
        "ram_bytes": compiled.num_bytes("sram_memory_used"),
        **({"dram_bytes": dram} if dram else {}),
        "file_bytes": len(compiled.model),
    }


def _notes(
    g: graph.Graph,
    config: spec.Config,
    found: placement.Placement,
    priced: dict[str, float],
) -> list[str]:
    compiled = found.compiled
    clock = compiled.clock_hz / 1e6
    layers = found.layer_of(g)
    notes = [
        f"cycles and memory are Vela's own model, for {config.system_config} "
        f"({clock:g} MHz) with {config.memory_mode}; no chip was compared with it",
        "weights are counted as encoded for the NPU; RAM is SRAM; activations lie in "
        f"{compiled.area('feature_map_storage_area')}, constants in "
        f"{compiled.area('weights_storage_area')}",
    ]
    if not any(g.tensors[layer.output].dtype in _INTEGERS for layer in g.layers):
        notes.append(
            "the network is float: it was compiled in integers of made-up scales, with "
            "random weights where it has none; export the one that is quantized"
        )
    notes += told(found, g)
    if found.merged:
        names = [layers[each.operator.index] for each in found.merged]
        notes.append(f"without a step of their own: {errors.listed(names)}")
    if not found.on_cpu:
        return notes
    unpriced = [name for name, cycles in priced.items() if not cycles]
    notes.append(
        f"{BOTH_MODEL}: what is left to the CPU costs as on a Cortex-M55 with CMSIS-NN "
        "at the NPU's clock (0.93 cycles an instruction, of a Cortex-M85), and neither "
        "overlaps the other"
        + (
            f"; not priced, as data that is moved: {errors.listed(unpriced)}"
            if unpriced
            else ""
        )
    )
    notes += [
        note
        for note in lowering.stand_ins(g)
        if any(f"'{name}'" in note for name in priced)
    ]
    return notes


def told(found: placement.Placement, g: graph.Graph) -> list[str]:
    """A line for each operator that is left to the CPU, by its layer, and why."""
    layers = found.layer_of(g)
    kinds = {layer.name: layer.kind for layer in g.layers}
    lines = []
    for each in found.on_cpu:
        name = layers[each.operator.index]
        reason = each.reason or "Vela does not put this operator on the NPU"
        layer = f"{kinds[name]} '{name}' ({each.operator.name})"
        lines.append(f"{layer} is left to the CPU: {reason}")
    return lines


TARGETS = tuple(
    target.Target(
        name=name,
        integers=target.TFLITE,
        estimate=functools.partial(estimate_graph, config=config),
        is_surveyed=False,
    )
    for name, config in spec.CONFIGS.items()
)
