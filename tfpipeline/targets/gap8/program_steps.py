"""A program of integers as the steps that its kernels are.

One step a layer, under the layer's name; concatenations are in place, and what cannot
be is copied. The steps are those that `fusion` makes of the network's graph, but for
the graph's layers and their multiply-accumulates, which a program does not know.
"""

from tfpipeline.targets.gap8 import program, stacks, steps

OPERATIONS: dict[type[program.Layer], tuple[str, ...]] = {
    program.Conv: (steps.CONV, steps.DEPTHWISE),
    program.Linear: (steps.LINEAR,),
    program.MaxPool: (steps.MAX_POOL,),
    program.AvgPool: (steps.AVERAGE_POOL,),
    program.Add: (steps.ADD,),
}
"""The operations that each kind of layer is; `program.Concat` is none."""


def network(p: program.Program) -> steps.Network:
    """The steps, and the buffer that every tensor lies in."""
    shapes = {name: tensor.shape for name, tensor in p.tensors.items()}
    computed: list[steps.Step] = []
    joins: list[steps.Join] = []
    shifted = {}
    for layer in p.layers:
        if isinstance(layer, program.Concat):
            time = len(computed)
            joins.append(
                steps.Join(
                    name=layer.name, parts=layer.inputs, output=layer.output, time=time
                )
            )
            shifted[layer.name] = [i for i, norm in enumerate(layer.norms) if norm]
        else:
            computed.append(step(p, layer))
    stacked = stacks.stack(joins, shapes, p.inputs, shifted)
    ordered = stacks.in_order(computed, stacked)
    names = [*p.inputs]
    for each in p.layers:
        names += [*each.inputs, each.output]
    names += stacked.inside
    places = {name: stacked.place(name) for name in names}
    shapes |= {each.output: each.result for each in ordered}
    return steps.Network(
        name=p.name,
        steps=ordered,
        inputs=p.inputs,
        outputs=p.outputs,
        places=places,
        shapes={name: shapes[name] for name in places},
        buffer_elements={
            place.buffer: steps.elements(shapes[place.buffer])
            for place in places.values()
        },
        joins=stacked.joins,
        notes=p.notes,
    )


def step(p: program.Program, layer: program.Layer) -> steps.Step:
    """The step of a layer that is no concatenation."""
    source, result = p.tensors[layer.inputs[0]].shape, p.tensors[layer.output].shape
    body, groups, window, pool = result, 1, None, None
    weights = biases = 0
    [operation, *_] = OPERATIONS[type(layer)]
    if isinstance(layer, program.Weighted):
        weights, biases = layer.weights.size, layer.bias.size
    if isinstance(layer, program.Conv):
        groups = layer.groups
        operation = steps.DEPTHWISE if 1 < groups == source[0] else steps.CONV
        body = (result[0], *layer.conv_plane((source[1], source[2])))
        window = steps.Window(
            size=layer.kernel_size,
            strides=layer.strides,
            padding=layer.padding,
            dilation=layer.dilation,
        )
        if layer.pool is not None:
            pool = steps.Pool(kind=steps.MAX_POOL, window=_window(layer.pool))
    elif isinstance(layer, (program.MaxPool, program.AvgPool)):
        window = _window(layer.window)
    return steps.Step(
        name=layer.name,
        operation=operation,
        layers=(),
        inputs=layer.inputs,
        output=layer.output,
        source=source,
        body=body,
        result=result,
        window=window,
        groups=groups,
        pool=pool,
        activations=("relu",) if getattr(layer, "relu", False) else (),
        weight_elements=weights,
        bias_elements=biases,
    )


def _window(window: program.Window) -> steps.Window:
    return steps.Window(
        size=window.kernel_size, strides=window.strides, padding=window.padding
    )
