"""Operators of random scales, zero points and windows against TFLite Micro."""

import dataclasses

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies

from tests.simulate import micro
from tests.simulate import operator_cases as cases
from tfpipeline.ir import from_tflite, geometry
from tfpipeline.simulate import execution

Value = cases.Value
SETTINGS = hypothesis.settings(deadline=None, max_examples=40)
FAMILIES = (cases.INT8, cases.INT4, cases.INT16, cases.INT16_NARROW)

small = strategies.integers(1, 3)
seeds = strategies.integers(0, 2**32 - 1)
# Logarithms of scales to base 2.
logs = strategies.floats(-9.0, -2.0)
zero_points = strategies.integers(-128, 127)


def quantized(family, shape, log, zero_point):
    """A tensor; the scales of int16 are finer, their zero points 0."""
    is_int16 = family.activation == "int16"
    scale = 2.0 ** (log - 8 if is_int16 else log)
    return Value((1, *shape), family.activation, scale, 0 if is_int16 else zero_point)


def assert_bit_exact(model, seed):
    g = from_tflite.read(model)
    images = micro.random_images(g, 2, seed)
    expected = micro.predict(model, images)
    np.testing.assert_array_equal(execution.predict_readable(g, images), expected)
    np.testing.assert_array_equal(execution.predict(g, images), expected)


