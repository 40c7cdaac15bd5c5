"""What a Keras layer or variable is, asked of it in one place."""

from typing import Any

from tfpipeline.compat import keras, tf


def short_name(variable: tf.Variable) -> str:
    """Returns `kernel` for a variable named `conv/kernel:0`."""
    return variable.name.split(":")[0].split("/")[-1]


def activation_name(layer: Any) -> str:
    """Returns the name of a layer's own activation, `linear` where it has none."""
    activation = getattr(layer, "activation", keras.activations.linear)
    return getattr(activation, "__name__", type(activation).__name__)


def is_softmax(layer: Any) -> bool:
    """Says whether a layer is a softmax and nothing else."""
    if isinstance(layer, keras.layers.Activation):
        return activation_name(layer) == "softmax"
    return isinstance(layer, keras.layers.Softmax)
