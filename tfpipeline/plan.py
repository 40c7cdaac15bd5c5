"""Plans the memory of GAP8 for a network, and draws it.

    python -m tfpipeline.plan --model=reid_squeezenet --output=runs/plan

Writes into --output: `l2_map.txt` and `l2_map.svg`, what lies where in L2 while each
layer runs; `l2_plan.json`, the offsets; `budget.txt`, the application around it.
"""

import dataclasses
import pathlib
from typing import Annotated

from tfpipeline import entry, errors, marked_folder, model_source
from tfpipeline.configs import fields, network
from tfpipeline.configs.fields import Flag
from tfpipeline.ir import global_pools, single_results
from tfpipeline.targets.gap8 import (
    budget,
    fusion,
    l2_plan,
    memory_map,
    plan_files,
    spec,
)

_L2_KIB = spec.L2_BYTES / 1024


@dataclasses.dataclass(frozen=True)
class Command(fields.Config):
    """What the command line says."""

    model: Annotated[str | None, Flag(f"The network: {model_source.FORMS}.")] = None
    model_options: network.ModelOptions = ()
    custom_objects: network.CustomObjects = None
    output: Annotated[str | None, Flag("Folder that gets the files.")] = None
    rule: Annotated[
        str,
        Flag(
            "sync: weights of the running layer; async: those of the next one too.",
            choices=(l2_plan.SYNC, l2_plan.ASYNC),
        ),
    ] = l2_plan.SYNC
    activation_bits: Annotated[
        int | None,
        Flag(
            "Bits of activations and weights; if not given those of the network, else "
            "8.",
            choices=spec.BITS,
        ),
    ] = None
    l2_kib: Annotated[
        float,
        Flag(
            "KiB of L2 that the network may use; larger kernels are read in tiles.",
            low=0.001,
            high=_L2_KIB,
        ),
    ] = _L2_KIB
    people: Annotated[int, Flag("Whose descriptors the application keeps.", low=0)] = 20
    reserved_kib: Annotated[
        float,
        Flag("KiB of L2 for code, stacks and what else the application needs.", low=0),
    ] = 0.0


def main(command: Command) -> None:
    """Plans --model and writes the files; fails where it does not fit."""
    if not command.model:
        raise errors.UsageError(
            "say what to plan: --model=NAME_OR_PATH. Networks: "
            f"{', '.join(model_source.names())}"
        )
    if not command.output:
        raise errors.UsageError("say where the files go: --output=FOLDER")
    marked_folder.require(command.output, writer=plan_files.WRITER)
    source = model_source.load(
        command.model,
        model_options=command.model_options,
        custom_objects=command.custom_objects,
    )
    single_results.require(source.graph, "GAP8")
    types = {
        tensor.dtype
        for name, tensor in source.graph.tensors.items()
        if name not in source.graph.constants
    }
    bits = source.activation_bits
    if "float32" not in types:
        bits = 16 if "int16" in types else 8
    elif command.activation_bits is not None:
        bits = command.activation_bits
    plan = l2_plan.plan(
        fusion.fuse(global_pools.as_pools(source.graph)),
        bits=bits,
        rule=command.rule,
        capacity=int(1024 * command.l2_kib),
    )
    application = budget.make(
        plan, command.people, reserved_bytes=int(1024 * command.reserved_kib)
    )
    paths = plan_files.write(pathlib.Path(command.output), plan, application)
    print("\n".join([memory_map.title(plan), *memory_map.remarks(plan), ""]))
    print(budget.to_text(application))
    print("\n".join(["", "files:", *(f"  {path}" for path in paths)]))
    if plan.shortages:
        first = plan.shortages[0]
        raise errors.TargetError(
            f"'{command.model}' does not fit L2: '{first.step}' needs "
            f"{first.needed_bytes:,} bytes of {first.available_bytes:,} (and "
            f"{len(plan.shortages) - 1} more layers)"
        )


if __name__ == "__main__":
    entry.start(main, "plan", Command(), arguments=("model",))
