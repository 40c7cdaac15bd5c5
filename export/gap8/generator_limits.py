"""Formats that the AutoTiler's generators cannot compute with, all at once.

What they cannot do whatever the formats are stands in `targets.gap8.constraints`.
"""

from collections.abc import Iterator

from export.gap8 import precisions
from tfpipeline.targets.gap8 import program


def faults(p: program.Program, precision: str) -> list[str]:
    """A sentence for everything in the way; none for what can be written.

    Args:
        p: the program.
        precision: of its convolutions.
    """
    found = list(_layers(p))
    if precision not in precisions.possible(p):
        found.append("single precision: biases must have the output's fraction bits")
    return found


def _layers(p: program.Program) -> Iterator[str]:
    for layer in p.layers:
        what = f"{layer.kind} '{layer.name}'"
        if isinstance(layer, program.Add) and any(layer.norms):
            found = [p.tensors[name].q for name in (*layer.inputs, layer.output)]
            # CNN_MatAddDynAdjust stops at others.
            if min(found) < 0 or max(found) >= p.num_bits:
                yield (
                    f"{what}: fraction bits {found}; a sum of unequal formats takes 0 "
                    f"to {p.num_bits - 1}"
                )
        if isinstance(layer, program.Concat) and any(layer.norms):
            yield (
                f"{what}: its inputs are shifted by {layer.norms}, which no generator "
                "does; give them one format"
            )
