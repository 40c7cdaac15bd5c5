"""The MAX78000's rounding as tfmot quantizers.

What they compute is `targets.max78000.quantize` and `arithmetic` in TensorFlow's float
operations; tests hold the two equal, bit for bit. Nothing here has a range to train or
to calibrate: weights have the scale that they themselves give, activations a fixed one.

Gradients go straight through the rounding. Activations that saturate have none, so that
training does not push them on. Weights and biases have theirs everywhere, also where
they are clipped: their scale follows the largest of them, and a clipped weight that
could not move would hold the scale of all others up.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from tfpipeline.compat import tf, tfmot
from tfpipeline.quantization import float_bits
from tfpipeline.targets.max78000 import arithmetic, quantize

_STEPS = float(1 << arithmetic.FRACTION_BITS)


class _Fixed(tfmot.quantization.keras.quantizers.Quantizer):
    """A quantizer without variables."""

    def build(self, tensor_shape: Any, name: str, layer: Any) -> dict[str, Any]:
        """Creates nothing."""
        return {}


class ActivationQuantizer(_Fixed):
    """Rounds to the nearest 1/128, halves upwards, from -1 to 127/128.

    Attributes:
        symmetric: from -127/128.
    """

    def __init__(self, symmetric: bool = False) -> None:
        self.symmetric = symmetric

    def __call__(
        self, inputs: tf.Tensor, training: bool, weights: dict[str, Any], **_: Any
    ) -> tf.Tensor:
        """Returns `inputs` rounded, of the same shape and type."""
        low = -arithmetic.MAX_VALUE if self.symmetric else arithmetic.MIN_VALUE
        return _limited(inputs, lambda x: tf.floor(x * _STEPS + 0.5), low)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {"symmetric": self.symmetric}


class AverageQuantizer(_Fixed):
    """Rounds averages toward zero, as the device divides sums of integers.

    Attributes:
        window: values that one average is made of.
    """

    def __init__(self, window: int) -> None:
        self.window = window

    def __call__(
        self, inputs: tf.Tensor, training: bool, weights: dict[str, Any], **_: Any
    ) -> tf.Tensor:
        """Returns `inputs`, averages of multiples of 1/128, rounded."""

        def steps(x: tf.Tensor) -> tf.Tensor:
            # The average itself is rounded to float32, and just below an integer it
            # would lose a whole step. Its sum is an integer, so it can be told exactly;
            # a quotient of integers below 2**24 is one only where it should be.
            total = tf.round(x * (_STEPS * self.window))
            return tf.sign(total) * tf.floor(tf.abs(total) / self.window)

        return _limited(inputs, steps)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {"window": self.window}


class WeightQuantizer(_Fixed):
    """Rounds a kernel at the scale that it has together with the bias.

    Attributes:
        weight_bits: 1, 2, 4 or 8.
        shift_quantile: as in `targets.max78000.quantize`.
        parts: kernel and bias, the layer's variables, of which the scale is made.
    """

    def __init__(
        self, weight_bits: int, shift_quantile: float, parts: tuple[tf.Variable, ...]
    ) -> None:
        self.weight_bits = weight_bits
        self.shift_quantile = shift_quantile
        self.parts = parts

    def __call__(
        self, inputs: tf.Tensor, training: bool, weights: dict[str, Any], **_: Any
    ) -> tf.Tensor:
        """Returns `inputs` rounded, of the same shape and type."""
        shift = self._shift(arithmetic.BIAS_BITS)
        exponent = shift - self.weight_bits + 1
        unit, inverse = map(float_bits.power_of_two, (exponent, -exponent))
        low, high = self._ends(shift)

        @tf.custom_gradient
        def rounded(x: tf.Tensor) -> tuple[tf.Tensor, Callable[..., tf.Tensor]]:
            steps = tf.floor(tf.cast(x, tf.float32) * inverse + 0.5)
            result = tf.clip_by_value(steps, low, high) * unit
            return tf.cast(result, x.dtype), lambda gradient: gradient

        return rounded(tf.convert_to_tensor(inputs))

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments, but for the layer's own variables."""
        return {"weight_bits": self.weight_bits, "shift_quantile": self.shift_quantile}

    def _ends(self, shift: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the smallest and the largest integer, float32 []."""
        del shift
        return _range(self.weight_bits)

    def _shift(self, bias_bits: int) -> tf.Tensor:
        """Returns `quantize.weight_shift` of the parts, int32 []."""
        parts = [tf.reshape(tf.cast(part, tf.float32), [-1]) for part in self.parts]
        reach = 2.0 ** (bias_bits - self.weight_bits)
        parts[1:] = [bias / reach for bias in parts[1:]]
        magnitudes = tf.abs(tf.concat(parts, axis=0))
        count = magnitudes.shape[0]
        below, above, weight = quantize.quantile_position(count, self.shift_quantile)
        if below == count - 1:
            largest = tf.reduce_max(magnitudes)
        else:
            ordered = tf.sort(magnitudes)
            difference = (ordered[above] - ordered[below]) * np.float32(weight)
            largest = ordered[below] + difference
        shift = float_bits.ceil_log2(largest)
        return tf.clip_by_value(shift, *quantize.shift_limits(self.weight_bits))


class BiasQuantizer(WeightQuantizer):
    """Rounds a bias in steps of the kernel beside it, to 8 bits where it needs them."""

    def _ends(self, shift: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        narrow, wide = _range(self.weight_bits), _range(arithmetic.BIAS_BITS)
        fits = tf.equal(shift, self._shift(self.weight_bits))
        low, high = (tf.where(fits, *pair) for pair in zip(narrow, wide, strict=True))
        return low, high


def _range(num_bits: int) -> tuple[tf.Tensor, tf.Tensor]:
    low, high = arithmetic.weight_range(num_bits)
    return tf.constant(low, tf.float32), tf.constant(high, tf.float32)


def _limited(
    inputs: tf.Tensor,
    steps_of: Callable[[tf.Tensor], tf.Tensor],
    low: int = arithmetic.MIN_VALUE,
) -> tf.Tensor:
    """Returns int8 steps of 1/128; no gradient where they saturate."""

    @tf.custom_gradient
    def rounded(x: tf.Tensor) -> tuple[tf.Tensor, Callable[..., tf.Tensor]]:
        steps = steps_of(x)
        limited = tf.clip_by_value(steps, float(low), float(arithmetic.MAX_VALUE))

        def gradient(outer: tf.Tensor) -> tf.Tensor:
            return tf.where(steps == limited, outer, tf.zeros_like(outer))

        return limited / _STEPS, gradient

    return rounded(inputs)
