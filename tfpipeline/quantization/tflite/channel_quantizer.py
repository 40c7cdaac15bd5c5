"""The weight quantizer of convolutions: a symmetric scale for every channel.

tfmot's own (Default8BitConvWeightsQuantizer) is not enough for folded networks:

* A folded channel can be dead: weights near zero, all its output in the bias. Its
  scale then is near zero too, the int32 bias (scale = input scale * weight scale)
  overflows, and TensorFlow Lite computes another value than training saw. So no
  channel's range here is less than 2^-10 of the largest of its layer. A bias up to 32
  times input range * largest weight then stays within 2^30 (127 * 255 * 32 * 2^10),
  and a live channel keeps its own scale.
* tfmot gives a depthwise kernel [h, w, channels, multiplier] one range for each
  *multiplier*, so usually one for the whole tensor, though TensorFlow Lite has one for
  each output channel, and folding makes depthwise channels differ most.
"""

from typing import Any

from tfpipeline.compat import keras, tf, tfmot

INITIAL_LIMIT = 6.0
"""tfmot's initial range is [-6, 6] (tfmot 0.8.1, quantizers._add_range_weights)."""

SMALLEST_RATIO = 2.0**-10
"""Least range of a channel, relative to the largest range in its layer."""


class ChannelQuantizer(tfmot.quantization.keras.quantizers.Quantizer):
    """Rounds a kernel to few bits, for 8 to [-127, 127], one scale a channel.

    In training the range follows the current weights; otherwise the last range holds.

    Attributes:
        depthwise: the kernel is [h, w, channels, multiplier] and has channels *
            multiplier ranges; otherwise [..., inputs, channels] and has channels.
        num_bits: 2 to 8.
        transposed: it is [h, w, channels, inputs], of a transposed convolution.
    """

    def __init__(
        self, depthwise: bool, num_bits: int = 8, transposed: bool = False
    ) -> None:
        self.depthwise = depthwise
        self.num_bits = num_bits
        self.transposed = transposed

    def build(self, tensor_shape: Any, name: str, layer: Any) -> dict[str, Any]:
        """Creates the range variables, at tfmot's usual -6 and 6."""
        channels = tensor_shape[-2 if self.transposed else -1]
        if self.depthwise:
            channels *= tensor_shape[-2]
        return {
            f"{end}_var": layer.add_weight(
                f"{name}_{end}",
                shape=(channels,),
                initializer=keras.initializers.Constant(value),
                trainable=False,
            )
            for end, value in (("min", -INITIAL_LIMIT), ("max", INITIAL_LIMIT))
        }

    def __call__(
        self, inputs: tf.Tensor, training: bool, weights: dict[str, Any], **_: Any
    ) -> tf.Tensor:
        """Returns `inputs` rounded, of the same shape."""
        kernel = by_channel(inputs) if self.depthwise else inputs
        if self.transposed:
            kernel = channels_last(inputs)
        low, high = weights["min_var"], weights["max_var"]
        if training:
            limits = tf.stop_gradient(channel_limits(kernel))
            low, high = low.assign(-limits), high.assign(limits)
        kernel = tf.quantization.fake_quant_with_min_max_vars_per_channel(
            kernel, low, high, num_bits=self.num_bits, narrow_range=True
        )
        if self.transposed:
            return channels_last(kernel)
        return tf.reshape(kernel, inputs.shape) if self.depthwise else kernel

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        config = {"depthwise": self.depthwise, "num_bits": self.num_bits}
        return {**config, "transposed": True} if self.transposed else config


def by_channel(depthwise_kernel: tf.Tensor) -> tf.Tensor:
    """Reshapes [h, w, channels, multiplier] to [h, w, 1, channels * multiplier].

    From this form, and not from others, TensorFlow 2.21's converter recognizes the
    channels of a depthwise kernel.
    """
    height, width = depthwise_kernel.shape[:2]
    return tf.reshape(depthwise_kernel, [height, width, 1, -1])


def channels_last(transposed_kernel: tf.Tensor) -> tf.Tensor:
    """Exchanges the last two axes of a kernel [h, w, channels, inputs]."""
    return tf.transpose(transposed_kernel, [0, 1, 3, 2])


def channel_limits(kernel: tf.Tensor) -> tf.Tensor:
    """Returns the range [channels] of a kernel [..., channels], both float32."""
    limits = tf.reduce_max(tf.abs(kernel), axis=list(range(len(kernel.shape) - 1)))
    return tf.maximum(limits, tf.reduce_max(limits) * SMALLEST_RATIO)
