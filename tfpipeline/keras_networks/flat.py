"""Networks inside of networks, opened: quantization asks for one list of layers."""

from typing import Any

from tfpipeline.compat import keras, tf
from tfpipeline.keras_networks import topology


def flattened(model: keras.Model) -> keras.Model:
    """The same network without models in it, as a functional model.

    Layers of `model` itself keep their names, those of models in it where they are
    free, or else get the name of their model in front. What is shared stays shared.

    Args:
        model: functional or Sequential, built.

    Returns:
        `model` itself, functional, where no layer of it is a model; else a new model
        with new layers of the same weights.

    Raises:
        QuantizationError: it or a model in it is subclassed, or has no input shape.
    """
    if not any(isinstance(layer, keras.Model) for layer in model.layers):
        return topology.require_functional(model)
    opening = _Opening({layer.name for layer in model.layers})
    inputs = [
        keras.Input(tensor.shape[1:], dtype=tensor.dtype, name=tensor.node.layer.name)
        for tensor in model.inputs
    ]
    outputs = opening.called(model, inputs, "")
    return keras.Model(inputs, outputs, name=model.name)


class _Opening:
    """New layers of the layers of a model and of those in it."""

    def __init__(self, names: set[str]) -> None:
        self._names = names
        self._layers: dict[int, Any] = {}

    def called(self, model: keras.Model, inputs: list[Any], prefix: str) -> list[Any]:
        """The outputs of `model` for tensors of the new network."""
        tensors = {id(old): new for old, new in zip(model.inputs, inputs, strict=True)}
        # Private, but the only list of the nodes that belong to this model: a layer's
        # own nodes include those of every other model that it is part of.
        by_depth = model._nodes_by_depth
        for depth in sorted(by_depth, reverse=True):
            for node in by_depth[depth]:
                if not node.is_input:
                    self._call(node, tensors, prefix)
        return [tensors[id(tensor)] for tensor in model.outputs]

    def _call(self, node: Any, tensors: dict[int, Any], prefix: str) -> None:
        layer = node.layer
        if isinstance(layer, keras.Model):
            topology.require_listed(layer)
            sources = [tensors[id(tensor)] for tensor in node.keras_inputs]
            results = self.called(layer, sources, f"{prefix}{layer.name}_")
        else:
            arguments, keywords = tf.nest.map_structure(
                lambda value: tensors.get(id(value), value),
                (tuple(node.call_args), dict(node.call_kwargs)),
            )
            copy, is_new = self._copy(layer, prefix)
            results = tf.nest.flatten(copy(*arguments, **keywords))
            if is_new:
                copy.set_weights(layer.get_weights())
        for old, new in zip(tf.nest.flatten(node.outputs), results, strict=True):
            tensors[id(old)] = new

    def _copy(self, layer: Any, prefix: str) -> tuple[Any, bool]:
        """The new layer of a layer, and whether it has its first call before it."""
        if id(layer) in self._layers:
            return self._layers[id(layer)], False
        name, number = layer.name, 0
        while prefix and name in self._names:
            name = f"{prefix}{layer.name}" + (f"_{number}" if number else "")
            number += 1
        self._names.add(name)
        copy = type(layer).from_config({**layer.get_config(), "name": name})
        self._layers[id(layer)] = copy
        return copy, True
