"""Outputs of a Keras network over a split."""

import math
from collections.abc import Callable

import numpy as np

from tfpipeline.compat import keras, tf
from tfpipeline.data.preprocessing import Preprocessing

_BATCH = 250


def forward_function(model: keras.Model) -> Callable[[tf.Tensor], tf.Tensor]:
    """`model` in inference mode as a compiled function to float32 outputs.

    Of several outputs they are one row an example, each flattened, one behind the
    other.
    """
    signature = [tf.TensorSpec((None, *model.input_shape[1:]), tf.float32)]

    def forward(images: tf.Tensor) -> tf.Tensor:
        outputs = tf.nest.flatten(model(images, training=False))
        real = [tf.cast(each, tf.float32) for each in outputs]
        if len(real) == 1:
            return real[0]
        rows = [tf.reshape(each, (-1, math.prod(each.shape[1:]))) for each in real]
        return tf.concat(rows, axis=1)

    return tf.function(forward, input_signature=signature, autograph=False)


def logits(
    forward: Callable[[tf.Tensor], tf.Tensor],
    inputs: np.ndarray,
    preprocessing: Preprocessing,
) -> np.ndarray:
    """Runs a network over inputs in batches.

    Args:
        forward: from `forward_function`, or a model.
        inputs: as they are stored, uint8 or float32 [N, ...].
        preprocessing: what the network takes of them.

    Returns:
        float32 [N, ...].
    """
    parts = [
        forward(tf.constant(preprocessing.real(inputs[start : start + _BATCH])))
        for start in range(0, len(inputs), _BATCH)
    ]
    return np.concatenate([part.numpy() for part in parts])
