"""What a Keras layer or variable is, asked of it in one place."""

from collections.abc import Hashable, Mapping
from typing import Any

from tfpipeline.compat import keras, tf

_LAYERS = keras.layers
IN_TRAINING_ONLY = (
    _LAYERS.AlphaDropout,
    _LAYERS.Dropout,
    _LAYERS.GaussianDropout,
    _LAYERS.GaussianNoise,
    _LAYERS.RandomBrightness,
    _LAYERS.RandomContrast,
    _LAYERS.RandomFlip,
    _LAYERS.RandomRotation,
    _LAYERS.RandomTranslation,
    _LAYERS.RandomZoom,
    _LAYERS.SpatialDropout1D,
    _LAYERS.SpatialDropout2D,
)
"""Layers that do nothing in inference."""


_ACTIVATIONS = keras.activations
FUNCTIONS: Mapping[Any, str] = {
    _ACTIVATIONS.linear: "linear",
    tf.identity: "linear",
    _ACTIVATIONS.hard_sigmoid: "hard_sigmoid",
    _ACTIVATIONS.get("leaky_relu"): "leaky_relu",
    tf.nn.leaky_relu: "leaky_relu",
    _ACTIVATIONS.relu: "relu",
    tf.nn.relu: "relu",
    tf.nn.relu6: "relu6",
    _ACTIVATIONS.sigmoid: "sigmoid",
    tf.nn.sigmoid: "sigmoid",
    _ACTIVATIONS.softmax: "softmax",
    tf.nn.softmax: "softmax",
    _ACTIVATIONS.swish: "swish",
    tf.nn.silu: "swish",
    _ACTIVATIONS.tanh: "tanh",
    tf.nn.tanh: "tanh",
}
"""Functions that a layer may have -> their names: Keras' own, and TensorFlow's."""


def short_name(variable: tf.Variable) -> str:
    """Returns `kernel` for a variable named `conv/kernel:0`."""
    return variable.name.split(":")[0].split("/")[-1]


def activation_name(layer: Any) -> str:
    """Returns the name of a layer's own activation, `linear` where it has none."""
    return function_name(getattr(layer, "activation", keras.activations.linear))


def function_name(activation: Any) -> str:
    """The name of an activation; of a layer in its place, the layer's class."""
    if is_known(activation):
        return FUNCTIONS[activation]
    return str(getattr(activation, "__name__", type(activation).__name__))


def is_known(activation: Any) -> bool:
    """Whether it is one of `FUNCTIONS`, whatever it is called."""
    return isinstance(activation, Hashable) and activation in FUNCTIONS


def is_dense_of_rows(layer: Any) -> bool:
    """Says whether a layer is a Dense for each row, which a Dense is without that."""
    return type(layer) is _LAYERS.TimeDistributed and type(layer.layer) is _LAYERS.Dense


def is_softmax(layer: Any) -> bool:
    """Says whether a layer is a softmax and nothing else."""
    if isinstance(layer, keras.layers.Activation):
        return activation_name(layer) == "softmax"
    return isinstance(layer, keras.layers.Softmax)
