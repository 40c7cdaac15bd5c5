"""Plans the memory of GAP8 for a network, and draws it.

    python -m tfpipeline.plan --model=reid_squeezenet --output=runs/plan

Writes into --output: `l2_map.txt` and `l2_map.svg`, what lies where in L2 while each
layer runs; `l2_plan.json`, the offsets; `budget.txt`, the application around it.
"""

import pathlib
from collections.abc import Sequence

from absl import flags

from tfpipeline import entry, errors, marked_folder, model_source
from tfpipeline.targets.gap8 import (
    budget,
    fusion,
    l2_plan,
    memory_map,
    plan_files,
    spec,
)

_RULES = (l2_plan.SYNC, l2_plan.ASYNC)

_MODEL = flags.DEFINE_string(
    "model",
    None,
    "The name of a network, a .tflite, .keras or .h5 file, a graph.json or its folder, "
    "or the folder of a run.",
)
_OUTPUT = flags.DEFINE_string("output", None, "Folder that gets the files.")
_RULE = flags.DEFINE_enum(
    "rule",
    l2_plan.SYNC,
    _RULES,
    "sync: weights of the running layer; async: those of the next one too.",
)
_BITS = flags.DEFINE_enum(
    "activation_bits",
    None,
    [str(bits) for bits in spec.BITS],
    "Bits of activations and weights; if not given those of the network, else 8.",
)
_L2_KIB = flags.DEFINE_float(
    "l2_kib",
    spec.L2_BYTES / 1024,
    "KiB of L2 that the network may use; larger kernels are read in tiles.",
    lower_bound=0.001,
    upper_bound=spec.L2_BYTES / 1024,
)
_PEOPLE = flags.DEFINE_integer(
    "people", 20, "Whose descriptors the application keeps.", lower_bound=0
)
_RESERVED_KIB = flags.DEFINE_float(
    "reserved_kib",
    0.0,
    "KiB of L2 for code, stacks and what else the application needs.",
    lower_bound=0.0,
)


def main(argv: Sequence[str]) -> None:
    """Plans --model and writes the files; fails where it does not fit."""
    del argv  # entry.run refuses any.
    if not _MODEL.value:
        raise errors.UsageError(
            "say what to plan: --model=NAME_OR_PATH. Networks: "
            f"{', '.join(model_source.names())}"
        )
    if not _OUTPUT.value:
        raise errors.UsageError("say where the files go: --output=FOLDER")
    marked_folder.require(_OUTPUT.value, plan_files.WRITER)
    source = model_source.load(_MODEL.value)
    types = {
        tensor.dtype
        for name, tensor in source.graph.tensors.items()
        if name not in source.graph.constants
    }
    bits = source.activation_bits
    if "float32" not in types:
        bits = 16 if "int16" in types else 8
    elif _BITS.value is not None:
        bits = int(_BITS.value)
    plan = l2_plan.plan(
        fusion.fuse(source.graph),
        bits=bits,
        rule=_RULE.value,
        capacity=int(1024 * _L2_KIB.value),
    )
    application = budget.make(
        plan, _PEOPLE.value, reserved_bytes=int(1024 * _RESERVED_KIB.value)
    )
    paths = plan_files.write(pathlib.Path(_OUTPUT.value), plan, application)
    print("\n".join([memory_map.title(plan), *memory_map.remarks(plan), ""]))
    print(budget.to_text(application))
    print("\n".join(["", "files:", *(f"  {path}" for path in paths)]))
    if plan.shortages:
        first = plan.shortages[0]
        raise errors.TargetError(
            f"'{_MODEL.value}' does not fit L2: '{first.step}' needs "
            f"{first.needed_bytes:,} bytes of {first.available_bytes:,} (and "
            f"{len(plan.shortages) - 1} more layers)"
        )


if __name__ == "__main__":
    entry.run(main, "plan")
