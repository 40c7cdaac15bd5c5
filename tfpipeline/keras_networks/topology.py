"""The wiring of a functional Keras model, read from and rewritten in its JSON form.

Keras has no public call to take a layer out of a model. Its JSON form is public and
says everything, so layers are taken out there and the model is built again.
"""

import json
from typing import Any

from tfpipeline import errors
from tfpipeline.compat import keras


def require_functional(model: Any) -> keras.Model:
    """Returns `model` as a built functional tf_keras model (a Sequential is converted).

    Raises:
        QuantizationError: the model is of Keras 3, subclassed, not built, or holds
            another model as a layer.
    """
    require_listed(model)
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            raise errors.QuantizationError(
                f"layer {layer.name!r} of model {model.name!r} is itself a model; "
                "nested models cannot be quantized. Add its layers to the outer model "
                "directly."
            )
    if isinstance(model, keras.Sequential):
        return keras.Model(model.inputs, model.outputs, name=model.name)
    return model


def require_listed(model: Any) -> None:
    """Checks that a network's layers can be listed, and those of models inside it.

    Raises:
        QuantizationError: a model is of Keras 3, subclassed, or not built.
    """
    if not isinstance(model, keras.Model):
        raise errors.QuantizationError(
            f"{_class_path(model)} is not a tf_keras (Keras 2) model, the only kind "
            "that tensorflow_model_optimization quantizes; build the network with "
            "tfpipeline.compat.keras."
        )
    # tfmot itself decides by this attribute; there is no public one.
    if not (isinstance(model, keras.Sequential) or model._is_graph_network):
        raise errors.QuantizationError(
            f"model {model.name!r} ({type(model).__name__}) is a subclassed model, "
            "whose layers cannot be listed; write it as a functional or Sequential "
            "model."
        )
    if not model.built or not model.inputs:
        raise errors.QuantizationError(
            f"model {model.name!r} has no input shape yet; give its first layer an "
            "input_shape or call model.build()."
        )
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            require_listed(layer)


def to_dict(model: keras.Model) -> dict[str, Any]:
    """Returns the architecture of `model` as JSON values."""
    return json.loads(model.to_json())


def from_dict(architecture: dict[str, Any]) -> keras.Model:
    """Builds the model that `to_dict` described, with fresh weights."""
    return keras.models.model_from_json(json.dumps(architecture))


def producers(architecture: dict[str, Any]) -> dict[str, list[str]]:
    """Returns, by layer name, the names of the layers it reads, once for every read."""
    return {
        layer["name"]: [name for name, _ in _references(layer["inbound_nodes"])]
        for layer in architecture["config"]["layers"]
    }


def consumers(architecture: dict[str, Any]) -> dict[str, list[str]]:
    """Returns, by layer name, the names of the layers that read it."""
    reading: dict[str, list[str]] = {name: [] for name in producers(architecture)}
    for name, sources in producers(architecture).items():
        for source in sources:
            reading[source].append(name)
    return reading


def outputs(architecture: dict[str, Any]) -> list[str]:
    """Returns the names of the layers whose output is an output of the model."""
    return [name for name, _ in _references(architecture["config"]["output_layers"])]


def remove_layers(
    architecture: dict[str, Any], replacements: dict[str, str]
) -> dict[str, Any]:
    """Takes layers out; readers of a removed layer read its replacement instead.

    Args:
        architecture: as from `to_dict`; not changed.
        replacements: name of a removed layer -> name of the layer that takes its
            place. Both must be called exactly once in the model.

    Returns:
        The new architecture.
    """
    result = json.loads(json.dumps(architecture))
    config = result["config"]
    config["layers"] = [
        layer for layer in config["layers"] if layer["name"] not in replacements
    ]
    wiring = [layer["inbound_nodes"] for layer in config["layers"]]
    for _, reference in _references([wiring, config["output_layers"]]):
        while reference[0] in replacements:
            reference[0] = replacements[reference[0]]
    return result


def rename(architecture: dict[str, Any], names: dict[str, str]) -> None:
    """Makes every reference to a layer `old` refer to `names[old]`, in place."""
    config = architecture["config"]
    wiring = [layer["inbound_nodes"] for layer in config["layers"]]
    ends = [config["input_layers"], config["output_layers"]]
    for name, reference in _references([wiring, ends]):
        reference[0] = names.get(name, name)


def _references(wiring: Any) -> list[tuple[str, list[Any]]]:
    """Finds the `[layer name, node index, tensor index, ...]` lists in `wiring`."""
    if isinstance(wiring, dict):
        return [found for value in wiring.values() for found in _references(value)]
    if not isinstance(wiring, list):
        return []
    found = []
    if len(wiring) >= 3 and isinstance(wiring[0], str) and isinstance(wiring[1], int):
        found.append((wiring[0], wiring))
    return found + [pair for value in wiring for pair in _references(value)]


def _class_path(value: Any) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}"


def with_weights(architecture: dict[str, Any], model: keras.Model) -> keras.Model:
    """The network of a description, with the weights that `model` has by its names."""
    result = from_dict(architecture)
    for layer in result.layers:
        layer.set_weights(model.get_layer(layer.name).get_weights())
    return result
