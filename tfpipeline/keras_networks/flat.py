"""Networks inside of networks, opened: quantization asks for one list of layers."""

from tfpipeline.compat import keras
from tfpipeline.keras_networks import rebuilding, topology


def flattened(model: keras.Model) -> keras.Model:
    """The same network without models in it, as a functional model.

    Layers of `model` itself keep their names, those of models in it get the name of
    their model in front, as `rebuilding` has it. What is shared stays shared.

    Args:
        model: functional or Sequential, built.

    Returns:
        `model` itself, functional, where no layer of it is a model; else a new model
        with new layers of the same weights.

    Raises:
        QuantizationError: it or a model in it is subclassed, or has no input shape.
    """
    topology.require_listed(model)
    if not any(isinstance(layer, keras.Model) for layer in model.layers):
        return topology.require_functional(model)
    return rebuilding.rebuild(model, lambda call, builder: None)
