"""Batch normalization by the statistics of the whole batch, however many share it.

Keras' own layer with `synchronized=True` has another moving variance than the fused
layer that one device uses, whose is that of a sample (n / (n - 1) of the mean square;
FusedBatchNormV3 of TensorFlow), and takes squares before it subtracts the mean. Here
both are as on one device, up to the order in which numbers are added.
"""

from typing import Any

from tfpipeline.compat import keras, tf

_Layer = keras.layers.BatchNormalization


class BatchNormalization(keras.layers.BatchNormalization):
    """Keras' layer, which in training has the mean and variance of all replicas."""

    def build(self, input_shape: Any) -> None:
        """Creates the variables of Keras' layer, in its order."""
        super().build(input_shape)
        # Of a sample's variance is the fused kernel's alone.
        self._is_of_sample = bool(self.fused)

    def call(
        self, inputs: tf.Tensor, training: Any = None, mask: Any = None
    ) -> tf.Tensor:
        """Normalizes [N, ..., C] of this replica; moves the statistics in training.

        Args:
            inputs: of this replica, as many examples as of each other one.
            training: True to take the batch's statistics.
            mask: unused.
        """
        context = tf.distribute.get_replica_context()
        if not training or not self.trainable or context is None:
            return super().call(inputs, training=training, mask=mask)
        values = tf.cast(inputs, tf.float32)
        axes = [n for n in range(values.shape.rank) if n not in self.axis]
        mean = _over_all(context, tf.reduce_mean(values, axes, keepdims=True))
        squares = tf.reduce_mean(tf.square(values - mean), axes, keepdims=True)
        variance = _over_all(context, squares)
        shape = tf.shape(variance)
        gamma = tf.reshape(self.gamma, shape) if self.scale else None
        beta = tf.reshape(self.beta, shape) if self.center else None
        result = tf.nn.batch_normalization(
            values, mean, variance, beta, gamma, self.epsilon
        )
        count = tf.cast(tf.size(values) / tf.size(mean), tf.float32)
        count *= context.num_replicas_in_sync
        if self._is_of_sample:
            variance *= count / tf.maximum(count - 1.0, 1.0)
        for moving, now in (
            (self.moving_mean, mean),
            (self.moving_variance, variance),
        ):
            now = tf.reshape(now, tf.shape(moving))
            moving.assign_sub((moving - now) * (1.0 - self.momentum))
        return tf.cast(result, self.compute_dtype)


def _over_all(context: Any, value: tf.Tensor) -> tf.Tensor:
    return context.all_reduce(tf.distribute.ReduceOp.MEAN, value)


def synchronized(model: keras.Model) -> keras.Model:
    """The network with such layers in place of Keras'; itself where it has none.

    Args:
        model: functional or Sequential, built; the copy has its weights.
    """
    if not any(type(layer) is _Layer for layer in model._flatten_layers()):
        return model

    def copied(layer: Any) -> Any:
        if isinstance(layer, keras.Model):
            return keras.models.clone_model(layer, clone_function=copied)
        kind = BatchNormalization if type(layer) is _Layer else type(layer)
        return kind.from_config(layer.get_config())

    copy = keras.models.clone_model(model, clone_function=copied)
    copy.set_weights(model.get_weights())
    return copy
