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
    found = [*_ends(p), *_layers(p)]
    if precision not in precisions.possible(p):
        found.append("single precision: biases must have the output's fraction bits")
    return found


def _ends(p: program.Program) -> Iterator[str]:
    if len(p.outputs) != 1:
        yield f"one output is needed; it has {len(p.outputs)}"
    read = {name for layer in p.layers for name in layer.inputs}
    for name in p.outputs:
        if name in read:
            yield f"its output '{name}' is read by a layer too"


def _layers(p: program.Program) -> Iterator[str]:
    joined: set[str] = set()
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
        if isinstance(layer, program.Concat):
            yield from (f"{what}: {fault}" for fault in _stack_faults(p, layer, joined))
            joined |= {*layer.inputs, layer.output}


def _stack_faults(
    p: program.Program, layer: program.Concat, joined: set[str]
) -> Iterator[str]:
    if any(layer.norms):
        yield (
            f"its inputs are shifted by {layer.norms}, which no generator does; give "
            "them one format"
        )
    for name in dict.fromkeys(layer.inputs):
        if name in p.inputs:
            yield f"the network's input '{name}' cannot be a part"
        elif name in joined or layer.inputs.count(name) > 1:
            yield f"'{name}' is part or whole of another concatenation"


def _paddings(layer: program.Layer) -> str:
    padded = [layer.padding] if isinstance(layer, program.Conv) else []
    window = pad_types.pool(layer)
    padded += [] if window is None else [window.padding]
    return " and ".join(map(str, padded))
