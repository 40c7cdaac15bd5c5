"""Losses that shape a descriptor: lifted structured loss, additive angular margin."""

import math

from tfpipeline.compat import keras, tf

# Below this squared distance the square root's slope is taken as zero: it has none at
# zero, and equal descriptors are already where a positive pair should be.
_LEAST_SQUARED = 1e-12
# Stands for the logarithm of no negatives at all; exp of it is zero in float32.
_NEVER = -1e9
# Likewise for the square of the sine of an angle.
_LEAST_SQUARED_SINE = 1e-12


def distances(descriptors: tf.Tensor) -> tf.Tensor:
    """Euclidean distances of all pairs: float32 [N, D] to [N, N]."""
    differences = descriptors[:, None] - descriptors[None, :]
    squared = tf.reduce_sum(tf.square(differences), axis=-1)
    return tf.sqrt(tf.maximum(squared, _LEAST_SQUARED))


def lifted_structured(
    descriptors: tf.Tensor, labels: tf.Tensor, margin: float = 1.0
) -> tf.Tensor:
    """The lifted structured loss, equation (4) of Oh Song et al., CVPR 2016.

    With D the Euclidean distance, over the pairs (i, j) of one person, i < j:

        J_ij = log(sum_k exp(margin - D_ik) + sum_l exp(margin - D_jl)) + D_ij
        loss = sum max(0, J_ij)^2 / (2 * number of pairs)

    k and l run over the photographs of everyone else. Without pairs the loss is zero.

    Args:
        descriptors: float32 [N, D].
        labels: int [N], who each is of.
        margin: distance that negatives should keep beyond positives.

    Returns:
        A scalar.
    """
    distance = distances(descriptors)
    same = labels[:, None] == labels[None, :]
    pushed = tf.where(same, _NEVER, margin - distance)
    negatives = tf.reduce_logsumexp(pushed, axis=1)
    both = tf.broadcast_to(negatives[:, None], tf.shape(distance))
    together = tf.reduce_logsumexp(tf.stack((both, tf.transpose(both))), axis=0)
    places = tf.range(tf.shape(labels)[0])
    is_pair = same & (places[:, None] < places[None, :])
    pairs = tf.cast(is_pair, tf.float32)
    terms = tf.square(tf.maximum(0.0, together + distance)) * pairs
    return tf.reduce_sum(terms) / (2.0 * tf.maximum(tf.reduce_sum(pairs), 1.0))


def angular_margin(
    cosines: tf.Tensor, labels: tf.Tensor, margin: tf.Tensor | float, *, easy: bool
) -> tf.Tensor:
    """Adds `margin` radians to the angle of each row's own class (ArcFace).

    cos(angle + margin) falls with the angle only up to pi - margin. Beyond that the
    cosine less margin * sin(margin) takes its place; with `easy`, the bare cosine does
    wherever it is not positive.

    Args:
        cosines: float32 [N, C], of descriptors with the classes' directions.
        labels: int [N].
        margin: radians; 0 changes nothing.
        easy: see above.

    Returns:
        float32 [N, C].
    """
    margin = tf.cast(margin, tf.float32)
    sines = tf.sqrt(tf.maximum(1.0 - tf.square(cosines), _LEAST_SQUARED_SINE))
    moved = cosines * tf.cos(margin) - sines * tf.sin(margin)
    if easy:
        moved = tf.where(cosines > 0.0, moved, cosines)
    else:
        # cos(pi - margin): from there on the angle would pass pi.
        moved = tf.where(
            cosines > -tf.cos(margin), moved, cosines - margin * tf.sin(margin)
        )
    own = tf.one_hot(labels, cosines.shape[-1], on_value=True, off_value=False)
    return tf.where(own, moved, cosines)


def arcface(
    cosines: tf.Tensor,
    labels: tf.Tensor,
    *,
    scale: float,
    margin: tf.Tensor | float,
    easy: bool = False,
) -> tf.Tensor:
    """Mean cross entropy (nats) of `scale` times the cosines with their margin.

    Deng et al., CVPR 2019; see `angular_margin`.
    """
    logits = scale * angular_margin(cosines, labels, margin, easy=easy)
    return tf.reduce_mean(
        tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
    )


class CosineHead(keras.layers.Layer):
    """Cosines of descriptors with a direction for each class: [N, D] to [N, C]."""

    def __init__(self, num_classes: int, **options) -> None:
        super().__init__(**options)
        self._num_classes = num_classes

    def build(self, input_shape) -> None:
        """Creates the directions, uniform on the sphere."""
        self.kernel = self.add_weight(
            name="kernel",
            shape=(input_shape[-1], self._num_classes),
            initializer=keras.initializers.RandomNormal(
                stddev=1.0 / math.sqrt(input_shape[-1])
            ),
        )
        super().build(input_shape)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Both sides at length one; a zero descriptor has cosine zero."""
        return tf.linalg.matmul(
            tf.math.l2_normalize(inputs, axis=1),
            tf.math.l2_normalize(self.kernel, axis=0),
        )
