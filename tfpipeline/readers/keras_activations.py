"""Activation functions of Keras: as an argument, or as a layer of their own."""

from typing import Any

import numpy as np

from tfpipeline.compat import keras
from tfpipeline.ir import graph
from tfpipeline.keras_networks import layer_traits
from tfpipeline.readers import draft as draft_lib
from tfpipeline.readers import keras_calls

Draft = draft_lib.Draft
Call = keras_calls.Call


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
    if isinstance(activation, keras.layers.LeakyReLU):
        return leaky_relu(call, draft, source, float(activation.alpha))
    name = layer_traits.function_name(activation)
    if not layer_traits.is_known(activation):
        known = sorted(set(layer_traits.FUNCTIONS.values()))
        own = " of your own" if name in known else ""
        raise call.error(
            f"the activation '{name}'{own} is not supported; supported are "
            f"{', '.join(known)}"
        )
    shape = draft.shape(source)
    behind = call.name if source != call.name else f"{call.name}/{name}"
    if name == "linear":
        return source
    if name == "leaky_relu":
        # TensorFlow's own slope, where none is given.
        return leaky_relu(call, draft, source, 0.2)
    if name == "hard_sigmoid":
        return _hard_sigmoid(call, draft, source, behind)
    if name == "softmax":
        return draft.add(graph.Softmax, behind, (source,), shape)
    if name == "swish":
        gate = draft.add(
            graph.Activation, f"{call.name}/gate", (source,), shape, function="sigmoid"
        )
        return draft.add(graph.Mul, behind, (source, gate), shape)
    return draft.add(graph.Activation, behind, (source,), shape, function=name)


def _hard_sigmoid(call: Call, draft: Draft, source: str, name: str) -> str:
    """`0.2 * x + 0.5` between 0 and 1, in the converter's steps."""
    shape = draft.shape(source)
    slope = draft.constant(f"{call.name}/slope", 0.2)
    half = draft.constant(f"{call.name}/half", 0.5)
    one = draft.constant(f"{call.name}/one", 1.0)
    scaled = draft.add(graph.Mul, f"{call.name}/mul", (source, slope), shape)
    moved = draft.add(graph.Add, f"{call.name}/add", (scaled, half), shape)
    bounded = draft.add(graph.Minimum, f"{call.name}/minimum", (moved, one), shape)
    return draft.add(graph.Activation, name, (bounded,), shape, function="relu")


def _relu(call: Call, draft: Draft, source: str, layer: Any) -> str:
    limits = {None: "relu", 6.0: "relu6", 1.0: "relu_0_to_1"}
    maximum = None if layer.max_value is None else float(layer.max_value)
    slope = float(layer.negative_slope)
    shape = draft.shape(source)
    if slope and maximum is None and not float(layer.threshold):
        return leaky_relu(call, draft, source, slope)
    if slope or float(layer.threshold):
        raise call.error(
            "a ReLU must have no threshold, and a negative_slope without max_value "
            f"alone; found {maximum}, {float(layer.threshold)} and {slope}"
        )
    if maximum is not None and maximum not in limits:
        return _bounded(call, draft, source, maximum)
    name = call.name if source != call.name else f"{call.name}/{limits[maximum]}"
    return draft.add(graph.Activation, name, (source,), shape, function=limits[maximum])


def leaky_relu(call: Call, draft: Draft, source: str, slope: float) -> str:
    """Emits a LeakyRelu with this slope below zero."""
    name = call.name if source != call.name else f"{call.name}/leaky_relu"
    alpha, shape = float(np.float32(slope)), draft.shape(source)
    return draft.add(graph.LeakyRelu, name, (source,), shape, alpha=alpha)


def _bounded(call: Call, draft: Draft, source: str, maximum: float) -> str:
    """A ReLU with another bound, in the converter's steps."""
    shape = draft.shape(source)
    end = draft.constant(f"{call.name}/max_value", maximum)
    first, then = f"{call.name}/positive", f"{call.name}/minimum"
    above = draft.add(graph.Activation, first, (source,), shape, function="relu")
    below = draft.add(graph.Minimum, then, (above, end), shape)
    name = call.name if source != call.name else f"{call.name}/relu"
    return draft.add(graph.Activation, name, (below,), shape, function="relu")
