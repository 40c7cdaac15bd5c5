"""The loss of yes or no: that of a single label."""

from collections.abc import Mapping

from tfpipeline.compat import tf
from tfpipeline.tasks import kind as kinds
from tfpipeline.training.tasks import class_weights, multi_label

SUMS = multi_label.SUMS


def loss(
    outputs: tf.Tensor, targets: tf.Tensor, objective: kinds.Objective
) -> tuple[tf.Tensor, Mapping[str, tf.Tensor]]:
    """Mean binary cross entropy, and how many answers are right.

    Args:
        outputs: float32 [N, 1].
        targets: [N] or [N, 1], 0 or 1; class numbers are.
        objective: see multi_label; its weights of classes multiply the entropies.
    """
    column = tf.reshape(tf.cast(targets, tf.float32), (-1, 1))
    weights = class_weights.of_examples(column, objective)
    return multi_label.loss(outputs, column, objective, weights)
