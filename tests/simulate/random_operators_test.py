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


@pytest.mark.default_cases(1)
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
    results = [family.probabilities(*shape)]
    if family is cases.INT8:
        results.append(cases.Value((1, *shape), "int16", 1 / 65536, -32768))
    for result in results:
        model = cases.models.one_operator("SOFTMAX", [source], result, options)
        assert_bit_exact(model, seed)


# Six decades of scales.
wide_logs = strategies.floats(-17.0, 3.0)
alphas = strategies.floats(-2.0, 2.0, width=32) | strategies.sampled_from([0.0, 1e-6])


@SETTINGS
@hypothesis.given(
    family=strategies.sampled_from([cases.INT8, cases.INT16]),
    alpha=alphas,
    log=wide_logs,
    gain=strategies.floats(-8.0, 8.0),
    zeros=strategies.tuples(zero_points, zero_points),
    seed=seeds,
)
def test_leaky_relu(family, alpha, log, gain, zeros, seed):
    source = quantized(family, (5, 3, 4), log, zeros[0])
    result = quantized(family, (5, 3, 4), log + gain, zeros[1])
    options = cases.schema.LeakyReluOptionsT(alpha=alpha)
    model = cases.models.one_operator("LEAKY_RELU", [source], result, options)
    assert_bit_exact(model, seed)


@SETTINGS
@hypothesis.given(
    family=strategies.sampled_from([cases.INT8, cases.INT16]),
    shape=strategies.sampled_from(
        [(4,), (1, 1, 4), (5, 1, 1), (5, 3, 4), (), (1, 3, 1), (1, 1, 3, 4)]
    ),
    logs=strategies.tuples(wide_logs, wide_logs),
    gain=strategies.floats(-8.0, 8.0),
    zeros=strategies.tuples(zero_points, zero_points, zero_points),
    seed=seeds,
)
def test_prelu(family, shape, logs, gain, zeros, seed):
    source = quantized(family, (5, 3, 4), logs[0], zeros[0])
    result = quantized(family, (5, 3, 4), logs[0] + gain, zeros[1])
    slopes = quantized(cases.INT8, (), logs[1], zeros[2])
    slopes = cases.operand(slopes, *shape, seed=seed)
    model = cases.models.one_operator("PRELU", [source, slopes], result)
    assert_bit_exact(model, seed)


@SETTINGS
@hypothesis.given(
    operator=strategies.sampled_from(["MAXIMUM", "MINIMUM"]),
    family=strategies.sampled_from([cases.INT8, cases.INT16]),
    shape=strategies.sampled_from([(4,), (1, 1, 4), (5, 1, 1), (5, 3, 4), (), (3, 1)]),
    is_first=strategies.booleans(),
    seed=seeds,
)
def test_extrema(operator, family, shape, is_first, seed):
    source = quantized(family, (5, 3, 4), -4.0, 9)
    operands = [source, cases.operand(source, *shape, seed=seed)]
    model = cases.models.one_operator(operator, operands[:: 1 - 2 * is_first], source)
    assert_bit_exact(model, seed)


@SETTINGS
@hypothesis.given(
    kind=strategies.sampled_from(["ResizeNearestNeighbor", "ResizeBilinear"]),
    sizes=strategies.tuples(*[strategies.integers(1, 20)] * 4),
    align_corners=strategies.booleans(),
    half_pixels=strategies.booleans(),
    seed=seeds,
)
def test_resized(kind, sizes, align_corners, half_pixels, seed):
    is_nearest = kind == "ResizeNearestNeighbor"
    hypothesis.assume(is_nearest or not (align_corners and half_pixels))
    source = quantized(cases.INT8, (*sizes[:2], 2), -4.0, 9)
    result = dataclasses.replace(source, shape=(1, *sizes[2:], 2))
    options = getattr(cases.schema, f"{kind}OptionsT")(
        alignCorners=align_corners, halfPixelCenters=half_pixels
    )
    name = "RESIZE_NEAREST_NEIGHBOR" if is_nearest else "RESIZE_BILINEAR"
    operands = [source, cases.models.integers(sizes[2:])]
    assert_bit_exact(cases.models.one_operator(name, operands, result, options), seed)


indices = strategies.integers(-7, 7)
bits = strategies.integers(0, 7)


