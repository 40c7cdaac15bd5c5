"""A float Keras network in the layers that the GAP8 has kernels for."""

import dataclasses

import numpy as np

from tfpipeline.ir import global_pools
from tfpipeline.keras_networks import quantizable
from tfpipeline.post_training import float_network, front_rescaling, input_range
from tfpipeline.quantization.gap8 import rewrites
from tfpipeline.readers import from_keras


def rewritten(
    network: float_network.FloatNetwork,
) -> tuple[float_network.FloatNetwork, front_rescaling.Scaling]:
    """The network as training for the chip has it, and what the host does in front.

    Args:
        network: float, with inputs, of a Keras model.

    Returns:
        The same from behind its Rescaling layers, of layers that compute the same, and
        those, with a note each; the new inputs are what the host makes of the old ones.

    Raises:
        QuantizationError: a normalization that cannot be folded.
    """
    model, scaling = front_rescaling.without_rescaling(network.model)
    folded = quantizable.fold(model, rewrites.TARGET)
    g = from_keras.read(folded, name=network.graph.name)
    declared = network.input_range
    if scaling.notes:
        ends = np.array([declared.low, declared.high], np.float32)
        low, high = sorted(map(float, scaling.of(ends)))
        declared = input_range.between(low, high)
    return (
        dataclasses.replace(
            network,
            graph=global_pools.as_pools(g),
            inputs=scaling.of(network.inputs) if scaling.notes else network.inputs,
            input_range=declared,
            model=folded,
        ),
        scaling,
    )
