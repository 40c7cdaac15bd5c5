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
        labels: int32 [N].
        objective: its label smoothing spreads a share of the target over all classes,
            its weights of classes multiply the entropies of their examples.
    """
    logits = head_logits.of_outputs(outputs, objective.head)
    entropy = keras.losses.categorical_crossentropy(
        tf.one_hot(labels, logits.shape[-1]),
        logits,
        from_logits=True,
        label_smoothing=objective.options.label_smoothing,
    )
    weights = class_weights.of_examples(labels, objective)
    if weights is not None:
        entropy *= weights
    return tf.reduce_mean(entropy), {"accuracy": correct(outputs, labels)}


def correct(scores: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """How many rows of scores [N, classes] are largest at their labels, int [N]."""
    predicted = tf.argmax(scores, axis=-1, output_type=tf.int32)
    return tf.reduce_sum(tf.cast(predicted == labels, tf.float32))
