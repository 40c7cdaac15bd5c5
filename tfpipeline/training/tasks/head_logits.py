"""Logits behind a network's outputs, so that losses need no probabilities."""

import math

from tfpipeline.compat import tf
from tfpipeline.tasks import head as head_lib

# Half a step of an int8 softmax or sigmoid (scale 1/256): what such a head rounds to 0
# may be as large.
_LEAST = 1 / 512
_OPERATIONS = {head_lib.SOFTMAX: "Softmax", head_lib.SIGMOID: "Sigmoid"}


def of_outputs(outputs: tf.Tensor, head: head_lib.Head) -> tf.Tensor:
    """The logits of a head: what its softmax or sigmoid read, where that is at hand.

    Keras keeps it with the tensor, and TensorFlow in the graph; a loss of it is exact
    and its slope never vanishes. A head that is rounded to integers hides it. Then it
    is taken from the probabilities, none of them nearer to 0 or 1 than what int8 tells
    apart, with the slope that the rounded value would have.

    Args:
        outputs: float32 [N, ...].
        head: of the network; outputs of a linear one are logits.
    """
    if head.function not in _OPERATIONS:
        return outputs
    kept = getattr(outputs, "_keras_logits", None)
    if kept is not None:
        return tf.cast(kept, tf.float32)
    operation = getattr(outputs, "op", None)
    while operation is not None and operation.type == "Cast":
        operation = operation.inputs[0].op
    if operation is not None and operation.type == _OPERATIONS[head.function]:
        return tf.cast(operation.inputs[0], tf.float32)
    if head.function == head_lib.SOFTMAX:
        return tf.math.log(_within(outputs, _LEAST, math.inf))
    probabilities = _within(outputs, _LEAST, 1 - _LEAST)
    return tf.math.log(probabilities) - tf.math.log1p(-probabilities)


def _within(values: tf.Tensor, low: float, high: float) -> tf.Tensor:
    return values + tf.stop_gradient(tf.clip_by_value(values, low, high) - values)
