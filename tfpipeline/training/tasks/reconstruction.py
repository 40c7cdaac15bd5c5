"""The loss of autoencoders: the mean squared difference from the input."""

from collections.abc import Mapping

from tfpipeline.compat import tf
from tfpipeline.tasks import kind as kinds

SUMS = ()


def loss(
    outputs: tf.Tensor, targets: tf.Tensor, objective: kinds.Objective
) -> tuple[tf.Tensor, Mapping[str, tf.Tensor]]:
    """Mean squared error over all values.

    Args:
        outputs: float32 [N, ...], as many values as an input has.
        targets: float32 [N, ...], the inputs as the network took them.
        objective: unused; there is nothing to choose.
    """
    del objective
    values = tf.reshape(targets, tf.shape(outputs))
    return tf.reduce_mean(tf.square(outputs - values)), {}