@SETTINGS
@hypothesis.given(
    family=strategies.sampled_from([cases.INT8, cases.INT16]),
    begin=strategies.tuples(indices, indices, indices),
    end=strategies.tuples(indices, indices, indices),
    steps=strategies.tuples(*[strategies.sampled_from([-3, -1, 1, 2])] * 3),
    masks=strategies.tuples(bits, bits, bits),
    seed=seeds,
)
def test_strided_slices(family, begin, end, steps, masks, seed):
    whole = (1, 6, 5, 4)
    first, last, dropped = (mask << 1 for mask in masks)
    steps = tuple(
        abs(step) if dropped >> axis & 1 else step for axis, step in enumerate(steps, 1)
    )
    # NumPy slices as TFLite does, but for what is dropped: that begins inside.
    index = [slice(None)]
    for axis, values in enumerate(zip(begin, end, steps, strict=True), 1):
        start, stop, step = values
        start = None if first >> axis & 1 else start
        stop = None if last >> axis & 1 else stop
        if dropped >> axis & 1:
            start = slice(start, stop, step).indices(whole[axis])[0]
            hypothesis.assume(start < whole[axis])
            index.append(start)
        else:
            index.append(slice(start, stop, step))
    shape = np.empty(whole)[tuple(index)].shape
    hypothesis.assume(0 not in shape)
    source = quantized(family, whole[1:], -4.0, 9)
    result = dataclasses.replace(source, shape=shape)
    options = cases.schema.StridedSliceOptionsT(
        beginMask=first, endMask=last, shrinkAxisMask=dropped
    )
    lists = ((0, *begin), (1, *end), (1, *steps))
    operands = [source, *(cases.models.integers(list(each)) for each in lists)]
    name = "STRIDED_SLICE"
    assert_bit_exact(cases.models.one_operator(name, operands, result, options), seed)


pads = strategies.tuples(strategies.integers(0, 5), strategies.integers(0, 5))


@SETTINGS
@hypothesis.given(
    is_reflection=strategies.booleans(),
    shape=strategies.tuples(*[strategies.integers(1, 5)] * 3),
    padding=strategies.tuples(pads, pads, pads),
    seed=seeds,
)
def test_mirrored(is_reflection, shape, padding, seed):
    pairs = [
        [min(value, size - is_reflection) for value in pair]
        for size, pair in zip(shape, padding, strict=True)
    ]
    source = quantized(cases.INT8, shape, -4.0, 9)
    plane = [size + sum(pair) for size, pair in zip(shape, pairs, strict=True)]
    result = dataclasses.replace(source, shape=(1, *plane))
    mode = cases.schema.MirrorPadMode
    options = cases.schema.MirrorPadOptionsT(
        mode=mode.REFLECT if is_reflection else mode.SYMMETRIC
    )
    operands = [source, cases.models.integers([[0, 0], *pairs])]
    model = cases.models.one_operator("MIRROR_PAD", operands, result, options)
    assert_bit_exact(model, seed)
    # NumPy knows the same two ways.
    g = from_tflite.read(model)
    images = micro.random_images(g, 1, seed)
    expected = np.pad(
        images, [(0, 0), *pairs], mode="reflect" if is_reflection else "symmetric"
    )
    np.testing.assert_array_equal(execution.predict(g, images), expected)


@SETTINGS
@hypothesis.given(
    family=strategies.sampled_from([cases.INT8, cases.INT16]),
    kernel=strategies.tuples(small, small),
    stride=strategies.integers(1, 5),
    is_same=strategies.booleans(),
    log=logs,
    gain=strategies.floats(-6.0, 6.0),
    zeros=strategies.tuples(zero_points, zero_points),
    seed=seeds,
)
def test_transposed(family, kernel, stride, is_same, log, gain, zeros, seed):
    source = quantized(family, (3, 4, 2), log, zeros[0])
    plane = [
        size * stride + (0 if is_same else max(taps - stride, 0))
        for size, taps in zip((3, 4), kernel, strict=True)
    ]
    result = quantized(family, (*plane, 3), log + gain, zeros[1])
    padding = cases.SAME if is_same else cases.VALID
    options = cases.window(
        cases.schema.TransposeConvOptionsT, padding=padding, stride=stride
    )
    operands = [
        cases.models.integers([1, *plane, 3]),
        family.kernel(3, *kernel, 2),
        source,
        family.bias(3),
    ]
    name = "TRANSPOSE_CONV"
    assert_bit_exact(cases.models.one_operator(name, operands, result, options), seed)
