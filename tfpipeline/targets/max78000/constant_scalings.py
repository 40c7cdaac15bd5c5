"""Scalings by constants that stand alone: normalizations that no kernel took in.

The reader of Keras networks writes a BatchNormalization or a Rescaling `x` as a Mul
`x/mul` and, unless it shifts by nothing, an Add `x`. Behind a convolution or a dense
layer both go into the kernel; what remains is found here under the user's name. In
front of a network, (pixel - 128) / 128 is what the device's input is already.
"""

import dataclasses

import numpy as np

from tfpipeline.ir import graph, verify

# A Mul's name behind the layer's own.
_SUFFIX = "/mul"


@dataclasses.dataclass(frozen=True)
class Scaling:
    """`output = source * scale + offset`.

    Attributes:
        kind: of the user's layer, as Keras calls it.
        name: of the user's layer.
        layers: names of the graph's layers, first to last.
        source: the tensor that is read.
        output: the tensor that is written.
        scale: a constant, or one a channel.
        offset: likewise.
    """

    kind: str
    name: str
    layers: tuple[str, ...]
    source: str
    output: str
    scale: graph.Array
    offset: graph.Array


def find(g: graph.Graph) -> dict[str, Scaling]:
    """Name of each Mul that such a layer begins with -> the scaling."""
    found = {}
    for layer in g.layers:
        scale = _constant(g, layer)
        name = layer.name.removesuffix(_SUFFIX)
        if type(layer) is not graph.Mul or scale is None or name == layer.name:
            continue
        shift = next((x for x in g.layers if layer.output in x.inputs), None)
        offset = None
        if type(shift) is graph.Add and shift.name == name:
            offset = _constant(g, shift)
        has_shift = shift is not None and offset is not None
        found[layer.name] = Scaling(
            kind="BatchNormalization" if scale.size > 1 else "Rescaling",
            name=name,
            layers=(layer.name, shift.name) if shift and has_shift else (layer.name,),
            source=layer.inputs[0],
            output=shift.output if shift and has_shift else layer.output,
            scale=scale,
            offset=np.zeros((), np.float32) if offset is None else offset,
        )
    return found


def without_the_devices_own(g: graph.Graph) -> tuple[graph.Graph, tuple[str, ...]]:
    """A float graph without a Rescaling in front that makes what the device is given.

    Returns:
        The graph, which reads what the Rescaling wrote, and a note of what went; `g`
        and none where there is nothing of the kind.
    """
    for each in find(g).values():
        reads = sum(x.inputs.count(each.source) for x in g.layers)
        if (
            each.source not in g.inputs
            or reads != 1
            or each.output in g.outputs
            or float(np.max(np.abs(each.scale - 1 / 128))) > 0
            or float(np.max(np.abs(each.offset + 1))) > 0
        ):
            continue
        layers = tuple(x for x in g.layers if x.name not in each.layers)
        inputs = tuple(each.output if x == each.source else x for x in g.inputs)
        shell = dataclasses.replace(g, layers=layers, inputs=inputs)
        used = set(graph.tensor_names(shell))
        rest = dataclasses.replace(
            shell,
            tensors={name: t for name, t in g.tensors.items() if name in used},
            constants={name: c for name, c in g.constants.items() if name in used},
        )
        note = (
            f"{each.kind} '{each.name}' is left out: the device's input is "
            "(pixel - 128) / 128 already"
        )
        return verify.require(rest), (note,)
    return g, ()


def _constant(g: graph.Graph, layer: graph.Layer) -> graph.Array | None:
    """The constant operand of two, one value or one a channel."""
    if len(layer.inputs) != 2 or layer.inputs[0] in g.constants:
        return None
    value = g.constants.get(layer.inputs[1])
    channels = g.tensors[layer.output].shape[-1]
    return value if value is not None and value.size in (1, channels) else None
