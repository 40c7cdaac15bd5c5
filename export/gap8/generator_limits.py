"""What the AutoTiler's generators and graph cannot say of a program, all at once."""

from collections.abc import Iterator

from export.gap8 import pad_types, precisions
from tfpipeline.targets.gap8 import program


def faults(p: program.Program, precision: str) -> list[str]:
    """A sentence for everything in the way; none for what can be written.

    Args:
        p: the program.
        precision: of its convolutions.
    """
    found = list(_layers(p))
    if len(p.outputs) != 1:
        found.insert(0, f"one output is needed; it has {len(p.outputs)}")
    if precision not in precisions.possible(p):
        found.append("single precision: biases must have the output's fraction bits")
    return found


def _layers(p: program.Program) -> Iterator[str]:
    for layer in p.layers:
        what = f"{layer.kind} '{layer.name}'"
        if isinstance(layer, program.Conv) and layer.groups > 1:
            channels = p.tensors[layer.inputs[0]].shape[0]
            if not layer.groups == channels == len(layer.weights):
                yield (
                    f"{what}: {layer.groups} groups; there are generators for 1 group, "
                    "and for a group of one input and one output each"
                )
        if not pad_types.possible(p, layer):
            yield f"{what}: its padding {_paddings(layer)} is none that SAME gives"
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


def _paddings(layer: program.Layer) -> str:
    padded = [layer.padding] if isinstance(layer, program.Conv) else []
    window = pad_types.pool(layer)
    padded += [] if window is None else [window.padding]
    return " and ".join(map(str, padded))
