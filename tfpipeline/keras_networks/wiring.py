"""Whether the layers of a described network can be called one after another.

Keras calls a layer when its inputs are there, and tries again without end when they
never are.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tfpipeline import errors

# What Keras writes in a reference's place for an input that is no tensor.
CONSTANT = "_CONSTANT_VALUE"
# Layers of it are called once before the description counts.
_MODELS = ("Functional", "Model", "Sequential")
_INPUT = "InputLayer"

# A call of a layer: its name, and the number of the call from 0.
_Call = tuple[str, int]


def require(layers: Sequence[Mapping[str, Any]]) -> None:
    """Checks that each layer reads what is there and no two wait for each other.

    Args:
        layers: of a functional network's description, each with a "name" and the
            "inbound_nodes" of its calls.

    Raises:
        GraphError: names the layers.
        TypeError, ValueError: what stands there is no wiring.
    """
    # Name -> number of the first call that is described; of an input there is none.
    first: dict[str, int | None] = {}
    for layer in layers:
        name = layer["name"]
        if not isinstance(name, str):
            raise TypeError(f"the name of a layer must be text; found {name!r}")
        if name in first:
            raise errors.GraphError(f"two layers are called '{name}'")
        is_input = layer["class_name"] == _INPUT
        first[name] = None if is_input else int(_is_called_before(layer))
    waiting: dict[_Call, set[_Call]] = {}
    for layer in layers:
        name = layer["name"]
        for number, node in enumerate(layer["inbound_nodes"]):
            # Keras makes the calls of a layer in their order.
            sources = {(name, number - 1)} if number else set()
            for source, index in references(node):
                if source not in first:
                    raise errors.GraphError(
                        f"layer '{name}' reads '{source}', which is not described"
                    )
                begin = first[source]
                if begin is not None:
                    sources.add((source, index - begin))
            waiting[name, number] = sources
    stuck = _never_called(waiting)
    if stuck:
        raise errors.GraphError(
            f"{errors.listed(stuck)}: these layers wait for each other, or for a call "
            "that is not described"
        )


def references(node: Any) -> Iterator[tuple[str, int]]:
    """The layers, and numbers of their calls, that a call reads.

    Raises:
        TypeError: `node` is no call.
    """
    if isinstance(node, dict):
        for value in node.values():
            yield from references(value)
    elif not isinstance(node, list):
        raise TypeError(f"a layer's input is {node!r}")
    elif is_reference(node):
        if node[0] != CONSTANT:
            yield node[0], node[1]
        if len(node) == 4:
            yield from arguments(node[3])
    else:
        for value in node:
            yield from references(value)


def arguments(value: Any) -> Iterator[tuple[str, int]]:
    """The layers, and numbers of their calls, among the arguments of a call."""
    if isinstance(value, dict):
        for each in value.values():
            yield from arguments(each)
    elif isinstance(value, list):
        if is_reference(value):
            yield value[0], value[1]
        else:
            for each in value:
                yield from arguments(each)


def is_reference(value: Any) -> bool:
    """Whether a list is [layer, call, tensor], with or without arguments."""
    return (
        isinstance(value, list)
        and len(value) in (3, 4)
        and isinstance(value[0], str)
        and isinstance(value[1], int)
    )


def _is_called_before(layer: Mapping[str, Any]) -> bool:
    """Whether a layer is a network that begins with its own input."""
    if layer["class_name"] != "Sequential":
        return layer["class_name"] in _MODELS
    config = layer["config"]
    inner = config if isinstance(config, list) else config["layers"]
    if not inner:
        return False
    begin = inner[0]
    return (
        begin["class_name"] == _INPUT
        or "batch_input_shape" in begin["config"]
        or _is_called_before(begin)
    )


def _never_called(waiting: Mapping[_Call, set[_Call]]) -> list[str]:
    """Names of layers with calls whose inputs never are there."""
    readers: dict[_Call, list[_Call]] = {}
    left = {}
    for call, sources in waiting.items():
        left[call] = len(sources)
        for source in sources:
            readers.setdefault(source, []).append(call)
    ready = [call for call, count in left.items() if not count]
    while ready:
        call = ready.pop()
        del left[call]
        for reader in readers.get(call, ()):
            left[reader] -= 1
            if not left[reader]:
                ready.append(reader)
    return list(dict.fromkeys(name for name, _ in left))
