"""The loss of values: the mean squared error, or Huber's."""

from collections.abc import Mapping

from tfpipeline.compat import tf
from tfpipeline.tasks import kind as kinds

SUMS = ()


def loss(
    outputs: tf.Tensor, targets: tf.Tensor, objective: kinds.Objective
) -> tuple[tf.Tensor, Mapping[str, tf.Tensor]]:
    """Mean loss over all values; see tasks.regression.huber.

    Args:
        outputs: float32 [N, K], standardized where the objective has a scaling.
        targets: [N, K] or [N], in their own units.
        objective: of the run.
    """
    values = tf.reshape(tf.cast(targets, tf.float32), tf.shape(outputs))
    if objective.scaling is not None:
        mean = tf.constant(objective.scaling.mean, tf.float32)
        values = (values - mean) / tf.constant(objective.scaling.deviation, tf.float32)
    difference = outputs - values
    squared = tf.square(difference)
    delta = objective.options.huber_delta
    if delta:
        size = tf.abs(difference)
        beyond = delta * (size - delta / 2)
        squared = tf.where(size <= delta, squared / 2, beyond)
    return tf.reduce_mean(squared), {}
