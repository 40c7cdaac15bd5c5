"""The fake quantizers against the integer rule, bit for bit, and their gradients."""

import numpy as np
import pytest

from tfpipeline.compat import tf
from tfpipeline.quantization.max78000 import power_of_two_quantizers as quantizers
from tfpipeline.targets.max78000 import arithmetic, quantize
from tfpipeline.targets.max78000 import spec as specs

RNG = np.random.default_rng(9)


def weights(kernel, bias, bits, quantile=1.0):
    """Kernel and bias behind their quantizer."""
    parts = tuple(tf.Variable(x) for x in (kernel, bias) if x is not None)
    kinds = (quantizers.WeightQuantizer, quantizers.BiasQuantizer)
    return [
        kind(bits, quantile, parts)(part, training=True, weights={}).numpy()
        for kind, part in zip(kinds, parts, strict=False)
    ]


def _kernels():
    normal = RNG.normal(0, 0.3, (3, 3, 4, 5)).astype(np.float32)
    ties = (RNG.integers(-64, 64, (3, 40)) / 128 + 1 / 256).astype(np.float32)
    yield "normal", normal, RNG.normal(0, 1, 5)
    yield "power of two", normal / np.abs(normal).max() * np.float32(0.25), None
    one = np.float32(1)
    for name, neighbor in (("above", np.float32(2)), ("below", np.float32(0))):
        yield name, np.nextafter(one, neighbor) * np.sign(normal), None
    yield "ties", ties, None
    yield "small", normal * np.float32(1e-20), None
    yield "subnormal", np.float32([1e-40, -1e-42]), None
    yield "zero", normal * 0, RNG.normal(0, 0, 5)
    yield "large", normal * np.float32(1e20), None
    for factor in (3, 15.9, 16, 20, 3000):
        bias = np.float32([factor, -factor, factor / 3]) * np.abs(normal).max()
        yield f"bias {factor} times as large", normal, bias
    yield "one", np.float32([-0.7]), None


KERNELS = {name: (kernel, bias) for name, kernel, bias in _kernels()}


@pytest.mark.default_cases(80)
@pytest.mark.parametrize("quantile", [1.0, 0.995, 0.5, 0.0])
@pytest.mark.parametrize("bits", specs.WEIGHT_BITS)
@pytest.mark.parametrize("name", KERNELS)
def test_weights_are_those_of_the_rule(name, bits, quantile):
    kernel, bias = KERNELS[name]
    bias = None if bias is None else bias.astype(np.float32)
    rule = quantize.quantize_layer(kernel, bias, bits, quantile)
    found = weights(kernel, bias, bits, quantile)
    integers = [x for x in (rule.weights, rule.bias) if x is not None]
    for values, expected in zip(found, integers, strict=True):
        np.testing.assert_array_equal(values, expected * np.float32(rule.scale))


def test_weights_in_float64_are_the_same():
    kernel = KERNELS["normal"][0]
    (narrow,) = weights(kernel, None, 4)
    (wide,) = weights(kernel.astype(np.float64), None, 4)
    assert wide.dtype == np.float64
    np.testing.assert_array_equal(wide, narrow)


@pytest.mark.parametrize("bits", specs.WEIGHT_BITS)
def test_gradients_of_weights_go_straight_through(bits):
    kernel = tf.Variable(KERNELS["normal"][0] * 3)
    quantizer = quantizers.WeightQuantizer(bits, 0.9, (kernel,))
    factors = RNG.normal(size=kernel.shape).astype(np.float32)
    with tf.GradientTape() as tape:
        rounded = quantizer(kernel, training=True, weights={})
        loss = tf.reduce_sum(rounded * factors)
    np.testing.assert_array_equal(tape.gradient(loss, kernel), factors)


def _edges():
    """Values around every step and every tie, and far outside."""
    steps = np.arange(-300, 300) / 256
    near = [np.nextafter(np.float32(steps), np.float32(x)) for x in (-9, 9)]
    return np.concatenate([np.float32(steps), *near, np.float32([-1e9, 1e9, 0.0])])


def test_activations_are_those_of_the_rule():
    values = _edges()
    found = quantizers.ActivationQuantizer()(values, training=False, weights={})
    np.testing.assert_array_equal(found * 128, quantize.quantize_activations(values))


def test_symmetric_activations_lack_the_smallest():
    values = _edges()
    found = quantizers.ActivationQuantizer(True)(values, training=False, weights={})
    expected = np.maximum(quantize.quantize_activations(values), -127)
    np.testing.assert_array_equal(found * 128, expected)


def test_saturated_activations_have_no_gradient():
    values = tf.constant([-2.0, -1.0, -0.1, 0.0, 0.3, 127 / 128, 1.5])
    with tf.GradientTape() as tape:
        tape.watch(values)
        found = quantizers.ActivationQuantizer()(values, training=True, weights={})
    gradient = tape.gradient(found, values)
    np.testing.assert_array_equal(gradient, [0, 1, 1, 1, 1, 1, 0])


@pytest.mark.parametrize("window", [2, 3, 4, 9, 25, 49, 256])
def test_averages_are_rounded_toward_zero(window):
    integers = RNG.integers(-128, 128, (4000, window))
    integers[:256] = np.arange(-128, 128)[:, None]
    integers[0], integers[1] = -128, 127
    # One more and one less than multiples of the window.
    integers[256:512, 0] = np.clip(integers[256:512, 0] + 1, -128, 127)
    means = tf.reduce_mean(tf.constant(integers / 128, tf.float32), axis=1)
    quantizer = quantizers.AverageQuantizer(window)
    found = quantizer(means, training=False, weights={})
    expected = arithmetic.average(integers.sum(axis=1), window)
    np.testing.assert_array_equal(found * 128, expected)


def test_averages_pass_gradients_on():
    values = tf.constant([-0.4, 0.0, 0.123])
    with tf.GradientTape() as tape:
        tape.watch(values)
        found = quantizers.AverageQuantizer(4)(values, training=True, weights={})
    np.testing.assert_array_equal(tape.gradient(found, values), [1, 1, 1])


@pytest.mark.parametrize(
    "quantizer",
    [quantizers.ActivationQuantizer(True), quantizers.AverageQuantizer(6)],
)
def test_quantizers_come_back_from_their_configuration(quantizer):
    copy = type(quantizer).from_config(quantizer.get_config())
    assert copy.get_config() == quantizer.get_config()
