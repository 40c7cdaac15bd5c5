"""Activation functions of Keras: as an argument, or as a layer of their own."""

from typing import Any

from tfpipeline.compat import keras, tf
from tfpipeline.ir import graph
from tfpipeline.readers import draft as draft_lib
from tfpipeline.readers import keras_calls

Draft = draft_lib.Draft
Call = keras_calls.Call

_FUNCTIONS = ("relu", "relu6", "sigmoid", "tanh")
_KNOWN_ACTIVATIONS = ("linear", *_FUNCTIONS, "softmax", "swish")


def activation_layer(call: Call, draft: Draft) -> str:
    """Emits an Activation layer."""
    return activate(call, draft, call.inputs[0], call.layer.activation)


def relu_layer(call: Call, draft: Draft) -> str:
    """Emits a ReLU layer."""
    return _relu(call, draft, call.inputs[0], call.layer)


def activate(call: Call, draft: Draft, source: str, activation: Any) -> str:
    """Emits an activation function behind `source`.

    Raises:
        GraphError: the graph has no such function.
    """
    if isinstance(activation, keras.layers.ReLU):
        return _relu(call, draft, source, activation)
    name = getattr(activation, "__name__", type(activation).__name__)
    if name not in _KNOWN_ACTIVATIONS or activation is not _activation(name):
        raise call.error(
            f"the activation '{name}' is not supported; supported are "
            f"{', '.join(_KNOWN_ACTIVATIONS)}"
        )
    shape = draft.shape(source)
    behind = call.name if source != call.name else f"{call.name}/{name}"
    if name == "linear":
        return source
    if name == "softmax":
        return draft.add(graph.Softmax, behind, (source,), shape)
    if name == "swish":
        gate = draft.add(
            graph.Activation, f"{call.name}/gate", (source,), shape, function="sigmoid"
        )
        return draft.add(graph.Mul, behind, (source, gate), shape)
    return draft.add(graph.Activation, behind, (source,), shape, function=name)


def _activation(name: str) -> Any:
    return tf.nn.relu6 if name == "relu6" else keras.activations.get(name)


def _relu(call: Call, draft: Draft, source: str, layer: Any) -> str:
    limits = {None: "relu", 6.0: "relu6", 1.0: "relu_0_to_1"}
    maximum = None if layer.max_value is None else float(layer.max_value)
    if maximum not in limits or float(layer.negative_slope) or float(layer.threshold):
        raise call.error(
            "a ReLU must have the max_value None, 6 or 1, no negative_slope and no "
            f"threshold; found {maximum}, {float(layer.negative_slope)} and "
            f"{float(layer.threshold)}"
        )
    name = call.name if source != call.name else f"{call.name}/{limits[maximum]}"
    return draft.add(
        graph.Activation,
        name,
        (source,),
        draft.shape(source),
        function=limits[maximum],
    )
