"""The loss of several labels: binary cross entropy, mean over all of them."""

import math
from collections.abc import Mapping

from tfpipeline.compat import tf
from tfpipeline.tasks import kind as kinds
from tfpipeline.training.tasks import head_logits

SUMS = ("accuracy",)


def loss(
    outputs: tf.Tensor,
    targets: tf.Tensor,
    objective: kinds.Objective,
    weights: tf.Tensor | None = None,
) -> tuple[tf.Tensor, Mapping[str, tf.Tensor]]:
    """Mean binary cross entropy, and the sum over examples of right answers' shares.

    Args:
        outputs: float32 [N, K].
        targets: float32 [N, K], 0 or 1.
        objective: its label smoothing s makes targets `y * (1 - s) + s / 2`.
        weights: float32 [N, 1] or [N, K], what each entropy is multiplied by; the mean
            is still over their number.
    """
    logits = head_logits.of_outputs(outputs, objective.head)
    smoothing = objective.options.label_smoothing
    smooth = targets * (1 - smoothing) + smoothing / 2
    entropy = tf.nn.sigmoid_cross_entropy_with_logits(smooth, logits)
    if weights is not None:
        entropy *= weights
    # The logit of the threshold, of which 0 and 1 have none.
    threshold = objective.options.threshold
    least = math.log(max(threshold, 1e-7)) - math.log(max(1 - threshold, 1e-7))
    right = tf.cast((logits >= least) == (targets > 0), tf.float32)
    accuracy = tf.reduce_sum(tf.reduce_mean(right, axis=-1))
    return tf.reduce_mean(entropy), {"accuracy": accuracy}