@SETTINGS
@hypothesis.given(
    family=strategies.sampled_from(FAMILIES),
    is_depthwise=strategies.booleans(),
    padding=strategies.sampled_from([cases.SAME, cases.VALID]),
    sizes=strategies.tuples(small, small, small, small),
    stride=small,
    dilation=strategies.integers(1, 2),
    activation=strategies.sampled_from([cases.NONE, cases.RELU, cases.RELU6]),
    log=logs,
    gain=strategies.floats(-6.0, 6.0),
    zeros=strategies.tuples(zero_points, zero_points),
    seed=seeds,
)
def test_convolutions(
    family,
    is_depthwise,
    padding,
    sizes,
    stride,
    dilation,
    activation,
    log,
    gain,
    zeros,
    seed,
):
    height, width, channels, filters = sizes
    hypothesis.assume(dilation == 1 or stride == 1)
    hypothesis.assume(not (is_depthwise and family is cases.INT16_NARROW))
    source = quantized(family, (7, 6, channels), log, zeros[0])
    if is_depthwise:
        filters *= channels
        kernel = family.kernel(1, height, width, filters, axis=3)
        options = cases.depthwise(filters // channels, dilation)
    else:
        kernel = family.kernel(filters, height, width, channels)
        options = cases.conv(dilation)
    options.padding, options.strideH, options.strideW = padding, stride, stride
    options.fusedActivationFunction = activation
    arguments = ((7, 6), (height, width), (stride,) * 2, (dilation,) * 2)
    borders = geometry.same_padding(*arguments)
    if padding == cases.VALID:
        borders = ((0, 0), (0, 0))
    plane = [
        geometry.output_size(size, taps, stride, border, dilation)
        for size, taps, border in zip((7, 6), (height, width), borders, strict=True)
    ]
    result = quantized(family, (*plane, filters), log + gain, zeros[1])
    name = "DEPTHWISE_CONV_2D" if is_depthwise else "CONV_2D"
    operands = [source, kernel, family.bias(filters)]
    assert_bit_exact(cases.models.one_operator(name, operands, result, options), seed)


@SETTINGS
@hypothesis.given(
    family=strategies.sampled_from([cases.INT8, cases.INT16, cases.INT16_NARROW]),
    units=strategies.integers(1, 40),
    per_tensor=strategies.booleans(),
    log=logs,
    gain=strategies.floats(-6.0, 6.0),
    zeros=strategies.tuples(zero_points, zero_points),
    seed=seeds,
)
def test_dense(family, units, per_tensor, log, gain, zeros, seed):
    source = quantized(family, (units,), log, zeros[0])
    # One scale must be the bias's; with several, TFLite Micro does not look.
    kernel = family.kernel(5, units, per_tensor=per_tensor)
    bias = dataclasses.replace(family.bias(5), scale=source.scale * 0.01)
    result = quantized(family, (5,), log + gain, zeros[1])
    options = cases.schema.FullyConnectedOptionsT()
    operands = [source, kernel, bias]
    model = cases.models.one_operator("FULLY_CONNECTED", operands, result, options)
    assert_bit_exact(model, seed)


@SETTINGS
@hypothesis.given(
    operator=strategies.sampled_from(["Add", "Sub", "Mul"]),
    family=strategies.sampled_from([cases.INT8, cases.INT16]),
    activation=strategies.sampled_from([cases.NONE, cases.RELU, cases.RELU6]),
    scales=strategies.tuples(logs, logs, logs),
    zeros=strategies.tuples(zero_points, zero_points, zero_points),
    seed=seeds,
)
def test_elementwise(operator, family, activation, scales, zeros, seed):
    first, second, result = (
        quantized(family, (3, 5, 4), log, zero)
        for log, zero in zip(scales, zeros, strict=True)
    )
    limits = np.iinfo(family.activation)
    random = np.random.default_rng(seed)
    second.data = random.integers(limits.min, limits.max + 1, second.shape)
    second.data = second.data.astype(family.activation)
    options = getattr(cases.schema, f"{operator}OptionsT")()
    options.fusedActivationFunction = activation
    operands = [first, second]
    name = operator.upper()
    assert_bit_exact(cases.models.one_operator(name, operands, result, options), seed)


@SETTINGS
@hypothesis.given(
    operator=strategies.sampled_from(["QUANTIZE", "MEAN", "RELU", "ABS"]),
    families=strategies.tuples(
        strategies.sampled_from([cases.INT8, cases.INT16]),
        strategies.sampled_from([cases.INT8, cases.INT16]),
    ),
    scales=strategies.tuples(logs, logs),
    zeros=strategies.tuples(zero_points, zero_points),
    seed=seeds,
)
def test_rescaled(operator, families, scales, zeros, seed):
    source = quantized(families[0], (5, 3, 4), scales[0], zeros[0])
    is_mean = operator == "MEAN"
    result = quantized(
        families[1 if operator == "QUANTIZE" else 0],
        (4,) if is_mean else (5, 3, 4),
        scales[1],
        zeros[1],
    )
    operands = [source, cases.models.integers([1, 2])] if is_mean else [source]
    options = cases.schema.ReducerOptionsT() if is_mean else None
    model = cases.models.one_operator(operator, operands, result, options)
    assert_bit_exact(model, seed)


@pytest.mark.parametrize("name", ["RELU", "ABS"])
def test_quotients_of_scales_are_in_double(name):
    # In float32, as older sources have it, some results of most pairs differ by 1.
    images = np.arange(-(2**15), 2**15).astype(np.int16)[np.newaxis]
    for scales in np.random.default_rng(1).uniform(1e-4, 1e-2, (5, 2)):
        source, result = (Value(images.shape, "int16", s, 0) for s in scales)
        model = cases.models.one_operator(name, [source], result)
        expected = micro.predict(model, images)
        found = execution.predict(from_tflite.read(model), images)
        np.testing.assert_array_equal(found, expected)


def test_products_of_scales_are_in_double():
    # In float32, as older sources have it, some of the 96,000 results differ by 1.
    family, random = cases.INT16_NARROW, np.random.default_rng(1)
    for _ in range(6):
        source_scale, kernel_scale = (
            random.uniform(1e-4, 1e-3),
            random.uniform(0.001, 0.02),
        )
        kernel = family.kernel(8, 40, per_tensor=True)
        model = cases.models.one_operator(
            "FULLY_CONNECTED",
            [
                Value((1, 2000, 40), "int16", source_scale, 0),
                dataclasses.replace(kernel, scale=kernel_scale),
                dataclasses.replace(family.bias(8), scale=source_scale * kernel_scale),
            ],
            Value((1, 2000, 8), "int16", random.uniform(1e-4, 1e-3), 0),
            cases.schema.FullyConnectedOptionsT(keepNumDims=True),
        )
        g = from_tflite.read(model)
        images = micro.random_images(g, 1)
        expected = micro.predict(model, images)
        np.testing.assert_array_equal(execution.predict(g, images), expected)


@SETTINGS
@hypothesis.given(
    family=strategies.sampled_from([cases.INT8, cases.INT16]),
    shape=strategies.tuples(small, strategies.integers(1, 40)),
    log=logs,
    beta=strategies.floats(0.125, 4.0, width=32),
    zero_point=zero_points,
    seed=seeds,
)
def test_softmax(family, shape, log, beta, zero_point, seed):
    source = quantized(family, shape, log, zero_point)
    options = cases.schema.SoftmaxOptionsT(beta=beta)
    model = cases.models.one_operator(
        "SOFTMAX", [source], family.probabilities(*shape), options
    )
    assert_bit_exact(model, seed)
