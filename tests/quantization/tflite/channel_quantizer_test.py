"""Rounding by channel, against NumPy."""

import numpy as np
import pytest

from tfpipeline.compat import keras, tf
from tfpipeline.quantization.tflite import channel_quantizer


class _Holder(keras.layers.Layer):
    """Owns the range variables, as tfmot's wrapper does."""


def _kernel(shape):
    kernel = np.random.default_rng(5).normal(size=shape).astype(np.float32)
    return kernel * np.logspace(0, -2, shape[-1], dtype=np.float32)


def test_training_rounds_to_127_steps_of_the_channel():
    kernel = _kernel((3, 3, 2, 4))
    quantizer = channel_quantizer.ChannelQuantizer(depthwise=False)
    variables = quantizer.build(kernel.shape, "kernel", _Holder())
    rounded = quantizer(tf.constant(kernel), training=True, weights=variables).numpy()

    limits = np.abs(kernel).max(axis=(0, 1, 2))
    step = limits / 127
    # A step's float32 value differs by an ulp from the op's; values on ties may then
    # differ by one step, of which random numbers have none.
    np.testing.assert_allclose(rounded, np.round(kernel / step) * step, rtol=1e-5)
    np.testing.assert_array_equal(variables["max_var"].numpy(), limits)
    np.testing.assert_array_equal(variables["min_var"].numpy(), -limits)


def test_inference_keeps_the_last_range():
    kernel = _kernel((1, 1, 2, 3))
    quantizer = channel_quantizer.ChannelQuantizer(depthwise=False)
    variables = quantizer.build(kernel.shape, "kernel", _Holder())
    first = quantizer(tf.constant(kernel), training=True, weights=variables).numpy()
    clipped = quantizer(tf.constant(9 * kernel), training=False, weights=variables)
    limits = np.abs(first).max(axis=(0, 1, 2))
    np.testing.assert_allclose(np.abs(clipped).max(axis=(0, 1, 2)), limits, rtol=1e-6)


def test_a_depthwise_kernel_has_a_range_for_each_output_channel():
    kernel = _kernel((3, 3, 4, 2))
    quantizer = channel_quantizer.ChannelQuantizer(depthwise=True)
    variables = quantizer.build(kernel.shape, "depthwise_kernel", _Holder())
    rounded = quantizer(tf.constant(kernel), training=True, weights=variables).numpy()
    limits = np.abs(kernel).max(axis=(0, 1))
    np.testing.assert_array_equal(variables["max_var"].numpy(), limits.ravel())
    step = limits / 127
    np.testing.assert_allclose(rounded, np.round(kernel / step) * step, rtol=1e-5)


@pytest.mark.parametrize("value", [0.0, 1e-12])
def test_a_dead_channel_keeps_a_usable_range(value):
    kernel = np.ones((3, 3, 2, 2), np.float32)
    kernel[..., 1] = value
    limits = channel_quantizer.channel_limits(tf.constant(kernel)).numpy()
    np.testing.assert_array_equal(limits, [1.0, channel_quantizer.SMALLEST_RATIO])


def test_the_gradient_passes_straight_through():
    kernel = tf.Variable(_kernel((3, 3, 2, 4)))
    quantizer = channel_quantizer.ChannelQuantizer(depthwise=False)
    variables = quantizer.build(kernel.shape, "kernel", _Holder())
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(quantizer(kernel, training=True, weights=variables))
    gradient = tape.gradient(total, kernel).numpy()
    # The largest weight of a channel may be an ulp outside the range that it sets.
    assert np.count_nonzero(gradient != 1.0) <= kernel.shape[-1]
