"""The loss of one of several classes: cross entropy."""

from collections.abc import Mapping

from tfpipeline.compat import keras, tf
from tfpipeline.tasks import kind as kinds
from tfpipeline.training.tasks import class_weights, head_logits

SUMS = ("accuracy",)


def loss(
    outputs: tf.Tensor, labels: tf.Tensor, objective: kinds.Objective
) -> tuple[tf.Tensor, Mapping[str, tf.Tensor]]:
    """Mean cross entropy, and how many examples are recognized.

    Args:
        outputs: float32 [N, classes].
        labels: int32 [N]; of mixed examples their `shares`.
        objective: its label smoothing spreads a share of the target over all classes,
            its weights of classes multiply the entropies of their examples.
    """
    logits = head_logits.of_outputs(outputs, objective.head)
    if labels.dtype.is_floating:
        targets, weights = class_weights.of_shares(labels, objective)
        # Of a mixed example, the class that most of it is of.
        labels = tf.argmax(labels, axis=-1, output_type=tf.int32)
    else:
        targets = tf.one_hot(labels, logits.shape[-1])
        weights = class_weights.of_examples(labels, objective)
    entropy = keras.losses.categorical_crossentropy(
        targets,
        logits,
        from_logits=True,
        label_smoothing=objective.options.label_smoothing,
    )
    if weights is not None:
        entropy *= weights
    return tf.reduce_mean(entropy), {"accuracy": correct(outputs, labels)}


def shares(labels: tf.Tensor, num_classes: int) -> tf.Tensor:
    """Class numbers [N] as shares that can be mixed, float32 [N, classes]."""
    return tf.one_hot(labels, num_classes)


def correct(scores: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """How many rows of scores [N, classes] are largest at their labels, int [N]."""
    predicted = tf.argmax(scores, axis=-1, output_type=tf.int32)
    return tf.reduce_sum(tf.cast(predicted == labels, tf.float32))
