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
                    f"to {p.num_bits - 1}: {_remedy(found, p.num_bits)}"
                )
        if isinstance(layer, program.Concat) and any(layer.norms):
            yield (
                f"{what}: its inputs are shifted by {layer.norms}, which no generator "
                "does; give them one format"
            )


def _remedy(fraction_bits: list[int], num_bits: int) -> str:
    """What brings the operands and the result of a sum into its range."""
    more, less = max(fraction_bits) - (num_bits - 1), -min(fraction_bits)
    if more > 0 and less > 0:
        return "bring what it adds closer together"
    verbs = ("multiply", "divide") if more > 0 else ("divide", "multiply")
    factor = 2 ** max(more, less)
    return (
        f"{verbs[0]} the weights and biases that write its inputs by {factor}, and "
        f"{verbs[1]} the weights that read its result by that"
    )
