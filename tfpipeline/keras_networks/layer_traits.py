"""What a Keras layer or variable is, asked of it in one place."""

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
