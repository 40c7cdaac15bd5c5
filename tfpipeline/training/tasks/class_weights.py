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
