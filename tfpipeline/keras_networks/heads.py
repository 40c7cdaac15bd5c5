"""The end of a network: its function as a layer of its own."""

import copy
from typing import Any

from tfpipeline.compat import keras
from tfpipeline.keras_networks import topology

# What every scheme rounds behind a layer, and never inside of it.
_FUNCTIONS = ("softmax", "sigmoid", "tanh")


def with_own_function(model: keras.Model) -> keras.Model:
    """The same network whose last layer leaves its softmax, sigmoid or tanh to another.

    Losses find the logits in front of it, and integers are rounded before and after.

    Args:
        model: functional; not changed.

    Returns:
        A new model with the same weights in the same order, or `model` where there is
        no such function, or several outputs.
    """
    architecture = topology.to_dict(model)
    ends = topology.outputs(architecture)
    if len(ends) != 1 or topology.consumers(architecture)[ends[0]]:
        return model
    architecture = copy.deepcopy(architecture)
    [end] = [x for x in architecture["config"]["layers"] if x["name"] == ends[0]]
    function = _function(end)
    if function not in _FUNCTIONS or end["class_name"] == "Activation":
        return model
    end["config"]["activation"] = "linear"
    linear = topology.from_dict(architecture)
    layer = keras.layers.Activation(function, name=f"{ends[0]}_{function}")
    result = keras.Model(linear.inputs, layer(linear.outputs[0]), name=model.name)
    result.set_weights(model.get_weights())
    return result


def _function(layer: dict[str, Any]) -> Any:
    activation = layer["config"].get("activation")
    if isinstance(activation, dict):
        activation = activation.get("config")
    return activation
