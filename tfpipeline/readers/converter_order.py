"""The order in which TensorFlow's converter writes the layers of a network.

Where a network branches, many orders are possible, and the one that is deployed decides
how much memory it needs. The converter's importer takes the reverse postorder of a
depth-first search that starts at all nodes without inputs and goes on from each node in
the order of names (`GetReversePostOrder` with `NodeComparatorName`, TensorFlow
core/graph/algorithm.cc). Names are those of the traced function, weights included, so
the model is traced here as an exporter traces it.
"""

import re
from collections.abc import Mapping, Sequence

from tfpipeline.compat import keras, tf
from tfpipeline.ir import graph
from tfpipeline.readers import keras_calls

# The node that a layer of several steps has for one of them.
_OPERATIONS: dict[type[graph.Layer], str] = {
    graph.Conv2D: "Conv2D",
    graph.Dense: "MatMul",
    graph.DepthwiseConv2D: "DepthwiseConv2dNative",
}
# Nodes that compute nothing of their own, or nothing that a file keeps.
_PASSIVE = (
    "Const",
    "FakeQuantWithMinMaxArgs",
    "FakeQuantWithMinMaxVars",
    "FakeQuantWithMinMaxVarsPerChannel",
    "Identity",
    "NoOp",
    "ReadVariableOp",
)


def _positions(model: keras.Model) -> dict[str, tuple[int, str]]:
    """Returns, by name of a node of `model` in inference, its place and operation.

    Names are without the model's own: `conv1/Conv2D`.
    """
    signature = [
        tf.TensorSpec((1, *tensor.shape[1:]), tensor.dtype, name="image")
        for tensor in model.inputs
    ]
    function = tf.function(
        lambda *images: model(images if len(images) > 1 else images[0], training=False),
        autograph=False,
    )
    definition = function.get_concrete_function(*signature).function_def
    nodes = {argument.name: "" for argument in definition.signature.input_arg}
    nodes.update((node.name, node.op) for node in definition.node_def)
    readers: dict[str, set[str]] = {name: set() for name in nodes}
    sources = set(nodes)
    for node in definition.node_def:
        for reference in node.input:
            readers[reference.removeprefix("^").split(":")[0]].add(node.name)
            sources.discard(node.name)
    prefix = f"{model.name}/"
    return {
        name.removeprefix(prefix): (place, nodes[name])
        for place, name in enumerate(_reverse_postorder(sources, readers))
    }


def _reverse_postorder(
    sources: set[str], readers: Mapping[str, set[str]]
) -> Sequence[str]:
    visited: set[str] = set()
    left: list[str] = []
    stack = [(name, False) for name in sorted(sources, key=str.encode)]
    while stack:
        name, is_done = stack.pop()
        if is_done:
            left.append(name)
        elif name not in visited:
            visited.add(name)
            stack.append((name, True))
            following = sorted(readers[name] - visited, key=str.encode)
            stack.extend((reader, False) for reader in following)
    return left[::-1]


def sort(
    layers: Sequence[graph.Layer],
    owners: Mapping[str, str],
    calls: Sequence[keras_calls.Call],
    model: keras.Model,
) -> list[graph.Layer]:
    """Returns `layers` in the converter's order.

    Args:
        layers: in any order that they can be executed in.
        owners: output tensor -> the call that it belongs to.
        calls: all calls, in the order that Keras executes them.
        model: the network that the layers are of.
    """
    nodes = _nodes_by_call(_positions(model), calls)
    place = 0
    places: dict[str, int] = {}
    for layer in layers:
        call = owners[layer.output]
        found = nodes.get(call, [])
        if layer.output != call and type(layer) in _OPERATIONS:
            found = [node for node in found if node[1] == _OPERATIONS[type(layer)]]
        # What has no node of its own stays behind the layer before it.
        place = max((node[0] for node in found), default=place)
        places[layer.output] = place
    return _executable(layers, places)


def _nodes_by_call(
    nodes: Mapping[str, tuple[int, str]], calls: Sequence[keras_calls.Call]
) -> dict[str, list[tuple[int, str]]]:
    """Call -> places and operations of its nodes.

    Calls of one layer share a scope, `conv/Conv2D` and `conv/Conv2D_1`: of each
    operation's nodes, in the order of numbers, each call has an equal part.
    """
    uses: dict[str, list[str]] = {}
    for call in calls:
        scope = re.sub(r"#\d+", "", call.scope or call.name)
        uses.setdefault(scope, []).append(call.name)
    scopes: dict[str, dict[str, list[tuple[int, int]]]] = {name: {} for name in uses}
    for name, (place, operation) in nodes.items():
        if operation in _PASSIVE:
            continue
        parts = name.split("/")
        number = re.search(r"_(\d{1,18})$", name, re.ASCII)
        for depth in range(1, len(parts)):
            operations = scopes.get("/".join(parts[:depth]))
            if operations is not None:
                entry = (int(number[1]) if number else 0, place)
                operations.setdefault(operation, []).append(entry)
    result: dict[str, list[tuple[int, str]]] = {call.name: [] for call in calls}
    for base, sharing in uses.items():
        for operation, entries in scopes[base].items():
            part = len(entries) // len(sharing)
            for index, (_, place) in enumerate(sorted(entries)[: part * len(sharing)]):
                result[sharing[index // part]].append((place, operation))
    return result


def _executable(
    layers: Sequence[graph.Layer], places: Mapping[str, int]
) -> list[graph.Layer]:
    """The order by place, except that no layer precedes what it reads."""
    made = {name for layer in layers for name in graph.written_names(layer)}
    result: list[graph.Layer] = []
    waiting = sorted(layers, key=lambda layer: places[layer.output])
    written: set[str] = set()
    while waiting:
        ready = next(
            layer
            for layer in waiting
            if all(name in written or name not in made for name in layer.inputs)
        )
        waiting.remove(ready)
        written.update(graph.written_names(ready))
        result.append(ready)
    return result
