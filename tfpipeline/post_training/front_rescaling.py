"""Rescaling layers in front of a Keras network, which the host computes.

The input of a chip is what its integers hold; a network that takes pixels of 0 to 255
begins with a Rescaling, for which chips have no layer.
"""

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt

from tfpipeline.compat import keras
from tfpipeline.keras_networks import topology


@dataclasses.dataclass(frozen=True)
class Scaling:
    """`value * scale + offset`: what Rescaling layers in front make of the input.

    Attributes:
        scale: 1 where there is none.
        offset: 0 where there is none.
        notes: what the host has to know, one line each.
    """

    scale: float = 1.0
    offset: float = 0.0
    notes: tuple[str, ...] = ()

    def of(self, values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Of any shape."""
        scaled = values.astype(np.float64) * self.scale + self.offset
        return scaled.astype(np.float32)


def without_rescaling(model: keras.Model) -> tuple[keras.Model, Scaling]:
    """The network behind Rescaling layers in front, which are left to the host."""
    model = topology.require_functional(model)
    scaling = Scaling()
    while True:
        architecture = topology.to_dict(model)
        source = model.inputs[0].node.layer.name
        readers = topology.consumers(architecture)[source]
        first = model.get_layer(readers[0]) if len(readers) == 1 else None
        if not isinstance(first, keras.layers.Rescaling) or len(model.layers) == 2:
            return model, scaling
        numbers = np.asarray(first.scale), np.asarray(first.offset)
        if any(each.size != 1 for each in numbers):
            # One a channel, which no single number of the host stands for.
            return model, scaling
        scale, offset = (float(each.reshape(())) for each in numbers)
        note = (
            f"Rescaling '{first.name}' is left to the host: value * {scale:.9g} + "
            f"{offset:.9g}"
        )
        scaling = Scaling(
            scaling.scale * scale,
            scaling.offset * scale + offset,
            (*scaling.notes, note),
        )
        model = _without(model, first.name, source)


def _without(model: keras.Model, name: str, source: str) -> keras.Model:
    architecture = topology.remove_layers(topology.to_dict(model), {name: source})
    return with_weights(architecture, model)


def with_weights(architecture: dict[str, Any], model: keras.Model) -> keras.Model:
    """The network of a description, with the weights that `model` has by its names."""
    result = topology.from_dict(architecture)
    for layer in result.layers:
        layer.set_weights(model.get_layer(layer.name).get_weights())
    return result
