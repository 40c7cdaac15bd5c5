"""The order in which TensorFlow's converter writes the layers of a network.

Where a network branches, many orders are possible, and the one that is deployed decides
how much memory it needs. The converter's importer takes the reverse postorder of a
depth-first search that starts at all nodes without inputs and goes on from each node in
the order of names (`GetReversePostOrder` with `NodeComparatorName`, TensorFlow
core/graph/algorithm.cc). Names are those of the traced function, weights included, so
the model is traced here as an exporter traces it.
"""

from collections.abc import Mapping, Sequence

from tfpipeline.compat import keras, tf
from tfpipeline.ir import graph

# The node that a layer of several steps has for one of them.
_OPERATIONS: dict[type[graph.Layer], str] = {
    graph.Conv2D: "Conv2D",
    graph.Dense: "MatMul",
    graph.DepthwiseConv2D: "DepthwiseConv2dNative",
}


def positions(model: keras.Model) -> dict[str, tuple[int, str]]:
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
    layers: Sequence[graph.Layer], owners: Mapping[str, str], model: keras.Model
) -> list[graph.Layer]:
    """Returns `layers` in the converter's order.

    Args:
        layers: in any order that they can be executed in.
        owners: output tensor -> the call that it belongs to.
        model: the network that the layers are of.
    """
    nodes = positions(model)
    by_call: dict[str, list[tuple[int, str]]] = {}
    for name, place in nodes.items():
        for depth in range(1, name.count("/") + 1):
            scope = "/".join(name.split("/")[:depth])
            by_call.setdefault(scope, []).append(place)

    place = 0
    keys = []
    for layer in layers:
        call = owners.get(layer.output)
        found = sorted(by_call.get((call or "").replace("#", "_"), []))
        if call is not None and layer.output != call:
            wanted = _OPERATIONS.get(type(layer))
            found = [entry for entry in found if entry[1] == wanted]
        # What has no node of its own stays behind the layer before it.
        place = found[-1][0] if found else place
        keys.append(place)
    return [layers[i] for i in sorted(range(len(layers)), key=keys.__getitem__)]
