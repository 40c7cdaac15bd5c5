"""A program as the steps that the plan of L2 is made for.

One step a layer, under the layer's name; concatenations are in place, and what cannot
be is copied. So the plan is of what is exported, and needs no graph.
"""

from export.gap8 import c_arena
from tfpipeline.targets.gap8 import program, steps

_OPERATIONS: dict[type[program.Layer], str] = {
    program.Linear: steps.LINEAR,
    program.MaxPool: steps.MAX_POOL,
    program.AvgPool: steps.AVERAGE_POOL,
    program.Add: steps.ADD,
}


def network(p: program.Program) -> steps.Network:
    """The steps, and the buffer that every tensor lies in."""
    places, moved = c_arena.places(p)
    made: list[steps.Step] = []
    for layer in p.layers:
        if not isinstance(layer, program.Concat):
            made.append(_step(p, layer))
            continue
        offset = 0
        for index, name in enumerate(layer.inputs):
            if index in moved[layer.name]:
                copy = _copy(p, layer, index)
                whole = places[layer.output]
                places[copy.output] = steps.Place(whole.buffer, whole.offset + offset)
                made.append(copy)
            offset += p.tensors[name].num_elements
    shapes = {name: p.tensors[name].shape for name in places if name in p.tensors}
    shapes |= {step.output: step.result for step in made}
    buffers = dict.fromkeys(place.buffer for place in places.values())
    return steps.Network(
        name=p.name,
        steps=tuple(made),
        inputs=p.inputs,
        outputs=p.outputs,
        places=places,
        shapes=shapes,
        buffer_elements={name: p.tensors[name].num_elements for name in buffers},
    )


def _step(p: program.Program, layer: program.Layer) -> steps.Step:
    source, result = p.tensors[layer.inputs[0]].shape, p.tensors[layer.output].shape
    body = result
    operation = _OPERATIONS.get(type(layer), steps.CONV)
    weights = biases = 0
    if isinstance(layer, program.Weighted):
        weights, biases = layer.weights.size, layer.bias.size
    if isinstance(layer, program.Conv):
        operation = steps.CONV if layer.groups == 1 else steps.DEPTHWISE
        body = (result[0], *layer.conv_plane((source[1], source[2])))
    return steps.Step(
        name=layer.name,
        operation=operation,
        layers=(),
        inputs=layer.inputs,
        output=layer.output,
        source=source,
        body=body,
        result=result,
        weight_elements=weights,
        bias_elements=biases,
    )


def _copy(p: program.Program, layer: program.Concat, index: int) -> steps.Step:
    """The copy of a part to its place."""
    shape = p.tensors[layer.inputs[index]].shape
    name = f"{layer.name}/part{index}"
    return steps.Step(
        name=name,
        operation=steps.COPY,
        layers=(),
        inputs=(layer.inputs[index],),
        output=name,
        source=shape,
        body=shape,
        result=shape,
    )
