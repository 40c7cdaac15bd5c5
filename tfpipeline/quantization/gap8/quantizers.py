"""The GAP8's fixed point as tfmot quantizers.

What they compute is `targets.gap8.fixed_point` and the kernels of double precision, in
TensorFlow's float operations; tests hold them equal, bit for bit. How many bits of a
number are integer is no part of the code: it is in variables that are set once from
calibration, and that a stored model brings along. Only a kernel's follow its weights.

Gradients go straight through the rounding; activations that saturate, or wrap in the
accumulator, have none. Weights have theirs everywhere, because their format follows the
largest of them.
"""

import math
from collections.abc import Callable
from typing import Any

from tfpipeline.compat import keras, tf, tfmot
from tfpipeline.quantization import float_bits
from tfpipeline.targets.gap8 import fixed_point

# Names of the variables; docs of the classes say which each has.
INPUT_INTEGERS = "input_integers"
OUTPUT_INTEGERS = "output_integers"
PLACES = "places"


class FormatQuantizer(tfmot.quantization.keras.quantizers.Quantizer):
    """Rounds to a format that variables tell: to the nearest, halves upwards.

    Attributes:
        num_bits: 16 or 8.
    """

    VARIABLES: tuple[str, ...] = (OUTPUT_INTEGERS,)

    def __init__(self, num_bits: int) -> None:
        self.num_bits = num_bits

    def build(self, tensor_shape: Any, name: str, layer: Any) -> dict[str, Any]:
        """Creates the variables: whole numbers, kept as float32 like all of Keras."""
        return {
            variable: layer.add_weight(
                name=f"{name}_{variable}",
                shape=(),
                dtype=tf.float32,
                initializer=keras.initializers.Constant(0.0),
                trainable=False,
            )
            for variable in self.VARIABLES
        }

    def __call__(
        self, inputs: tf.Tensor, training: bool, weights: dict[str, Any], **_: Any
    ) -> tf.Tensor:
        """Returns `inputs` rounded, of the same shape and type."""
        q = self.fraction_bits(weights)
        return self.limited(inputs, q, lambda steps: tf.floor(steps + 0.5))

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {"num_bits": self.num_bits}

    def fraction_bits(self, weights: dict[str, Any]) -> tf.Tensor:
        """Returns what the integer bits of the output leave, int32 []."""
        return self.num_bits - 1 - _integer(weights[OUTPUT_INTEGERS])

    def limited(
        self,
        inputs: tf.Tensor,
        q: tf.Tensor,
        rounded: Callable[[tf.Tensor], tf.Tensor],
        furthest: float = math.inf,
    ) -> tf.Tensor:
        """Returns `inputs` in steps of 2**-q, `rounded` and saturated.

        There is no gradient where they saturate, and none where rounding goes further
        than `furthest`.
        """
        low, high = map(float, fixed_point.value_range(self.num_bits))

        @tf.custom_gradient
        def apply(x: tf.Tensor) -> tuple[tf.Tensor, Callable[..., tf.Tensor]]:
            steps = _scaled(x, q)
            result = rounded(steps)
            inside = tf.logical_and(result >= low, result <= high)
            inside = tf.logical_and(inside, tf.abs(result - steps) <= furthest)

            def gradient(outer: tf.Tensor) -> tf.Tensor:
                return tf.where(inside, outer, tf.zeros_like(outer))

            return _scaled(tf.clip_by_value(result, low, high), -q), gradient

        return apply(tf.convert_to_tensor(inputs))


class AverageQuantizer(FormatQuantizer):
    """Rounds averages as the chip's library does: sum times factor, shifted.

    Attributes:
        area: values that one average is made of.
        factor: that the library multiplies by (`kernels.average_factor`).
        shift: binary places.
        rounds: whether half a step is added before the shift.
    """

    def __init__(
        self, num_bits: int, area: int, factor: int, shift: int, rounds: bool
    ) -> None:
        super().__init__(num_bits)
        self.area = area
        self.factor = factor
        self.shift = shift
        self.rounds = rounds

    def __call__(
        self, inputs: tf.Tensor, training: bool, weights: dict[str, Any], **_: Any
    ) -> tf.Tensor:
        """Returns `inputs`, averages of values in the format, as the chip's."""
        half = 0.5 if self.rounds else 0.0

        def averaged(steps: tf.Tensor) -> tf.Tensor:
            # The average itself was rounded; its sum is an integer, and can be told.
            total = tf.round(steps * float(self.area))
            return tf.floor(total * (self.factor / 2.0**self.shift) + half)

        return self.limited(inputs, self.fraction_bits(weights), averaged)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return super().get_config() | {
            "area": self.area,
            "factor": self.factor,
            "shift": self.shift,
            "rounds": self.rounds,
        }


