"""Powers of two in TensorFlow, exact because they are made of float32's own bits."""

from typing import Any

from tfpipeline.compat import tf

# float32: bits of the stored fraction, and what is added to the exponent (IEEE 754).
_FRACTION = 23
_EXPONENT_BIAS = 127


def power_of_two(exponent: Any) -> tf.Tensor:
    """Returns 2**exponent as float32, for int32 exponents from -126 to 127."""
    stored = tf.bitwise.left_shift(exponent + _EXPONENT_BIAS, _FRACTION)
    return tf.bitcast(stored, tf.float32)


def ceil_log2(value: tf.Tensor) -> tf.Tensor:
    """Returns ceil(log2(value)) as int32, for positive normal float32 values."""
    stored = tf.bitcast(value, tf.int32)
    fraction = tf.bitwise.bitwise_and(stored, (1 << _FRACTION) - 1)
    exponent = tf.bitwise.right_shift(stored, _FRACTION) - _EXPONENT_BIAS
    # Upwards, unless it is a power of two.
    return exponent + tf.cast(fraction != 0, tf.int32)
