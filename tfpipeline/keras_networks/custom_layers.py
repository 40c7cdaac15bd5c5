"""Layers of the user's own classes, opened: what they compute, by layers of Keras.

Quantization and graphs take layers that they know. A layer of another class is called
on a symbolic tensor, so that the layers and functions that its `call` uses become those
of the network; numbers that it keeps itself become constants.
"""

import inspect
from collections.abc import Mapping
from typing import Any

from tfpipeline import errors
from tfpipeline.compat import keras, tf
from tfpipeline.keras_networks import rebuilding, same_function


def opened(model: keras.Model, objects: Mapping[str, Any]) -> keras.Model:
    """The same network without layers, activations and initializers of one's own.

    Args:
        model: functional or Sequential, built.
        objects: the user's classes and functions, by name.

    Returns:
        `model` itself where it has none.

    Raises:
        GraphError: a layer cannot be opened, or its parts compute something else.
    """
    found = _Objects(objects)
    if not any(found.concern(layer) for layer in model._flatten_layers()):
        return model
    result = rebuilding.rebuild(model, found.rewritten)
    try:
        same_function.require(result, model)
    except errors.QuantizationError as error:
        raise errors.GraphError(
            "layers of --custom_objects, written as layers of Keras, compute something "
            "else: their `call` must be made of layers and of functions of tensors"
        ) from error
    return result


class _Objects:
    """The user's classes and functions."""

    def __init__(self, objects: Mapping[str, Any]) -> None:
        self._names = frozenset(objects)
        values = objects.values()
        self._kinds = tuple(each for each in values if isinstance(each, type))
        self._functions = tuple(x for x in values if not isinstance(x, type))

    def concern(self, layer: Any) -> bool:
        """Whether a layer is of such a class, or has such an attribute."""
        if isinstance(layer, self._kinds):
            return True
        return not isinstance(layer, keras.Model) and (
            getattr(layer, "activation", None) in self._functions
            or bool(self._custom_attributes(layer))
        )

    def rewritten(self, call: rebuilding.Call, builder: rebuilding.Builder) -> Any:
        """The result of a call, by layers of Keras."""
        layer = call.layer
        if not self.concern(layer):
            return None
        own: Any = type(layer)
        kind: Any = own
        if isinstance(layer, self._kinds):
            kind = next(x for x in own.__mro__ if x not in self._kinds)
            if kind is keras.layers.Layer or own.call is not kind.call:
                return self._called(call)
        config = kind.get_config(layer)
        for name in self._custom_attributes(layer):
            config.pop(name, None)
        function: Any = getattr(layer, "activation", None)
        if function in self._functions:
            config["activation"] = "linear"
        result = builder.made(call, kind, config)
        return function(result) if function in self._functions else result

    def _custom_attributes(self, layer: Any) -> list[str]:
        """Initializers and the like, which only matter before a layer has weights.

        A regularizer has no effect here, nor has a constraint.
        """
        try:
            config = layer.get_config()
        except NotImplementedError:
            return []
        return [
            name
            for name, value in config.items()
            if isinstance(value, dict)
            and str(value.get("class_name")).rpartition(">")[2] in self._names
        ]

    def _called(self, call: rebuilding.Call) -> Any:
        layer = call.layer
        for inner in layer._flatten_layers(include_self=False):
            if not inner.name.startswith(f"{call.name}_"):
                inner._name = f"{call.name}_{inner.name}"
        weights = [*layer._trainable_weights, *layer._non_trainable_weights]
        for name, value in list(vars(layer).items()):
            if any(value is weight for weight in weights):
                # Not by setattr, which Keras follows.
                layer.__dict__[name] = tf.constant(value.numpy())
        keywords = call.keywords
        if "training" not in inspect.signature(layer.call).parameters:
            keywords = {k: v for k, v in keywords.items() if k != "training"}
        try:
            return layer.call(*call.arguments, **keywords)
        # The class is anybody's.
        except Exception as error:
            raise errors.GraphError(
                f"layer '{layer.name}' ({type(layer).__name__}): its call cannot be "
                f"written as layers of Keras: {errors.brief(error)}"
            ) from error
