"""A Keras network built again, call by call, with other layers for some of its own.

Keras can clone a model with one layer for another, not with several for one. Here each
call of the old network is made again on the tensors of the new one; models inside it
are opened, and their layers named `inner/conv`, as in its graph.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tfpipeline.compat import keras, tf


@dataclasses.dataclass(frozen=True)
class Call:
    """One use of a layer in the old network.

    Attributes:
        layer: the old layer.
        name: that the new layer has; a layer of an inner model has its in front.
        arguments: of the call, tensors of the new network in place of the old ones.
        keywords: likewise.
    """

    layer: Any
    name: str
    arguments: tuple[Any, ...]
    keywords: dict[str, Any]

    @property
    def tensors(self) -> list[Any]:
        """The Keras tensors among the arguments, in their order."""
        values = tf.nest.flatten((self.arguments, self.keywords))
        return [value for value in values if _is_symbolic(value)]


# What a call of the old network becomes: its result in the new one, or None for a copy
# of the layer.
Rewrite = Callable[[Call, "Builder"], Any]


class Builder:
    """Layers of the new network, each made once however often it is called."""

    def __init__(self) -> None:
        self._layers: dict[tuple[int, str], Any] = {}

    def apply(
        self,
        call: Call,
        kind: type[Any],
        inputs: Any,
        *,
        part: str = "",
        weights: Sequence[np.ndarray] | None = None,
        **config: Any,
    ) -> Any:
        """Calls a layer that stands for the old one, or for a part of it.

        Args:
            call: what is rewritten.
            kind: class of the new layer.
            inputs: a tensor of the new network, or a list of them.
            part: of the old layer; empty for what has its name.
            weights: of the new layer.
            **config: arguments of its class.
        """
        name = f"{call.name}/{part}" if part else call.name
        key = (id(call.layer), name)
        if key not in self._layers:
            trainable = getattr(call.layer, "trainable", True)
            self._layers[key] = kind(name=name, **{"trainable": trainable, **config})
        layer = self._layers[key]
        result = layer(inputs)
        if weights is not None:
            layer.set_weights(list(weights))
        return result

    def copy(self, call: Call) -> Any:
        """Calls a copy of the old layer, with its weights."""
        return self.made(call, type(call.layer), call.layer.get_config())

    def made(self, call: Call, kind: type[Any], config: dict[str, Any]) -> Any:
        """Calls a layer of the old one's weights.

        Args:
            call: what is rewritten.
            kind: class of the new layer.
            config: of it, but for its name and number format.
        """
        key = (id(call.layer), "")
        is_new = key not in self._layers
        if is_new:
            config = {**config, "name": call.name}
            if "dtype" in config:
                config["dtype"] = "float32"
            self._layers[key] = kind.from_config(config)
        layer = self._layers[key]
        result = layer(*call.arguments, **call.keywords)
        if is_new:
            layer.set_weights(call.layer.get_weights())
        return result


def rebuild(model: keras.Model, rewrite: Rewrite) -> keras.Model:
    """Returns a new functional network of the same name.

    Args:
        model: functional or Sequential, built.
        rewrite: asked for each call.
    """
    inputs = [_input(tensor) for tensor in model.inputs]
    outputs = _open(model, inputs, "", rewrite, Builder())
    single_in, single_out = len(inputs) == 1, len(outputs) == 1
    return keras.Model(
        inputs[0] if single_in else inputs,
        outputs[0] if single_out else outputs,
        name=model.name,
    )


def _is_symbolic(value: Any) -> bool:
    # Keras asks it of tensors only.
    is_tensor = tf.is_tensor(value) or hasattr(value, "type_spec")
    return is_tensor and keras.backend.is_keras_tensor(value)


def _input(tensor: Any) -> Any:
    return keras.Input(
        tuple(tensor.shape[1:]), dtype=tensor.dtype, name=tensor.node.layer.name
    )


def _open(
    model: keras.Model,
    inputs: Sequence[Any],
    prefix: str,
    rewrite: Rewrite,
    builder: Builder,
) -> list[Any]:
    """Makes all calls of `model` on `inputs`; returns its outputs."""
    tensors = {id(old): new for old, new in zip(model.inputs, inputs, strict=True)}
    # Private, but the only list of the nodes that belong to this model: a layer's own
    # nodes include those of every other model that it is part of.
    by_depth = model._nodes_by_depth
    for depth in sorted(by_depth, reverse=True):
        for node in by_depth[depth]:
            if node.is_input:
                continue
            arguments, keywords = tf.nest.map_structure(
                lambda value: tensors.get(id(value), value),
                (tuple(node.call_args), dict(node.call_kwargs)),
            )
            name = prefix + node.layer.name
            call = Call(node.layer, name, arguments, keywords)
            if isinstance(node.layer, keras.Model):
                results: Any = _open(
                    node.layer, call.tensors, f"{name}/", rewrite, builder
                )
            else:
                results = rewrite(call, builder)
                if results is None:
                    results = builder.copy(call)
            pairs = zip(
                tf.nest.flatten(node.outputs), tf.nest.flatten(results), strict=True
            )
            tensors.update((id(old), new) for old, new in pairs)
    return [tensors[id(tensor)] for tensor in model.outputs]
