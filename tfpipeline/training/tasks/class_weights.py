"""Weights of examples by their classes.

They multiply the losses of examples, whose mean is over their number and not over the
sum of their weights, as Keras's `fit(class_weight=...)` has it: else a batch's rare
examples would count less the more of them it holds.
"""

from tfpipeline.compat import tf
from tfpipeline.tasks import kind as kinds


def of_examples(classes: tf.Tensor, objective: kinds.Objective) -> tf.Tensor | None:
    """The weight of each example's class.

    Args:
        classes: numbers from 0, of any shape and type.
        objective: has the weights.

    Returns:
        float32, of the shape of `classes`; None where all weigh the same.
    """
    if objective.class_weights is None:
        return None
    weights = tf.constant(objective.class_weights, tf.float32)
    return tf.gather(weights, tf.cast(classes, tf.int32))


def of_shares(
    shares: tf.Tensor, objective: kinds.Objective
) -> tuple[tf.Tensor, tf.Tensor | None]:
    """What a mixed example's loss is of, so that it is the mixture of two losses.

    Args:
        shares: float32 [N, classes], that each class has of an example; their sum is 1.
        objective: has the weights.

    Returns:
        The shares, moved by the weights, and the weight of each example, float32 [N];
        the shares as they are and None where all classes weigh the same. Of a single
        class, the weight is that of `of_examples`.
    """
    if objective.class_weights is None:
        return shares, None
    weighted = shares * tf.constant(objective.class_weights, tf.float32)
    weights = tf.reduce_sum(weighted, axis=-1)
    return weighted / weights[:, None], weights
