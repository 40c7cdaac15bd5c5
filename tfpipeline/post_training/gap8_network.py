"""A float Keras network in the layers that the GAP8 has kernels for."""

import dataclasses

from tfpipeline.ir import global_pools
from tfpipeline.keras_networks import quantizable
from tfpipeline.post_training import float_network, front_layers, host_scaling
from tfpipeline.quantization.gap8 import rewrites
from tfpipeline.readers import from_keras


def rewritten(
    network: float_network.FloatNetwork,
) -> tuple[float_network.FloatNetwork, host_scaling.Scaling]:
    """The network as training for the chip has it, and what the host does in front.

    Args:
        network: float, with inputs, of a Keras model.

    Returns:
        The same from behind its scaling, of layers that compute the same, and that
        scaling; the new inputs are what the host makes of the old ones.

    Raises:
        QuantizationError: a normalization that cannot be folded.
    """
    model, scaling = front_layers.left_to_host(network.model)
    folded = quantizable.fold(model, rewrites.TARGET)
    g = global_pools.as_pools(from_keras.read(folded, name=network.graph.name))
    rest = host_scaling.behind(network, g, scaling)
    return dataclasses.replace(rest, model=folded), scaling
