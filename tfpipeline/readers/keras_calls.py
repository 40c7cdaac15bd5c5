"""A Keras model as a flat list of calls, in the order that Keras executes them.

Keras' own nodes say which layer reads which tensor. Models inside models are opened:
their layers are called `inner/conv`, and what their inputs stand for is what the outer
model gives them.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

from tfpipeline import errors
from tfpipeline.compat import keras, tf


@dataclasses.dataclass(frozen=True)
class Reference:
    """An argument that is the result of the call `name`."""

    name: str


@dataclasses.dataclass(frozen=True)
class Call:
    """One use of a layer.

    Attributes:
        name: unique; the layer's name behind the names of the models it lies in.
        layer: the Keras layer.
        inputs: names of the calls whose results it reads.
        arguments: positional arguments, tensors replaced by `Reference`.
        keywords: keyword arguments, likewise.
        shape: of the result, the batch first, `None` where Keras knows no size.
        scope: the name in TensorFlow's functions, if another.
        further: names and shapes of further results, as those of a split.
    """

    name: str
    layer: Any
    inputs: tuple[str, ...]
    arguments: tuple[Any, ...]
    keywords: dict[str, Any]
    shape: tuple[int | None, ...]
    scope: str = ""
    further: tuple[tuple[str, tuple[int | None, ...]], ...] = ()

    @property
    def results(self) -> tuple[str, ...]:
        """Names of all results; the first is called as the call itself."""
        return (self.name, *(name for name, _ in self.further))

    def error(self, reason: str) -> errors.GraphError:
        """An error that names this layer."""
        return errors.GraphError(
            f"layer '{self.name}' ({type(self.layer).__name__}): {reason}"
        )


@dataclasses.dataclass(frozen=True)
class Program:
    """All calls of a model; `inputs` and `outputs` are names of calls."""

    calls: tuple[Call, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def flatten(model: Any) -> Program:
    """Lists the calls of a functional or Sequential model, nested ones included.

    Raises:
        GraphError: it is no such model, not of Keras 2, or has no input shape yet.
    """
    _require_functional(model)
    walk = _Walk()
    inputs: list[str] = []
    for tensor in model.inputs:
        layer = tensor.node.layer
        inputs += walk.append(layer.name, layer, (), (), {}, [tensor.shape])
    outputs = walk.open(model, inputs, "")
    return Program(tuple(walk.calls), tuple(inputs), tuple(outputs))


class _Walk:
    """The calls found so far."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self._taken: set[str] = set()

    def append(
        self,
        name: str,
        layer: Any,
        inputs: tuple[str, ...],
        arguments: tuple[Any, ...],
        keywords: dict[str, Any],
        shapes: Sequence[Any],
    ) -> tuple[str, ...]:
        """Adds a call under `name`, or that name with the first free number.

        Returns:
            Names of its results, one for each of `shapes`.
        """
        name = self._unique(name)
        first, *others = (tuple(s) if s.rank is not None else () for s in shapes)
        further = tuple(
            (self._unique(f"{name}:{i}"), shape)
            for i, shape in enumerate(others, start=1)
        )
        self.calls.append(
            Call(name, layer, inputs, arguments, keywords, first, further=further)
        )
        return self.calls[-1].results

    def open(self, model: Any, inputs: Sequence[str], prefix: str) -> list[str]:
        """Adds the calls of `model` on `inputs`; returns the names of its outputs."""
        names = {
            id(tensor): name for tensor, name in zip(model.inputs, inputs, strict=True)
        }
        # Private, but the only list of the nodes that belong to this model: a layer's
        # own nodes include those of every other model that it is part of.
        by_depth = model._nodes_by_depth
        for depth in sorted(by_depth, reverse=True):
            for node in by_depth[depth]:
                if not node.is_input:
                    self._add_node(node, names, prefix)
        return [names[id(tensor)] for tensor in model.outputs]

    def _add_node(self, node: Any, names: dict[int, str], prefix: str) -> None:
        results = tf.nest.flatten(node.outputs)
        reading = tuple(names[id(tensor)] for tensor in node.keras_inputs)
        layer = node.layer
        if isinstance(layer, keras.Model):
            _require_functional(layer)
            inner = self._unique(prefix + layer.name)
            written = tuple(self.open(layer, reading, f"{inner}/"))
        else:
            arguments, keywords = tf.nest.map_structure(
                lambda value: (
                    Reference(names[id(value)]) if id(value) in names else value
                ),
                (tuple(node.call_args), dict(node.call_kwargs)),
            )
            shapes = [tensor.shape for tensor in results]
            name = prefix + layer.name
            written = self.append(name, layer, reading, arguments, keywords, shapes)
        names.update((id(t), name) for t, name in zip(results, written, strict=True))

    def _unique(self, name: str) -> str:
        number, result = 0, name
        while result in self._taken:
            number += 1
            result = f"{name}#{number}"
        self._taken.add(result)
        return result


def _require_functional(model: Any) -> None:
    if not isinstance(model, keras.Model):
        kind = f"{type(model).__module__}.{type(model).__qualname__}"
        raise errors.GraphError(
            f"{kind} is not a tf_keras (Keras 2) model; build the network with "
            "tfpipeline.compat.keras"
        )
    # There is no public attribute; tensorflow_model_optimization asks this one too.
    if not (isinstance(model, keras.Sequential) or model._is_graph_network):
        raise errors.GraphError(
            f"model '{model.name}' ({type(model).__name__}) is subclassed, so its "
            "layers cannot be listed; write it as a functional or Sequential model"
        )
    if not model.built or not model.inputs:
        raise errors.GraphError(
            f"model '{model.name}' has no input shape yet; give its first layer an "
            "input_shape or call model.build()"
        )
