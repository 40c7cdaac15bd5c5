"""The files of a plan of L2: pictures for people, offsets for programs."""

import pathlib
from typing import Any

from tfpipeline import atomic_files, marked_folder
from tfpipeline.targets.gap8 import budget, l2_plan, memory_map

TEXT = "l2_map.txt"
SVG = "l2_map.svg"
JSON = "l2_plan.json"
BUDGET = "budget.txt"

# Of the marker in the folder.
WRITER = "plan"


def write(
    folder: pathlib.Path, plan: l2_plan.Plan, application: budget.Budget
) -> tuple[pathlib.Path, ...]:
    """Writes all files; returns their paths.

    Args:
        folder: is made if need be.
        plan: of the network.
        application: the system around it.

    Raises:
        ForeignFileError: the folder holds what no plan wrote there.
        StorageError: a file cannot be written.
    """
    contents = {
        TEXT: memory_map.to_text(plan) + "\n",
        SVG: memory_map.to_svg(plan),
        JSON: atomic_files.json_text(to_dict(plan)),
        BUDGET: budget.to_text(application) + "\n",
    }
    marked_folder.write(folder, contents, WRITER)
    return tuple(folder / name for name in contents)


def to_dict(plan: l2_plan.Plan) -> dict[str, Any]:
    """Every buffer, and of every step the offsets that it reads and writes."""
    offsets = {r.buffer.name: r.offset for r in plan.regions if r.step is None}
    weights = {r.step: r for r in plan.regions if r.step is not None}

    def offset(tensor: str) -> int | None:
        place = plan.net.places[tensor]
        if place.buffer in plan.outside:
            return None
        return offsets[place.buffer] + place.offset * plan.bits // 8

    steps = []
    for time, step in enumerate(plan.net.steps):
        own = weights.get(step.name)
        steps.append(
            {
                "layer": step.name,
                "operation": step.operation,
                "inputs": {name: offset(name) for name in step.inputs},
                "output": {step.output: offset(step.output)},
                "weights_offset": None if own is None else own.offset,
                "weights_bytes": 0 if own is None else own.buffer.bytes,
                "end": plan.end(time),
            }
        )
    return {
        "network": plan.net.name,
        "rule": plan.rule,
        "bits": plan.bits,
        "peak_bytes": plan.peak_bytes,
        "buffers": [
            {
                "name": region.buffer.name,
                "offset": region.offset,
                "bytes": region.buffer.bytes,
                "first_step": region.buffer.first,
                "last_step": region.buffer.last,
                "weights_of": region.step,
            }
            for region in plan.regions
        ],
        "steps": steps,
        "remarks": memory_map.remarks(plan),
    }
