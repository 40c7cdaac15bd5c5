"""The plan of L2 as a header: a line of offsets for each step."""

from collections.abc import Iterator

from export.c import literals
from tfpipeline.targets.gap8 import l2_plan, steps


def text(plan: l2_plan.Plan, name: str) -> str:
    """The text of NAME_l2_plan.h.

    Offsets are bytes from the start of one block of NAME_L2_BYTES. Step i has
    NAME_L2_STEP<i>_INPUT<j>, _OUTPUT, and where it has them _WEIGHTS and, behind them,
    _BIAS; where weights come in tiles also _TILE_CHANNELS.
    """
    upper = f"{name.upper()}_L2"
    lines = [
        f"#ifndef {upper}_PLAN_H",
        f"#define {upper}_PLAN_H",
        "",
        "/* Offsets in bytes. Weights and biases are loaded before their step. A part",
        "   of a concatenation lies in its place of the whole. */",
        f"#define {upper}_BYTES {plan.peak_bytes}",
        f"#define {upper}_STEPS {len(plan.net.steps)}",
        f"#define {upper}_ELEMENT_BYTES {plan.bits // 8}",
    ]
    for time, step in enumerate(plan.net.steps):
        lines += ["", literals.comment(f"{step.name}: {step.operation}")]
        lines += [
            f"#define {upper}_STEP{time}_{what} {value}"
            for what, value in _step(plan, time, step)
        ]
    return "\n".join([*lines, "", "#endif"]) + "\n"


def _step(plan: l2_plan.Plan, time: int, step: steps.Step) -> Iterator[tuple[str, int]]:
    regions = {r.buffer.name: r for r in plan.regions if r.step is None}

    def offset(tensor: str) -> int:
        place = plan.net.places[tensor]
        return regions[place.buffer].offset + place.offset * plan.bits // 8

    for index, tensor in enumerate(step.inputs):
        yield f"INPUT{index}", offset(tensor)
    yield "OUTPUT", offset(step.output)
    tilings = {tiling.step: tiling for tiling in plan.tilings}
    for region in plan.regions:
        if region.step != step.name:
            continue
        yield "WEIGHTS", region.offset
        if step.name in tilings:
            yield "WEIGHTS_BYTES", region.buffer.bytes
            yield "TILE_CHANNELS", tilings[step.name].channels
        elif step.bias_elements:
            yield "BIAS", region.offset + step.weight_elements * plan.bits // 8
