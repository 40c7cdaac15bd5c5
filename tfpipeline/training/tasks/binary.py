"""The loss of yes or no: that of a single label."""

from collections.abc import Mapping

from tfpipeline.compat import tf
from tfpipeline.tasks import kind as kinds
from tfpipeline.training.tasks import class_weights, head_logits, multi_label

SUMS = multi_label.SUMS


def loss(
    outputs: tf.Tensor, targets: tf.Tensor, objective: kinds.Objective
) -> tuple[tf.Tensor, Mapping[str, tf.Tensor]]:
    """Mean binary cross entropy, and how many answers are right.

    Args:
        outputs: float32 [N, 1].
        targets: [N] or [N, 1], 0 or 1; class numbers are; shares of mixed examples.
        objective: see multi_label; its weights of classes multiply the entropies.
    """
    column = shares(targets)
    logits = head_logits.of_outputs(outputs, objective.head)
    both, weights = class_weights.of_shares(
        tf.concat((1 - column, column), axis=-1), objective
    )
    entropy = multi_label.cross_entropy(logits, both[:, 1:], objective)
    if weights is not None:
        entropy *= weights[:, None]
    right = multi_label.accuracy(logits, column, objective)
    return tf.reduce_mean(entropy), {"accuracy": right}


def shares(targets: tf.Tensor, num_classes: int = 2) -> tf.Tensor:
    """Answers [N] or [N, 1] as the share of yes, which can be mixed, float32 [N, 1]."""
    del num_classes
    return tf.reshape(tf.cast(targets, tf.float32), (-1, 1))