class KernelQuantizer(FormatQuantizer):
    """Rounds a kernel at the format that its largest weight allows.

    One bit less of it for each by which the sums would leave the accumulator
    (`fixed_point.layer_format`).
    """

    VARIABLES = (INPUT_INTEGERS, OUTPUT_INTEGERS)

    def __call__(
        self, inputs: tf.Tensor, training: bool, weights: dict[str, Any], **_: Any
    ) -> tf.Tensor:
        """Returns `inputs` rounded, of the same shape and type."""
        return _rounded_weights(
            inputs, kernel_fraction_bits(inputs, weights, self.num_bits), self.num_bits
        )


class BiasQuantizer(FormatQuantizer):
    """Rounds a bias at the output's format, and again by the places of a concatenation.

    Its variables are those of the layer's output.
    """

    VARIABLES = (OUTPUT_INTEGERS, PLACES)

    def __call__(
        self, inputs: tf.Tensor, training: bool, weights: dict[str, Any], **_: Any
    ) -> tf.Tensor:
        """Returns `inputs` rounded, of the same shape and type."""
        q = self.fraction_bits(weights)
        whole = _rounded_weights(inputs, q, self.num_bits)
        places = _integer(weights[PLACES])
        # Half a step of 2**-(q - places) is whole steps of 2**-q unless places is 0,
        # where what is rounded already stays.
        return _rounded_weights(whole, q - places, self.num_bits)


class SumQuantizer(FormatQuantizer):
    """Rounds what a layer with weights sums up, in an accumulator of 32 bits.

    Attributes:
        kernel: the layer's variable; how far the accumulator reaches depends on it.
    """

    VARIABLES = (INPUT_INTEGERS, OUTPUT_INTEGERS, PLACES)

    def __init__(self, num_bits: int, kernel: tf.Variable) -> None:
        super().__init__(num_bits)
        self.kernel = kernel

    def __call__(
        self, inputs: tf.Tensor, training: bool, weights: dict[str, Any], **_: Any
    ) -> tf.Tensor:
        """Returns `inputs` rounded, of the same shape and type."""
        q = self.fraction_bits(weights) - _integer(weights[PLACES])
        in_q = self.num_bits - 1 - _integer(weights[INPUT_INTEGERS])
        norm = in_q + kernel_fraction_bits(self.kernel, weights, self.num_bits) - q

        def settled(steps: tf.Tensor) -> tf.Tensor:
            reach = tf.cast(
                float_bits.power_of_two(fixed_point.MAX_NORM - norm), steps.dtype
            )
            half = tf.cast(tf.where(norm > 0, 0.5, 0.0), steps.dtype)
            total = steps + half
            wraps = tf.floor((total + reach) / (2.0 * reach))
            return tf.floor(total - wraps * (2.0 * reach))

        # What has wrapped is far from where it was.
        return self.limited(inputs, q, settled, furthest=1.0)


def kernel_fraction_bits(
    kernel: Any, weights: dict[str, Any], num_bits: int
) -> tf.Tensor:
    """Returns the fraction bits of a kernel, int32 [].

    Args:
        kernel: float weights, unrounded.
        weights: with the integer bits of the layer's input and output.
        num_bits: 16 or 8.
    """
    largest = tf.reduce_max(tf.abs(tf.cast(kernel, tf.float32)))
    own = num_bits - 1 - float_bits.ceil_log2(largest)
    in_q = num_bits - 1 - _integer(weights[INPUT_INTEGERS])
    room = fixed_point.MAX_NORM - _integer(weights[OUTPUT_INTEGERS]) - in_q
    return tf.minimum(own, room)


def _rounded_weights(inputs: Any, q: tf.Tensor, num_bits: int) -> tf.Tensor:
    """Returns float32 rounding of weights at 2**-q, the gradient as if not rounded."""
    low, high = map(float, fixed_point.value_range(num_bits))

    @tf.custom_gradient
    def apply(x: tf.Tensor) -> tuple[tf.Tensor, Callable[..., tf.Tensor]]:
        # In float32, as `fixed_point.quantize`: 0.5 less one step becomes 1 there.
        steps = tf.floor(_scaled(tf.cast(x, tf.float32), q) + 0.5)
        result = _scaled(tf.clip_by_value(steps, low, high), -q)
        return tf.cast(result, x.dtype), lambda gradient: gradient

    return apply(tf.convert_to_tensor(inputs))


def _scaled(values: tf.Tensor, exponent: tf.Tensor) -> tf.Tensor:
    return values * tf.cast(float_bits.power_of_two(exponent), values.dtype)


def _integer(variable: Any) -> tf.Tensor:
    return tf.cast(tf.round(variable), tf.int32)
