"""The layers in front of a Keras network that only scale its input: `host_scaling`."""

from typing import Any

import numpy as np

from tfpipeline.compat import keras
from tfpipeline.keras_networks import flat, topology
from tfpipeline.post_training import host_scaling


def left_to_host(
    model: keras.Model,
) -> tuple[keras.Model, host_scaling.Scaling]:
    """A Keras network behind its scaling, and that.

    Args:
        model: of one input; networks inside of it are opened.
    """
    model = topology.require_functional(flat.flattened(model))
    steps: list[host_scaling.Step] = []
    while True:
        architecture = topology.to_dict(model)
        source = model.inputs[0].node.layer.name
        readers = topology.consumers(architecture)[source]
        first = model.get_layer(readers[0]) if len(readers) == 1 else None
        step = None if first is None else _of_layer(first)
        if first is None or step is None or len(model.layers) == 2:
            return model, host_scaling.Scaling(tuple(steps))
        steps.append(step)
        architecture = topology.remove_layers(architecture, {first.name: source})
        model = topology.with_weights(architecture, model)


def _of_layer(layer: Any) -> host_scaling.Step | None:
    """What a Keras layer does, if it only scales."""
    name = f"{type(layer).__name__} '{layer.name}'"
    if isinstance(layer, keras.layers.Rescaling):
        scale, offset = (np.asarray(x, np.float64) for x in (layer.scale, layer.offset))
        return host_scaling.Step(name, scale, offset)
    if isinstance(layer, keras.layers.Normalization):
        mean, variance = (
            np.asarray(x, np.float64) for x in (layer.mean, layer.variance)
        )
        # As its `call` does: tf_keras/src/layers/preprocessing/normalization.py.
        deviation = np.maximum(np.sqrt(variance), keras.backend.epsilon())
        if layer.invert:
            return host_scaling.Step(name, deviation, mean)
        return host_scaling.Step(name, 1 / deviation, -mean / deviation)
    return None
