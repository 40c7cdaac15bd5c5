"""The loss of several labels: binary cross entropy, mean over all of them."""

import math
from collections.abc import Mapping

from tfpipeline.compat import tf
from tfpipeline.tasks import kind as kinds
from tfpipeline.training.tasks import head_logits

SUMS = ("accuracy",)


def loss(
    outputs: tf.Tensor, targets: tf.Tensor, objective: kinds.Objective
) -> tuple[tf.Tensor, Mapping[str, tf.Tensor]]:
    """Mean binary cross entropy, and the sum over examples of right answers' shares.

    Args:
        outputs: float32 [N, K].
        targets: float32 [N, K], 0 or 1; between them of mixed examples.
        objective: its label smoothing s makes targets `y * (1 - s) + s / 2`.
    """
    logits = head_logits.of_outputs(outputs, objective.head)
    entropy = cross_entropy(logits, targets, objective)
    right = accuracy(logits, targets, objective)
    return tf.reduce_mean(entropy), {"accuracy": right}


def cross_entropy(
    logits: tf.Tensor, targets: tf.Tensor, objective: kinds.Objective
) -> tf.Tensor:
    """The entropy of each answer, float32 [N, K]."""
    smoothing = objective.options.label_smoothing
    smooth = targets * (1 - smoothing) + smoothing / 2
    return tf.nn.sigmoid_cross_entropy_with_logits(smooth, logits)


def accuracy(
    logits: tf.Tensor, targets: tf.Tensor, objective: kinds.Objective
) -> tf.Tensor:
    """The sum over examples of the share of answers that are right, float32 []."""
    # The logit of the threshold, of which 0 and 1 have none.
    threshold = objective.options.threshold
    least = math.log(max(threshold, 1e-7)) - math.log(max(1 - threshold, 1e-7))
    right = tf.cast((logits >= least) == (targets > 0.5), tf.float32)
    return tf.reduce_sum(tf.reduce_mean(right, axis=-1))


def shares(targets: tf.Tensor, num_classes: int) -> tf.Tensor:
    """Answers, which can be mixed as they are."""
    del num_classes
    return tf.cast(targets, tf.float32)
