"""Files of one operator at random: shapes, parameters, types, scales of twelve decades.

Every operator that is read occurs, also in ways that TensorFlow Lite Micro refuses. A
number gives the same file always.
"""

import dataclasses
import math

import numpy as np

from tests.simulate import operator_cases as cases
from tests.simulate import random_moves
from tfpipeline.ir import geometry, tflite_operators, tflite_rewrites

Value = cases.Value
schema = cases.schema

DECADES = (-6.0, 6.0)
ACTIVATIONS = (cases.NONE, cases.RELU, cases.RELU6, cases.RELU_N1)
IMAGES = 3

# Of several results, or with states: operators_test and recurrent_test try them.
ELSEWHERE = {
    *("PACK", "SPLIT", "SPLIT_V", "UNPACK"),
    *("SVDF", "UNIDIRECTIONAL_SEQUENCE_LSTM"),
}
NAMES = sorted({*tflite_operators.READERS, *tflite_rewrites.REWRITES} - ELSEWHERE)


@dataclasses.dataclass(frozen=True)
class Case:
    """A file, and inputs for it.

    Attributes:
        operator: its only one.
        model: the file.
        images: integers of its input's type, `[IMAGES, ...]`.
    """

    operator: str
    model: bytes
    images: np.ndarray


def case(number: int) -> Case:
    """The file of a number; successive ones have different operators."""
    name = NAMES[number % len(NAMES)]
    draw = _Draw(np.random.default_rng(number))
    inputs, output, options = _BUILDERS.get(name, _of_values)(draw, name)
    model = cases.models.one_operator(name, inputs, output, options)
    (source,) = (v for v in inputs if v is not None and v.data is None)
    limits = np.iinfo(source.dtype)
    shape = (IMAGES, *source.shape[1:])
    images = draw.random.integers(
        limits.min, limits.max, shape, source.dtype, endpoint=True
    )
    # The ends, and the values around zero.
    images[0] = np.resize([limits.min, limits.max, source.zero_point], shape[1:])
    return Case(name, model, images)


class _Draw:
    """What a case is made of."""

    def __init__(self, random: np.random.Generator):
        self.random = random
        self.dtype = self.one_of("int8", "int16")

    def one_of(self, *values):
        return values[self.random.integers(len(values))]

    def size(self, most=5):
        return int(self.random.integers(1, most + 1))

    def scale(self, near=None):
        """Of twelve decades; half of those that have a natural one lie near it."""
        if near is not None and self.random.integers(4):
            return float(np.clip(near * 2 ** self.random.uniform(-7, 7), 1e-6, 1e6))
        return float(10 ** self.random.uniform(*DECADES))

    def zero_point(self, dtype=None):
        if (dtype or self.dtype) == "int16":
            return 0 if self.random.integers(20) else 3
        return int(self.random.integers(-128, 128))

    def value(self, *shape, near=None, dtype=None):
        dtype = dtype or self.dtype
        return Value((1, *shape), dtype, self.scale(near), self.zero_point(dtype))

    def like(self, source, *shape):
        """Another tensor of the scale of `source`, but for one in twenty."""
        scale = source.scale if self.random.integers(20) else self.scale()
        return dataclasses.replace(source, shape=(1, *shape), scale=scale, data=None)

    def integers(self, shape, dtype):
        limits = np.iinfo(dtype)
        return self.random.integers(limits.min, limits.max, shape, dtype, endpoint=True)

    def constant(self, *shape, near=None):
        found = self.value(*shape, near=near)
        found.data = self.integers(found.shape, self.dtype)
        return found

    def plane(self):
        return self.value(self.size(7), self.size(7), self.size())


def _weights(draw, source, shape, axis):
    """Kernel, bias or none, and the scale of sums; int4 where int8 is."""
    channels = shape[axis]
    is_int4 = draw.dtype == "int8" and not draw.random.integers(6)
    limit = 7 if is_int4 else 127
    data = draw.random.integers(-limit, limit + 1, shape).astype(np.int8)
    most = draw.scale(near=0.01)
    count = draw.one_of(1, channels)
    scales = most * 10 ** -draw.random.uniform(0, draw.one_of(0, 1, 4), count)
    kernel = Value(
        shape,
        "int4" if is_int4 else "int8",
        scales,
        axis=axis,
        data=cases.models.packed_int4(data) if is_int4 else data,
    )
    sums = source.scale * most
    if not draw.random.integers(4):
        return kernel, None, sums
    dtype = "int32" if draw.dtype == "int8" else draw.one_of("int64", "int32")
    size = 10 ** draw.random.uniform(0, draw.one_of(4, 9))
    values = draw.random.uniform(-size, size, channels).astype(dtype)
    scale = source.scale * scales
    bias = Value((channels,), dtype, scale, axis=0, data=values)
    return kernel, bias, sums


def _bias_type(draw, bias):
    """`quantizedBiasType`, which an operator without a bias needs too."""
    if draw.dtype == "int8":
        return {}
    dtype = "int64" if bias is None else bias.dtype
    return {"quantizedBiasType": cases.models.TYPES[dtype]}


def _window(draw, source, kernel, dilation=(1, 1)):
    """Padding, strides and the result's plane."""
    strides = (draw.size(3), draw.size(3))
    padding = draw.one_of(cases.SAME, cases.VALID)
    size = source.shape[1:3]
    border = ((0, 0), (0, 0))
    if padding == cases.SAME:
        border = geometry.same_padding(size, kernel, strides, dilation)
    plane = [
        geometry.output_size(*axis)
        for axis in zip(size, kernel, strides, border, dilation, strict=True)
    ]
    fields = {"padding": padding, "strideH": strides[0], "strideW": strides[1]}
    return fields, plane


def _taps(draw, source, dilation=(1, 1)):
    """A kernel that lies within the plane with its holes."""
    return tuple(
        min(draw.size(4), (size - 1) // rate + 1)
        for size, rate in zip(source.shape[1:3], dilation, strict=True)
    )


def _convolution(draw, name):
    source = draw.plane()
    dilation = (draw.one_of(1, 1, 2), draw.one_of(1, 1, 2))
    taps = _taps(draw, source, dilation)
    window, plane = _window(draw, source, taps, dilation)
    window.update(dilationHFactor=dilation[0], dilationWFactor=dilation[1])
    channels = source.shape[-1]
    if name == "CONV_2D":
        groups = channels if not draw.random.integers(5) else 1
        filters = groups * draw.size(4)
        shape, axis = (filters, *taps, channels // groups), 0
        kind = schema.Conv2DOptionsT
    else:
        multiplier = draw.size(3)
        filters = channels * multiplier
        shape, axis = (1, *taps, filters), 3
        window["depthMultiplier"] = multiplier
        kind = schema.DepthwiseConv2DOptionsT
    kernel, bias, sums = _weights(draw, source, shape, axis)
    if name == "CONV_2D":
        window.update(_bias_type(draw, bias))
    near = sums * math.sqrt(math.prod(shape[1:])) * 64
    result = draw.value(*plane, filters, near=near)
    options = kind(fusedActivationFunction=draw.one_of(*ACTIVATIONS), **window)
    return [source, kernel, *_present(bias)], result, options


def _present(bias):
    return [] if bias is None else [bias]


def _transposed(draw, name):
    source = draw.value(draw.size(4), draw.size(4), draw.size())
    taps, filters = (draw.size(3), draw.size(3)), draw.size(4)
    strides = (draw.size(3), draw.size(3))
    padding = draw.one_of(cases.SAME, cases.VALID)
    plane = [
        size * stride if padding == cases.SAME else (size - 1) * stride + tap
        for size, stride, tap in zip(source.shape[1:3], strides, taps, strict=True)
    ]
    shape = (filters, *taps, source.shape[-1])
    kernel, bias, sums = _weights(draw, source, shape, 0)
    near = sums * math.sqrt(math.prod(shape[1:])) * 64
    result = draw.value(*plane, filters, near=near)
    options = schema.TransposeConvOptionsT(
        padding=padding,
        strideH=strides[0],
        strideW=strides[1],
        fusedActivationFunction=draw.one_of(*ACTIVATIONS),
        **_bias_type(draw, bias),
    )
    where = cases.models.integers(list(result.shape))
    return [where, kernel, source, *_present(bias)], result, options


def _dense(draw, name):
    units, outputs = draw.size(60), draw.size(8)
    source = draw.value(units)
    kernel, bias, sums = _weights(draw, source, (outputs, units), 0)
    result = draw.value(outputs, near=sums * math.sqrt(units) * 64)
    options = schema.FullyConnectedOptionsT(
        fusedActivationFunction=draw.one_of(*ACTIVATIONS), **_bias_type(draw, bias)
    )
    return [source, kernel, bias], result, options


def _pool(draw, name):
    source = draw.plane()
    taps = _taps(draw, source)
    window, plane = _window(draw, source, taps)
    options = schema.Pool2DOptionsT(
        filterHeight=taps[0],
        filterWidth=taps[1],
        fusedActivationFunction=draw.one_of(*ACTIVATIONS),
        **window,
    )
    return [source], draw.like(source, *plane, source.shape[-1]), options


def _reduced(draw, name):
    source = draw.plane()
    axes = draw.one_of([1, 2], [1, 2], [1], [3], [2, 1], [-1], [1, 2, 3])
    keeps = bool(draw.random.integers(2))
    shape = [1 if i in {a % 4 for a in axes} else n for i, n in enumerate(source.shape)]
    if not keeps:
        shape = [n for i, n in enumerate(shape) if i not in {a % 4 for a in axes}]
    options = schema.ReducerOptionsT(keepDims=keeps)
    inputs = [source, cases.models.integers(axes)]
    if name in ("REDUCE_MAX", "REDUCE_MIN"):
        return inputs, draw.like(source, *shape[1:]), options
    return inputs, draw.value(*shape[1:], near=source.scale), options


def _elementwise(draw, name):
    first = draw.plane()
    if draw.random.integers(2):
        second = draw.constant(*first.shape[1:], near=first.scale)
    else:
        second = draw.constant(1, 1, first.shape[-1], near=first.scale)
    natural = first.scale * (second.scale * 64 if name == "MUL" else 1)
    result = draw.value(*first.shape[1:], near=natural)
    options = getattr(schema, f"{name.title()}OptionsT")(
        fusedActivationFunction=draw.one_of(*ACTIVATIONS)
    )
    inputs = [first, second] if draw.random.integers(2) else [second, first]
    return inputs, result, options


def _concatenation(draw, name):
    first = draw.plane()
    other = draw.like(first, *first.shape[1:-1], draw.size())
    other.data = draw.integers(other.shape, draw.dtype)
    channels = first.shape[-1] + other.shape[-1]
    result = draw.like(first, *first.shape[1:-1], channels)
    return [first, other], result, schema.ConcatenationOptionsT(axis=draw.one_of(3, -1))


def _pad(draw, name):
    source = draw.plane()
    pairs = draw.random.integers(0, 3, (4, 2))
    pairs[0] = 0
    sizes = [n + int(sum(p)) for n, p in zip(source.shape, pairs, strict=True)]
    inputs = [source, cases.models.integers(pairs.tolist())]
    return inputs, draw.like(source, *sizes[1:]), schema.PadOptionsT()


def _moved(draw, name):
    source = draw.plane()
    if name == "SQUEEZE":
        source = dataclasses.replace(source, shape=(1, 1, *source.shape[2:]))
        result = draw.like(source, *source.shape[2:])
        return [source], result, schema.SqueezeOptionsT(squeezeDims=[1])
    if name == "EXPAND_DIMS":
        result = draw.like(source, 1, *source.shape[1:])
        options = schema.ExpandDimsOptionsT()
        return [source, cases.models.integers([1])], result, options
    count = math.prod(source.shape)
    shape = cases.models.integers([1, count])
    return [source, shape], draw.like(source, count), None


def _space_to_depth(draw, name):
    size = draw.one_of(1, 2, 3)
    rows, columns, channels = draw.size(3), draw.size(3), draw.size()
    source = draw.value(rows * size, columns * size, channels)
    result = draw.like(source, rows, columns, channels * size * size)
    return [source], result, schema.SpaceToDepthOptionsT(blockSize=size)


def _quantize(draw, name):
    source = draw.value(draw.size(40), dtype=draw.one_of("int8", "int16", "int8"))
    dtype = draw.one_of("int8", "int16")
    gain = {("int8", "int16"): 1 / 256, ("int16", "int8"): 256}
    near = source.scale * gain.get((source.dtype, dtype), 1)
    return [source], draw.value(*source.shape[1:], near=near, dtype=dtype), None


def _fixed(draw, name):
    """What a softmax, sigmoid or tanh writes, but for one in twenty."""
    if not draw.random.integers(20):
        return draw.scale(), draw.zero_point()
    if draw.dtype == "int16":
        return 1 / 32768, 0
    return (1 / 128, 0) if name == "TANH" else (1 / 256, -128)


def _softmax(draw, name):
    source = draw.value(draw.size(3), draw.size(30))
    scale, zero_point = _fixed(draw, name)
    result = dataclasses.replace(source, scale=scale, zero_point=zero_point)
    beta = draw.one_of(1.0, 1.0, float(draw.random.uniform(0.1, 10)))
    return [source], result, schema.SoftmaxOptionsT(beta=beta)


def _curve(draw, name):
    source = draw.value(draw.size(60))
    scale, zero_point = _fixed(draw, name)
    result = dataclasses.replace(source, scale=scale, zero_point=zero_point)
    return [source], result, None


def _of_values(draw, name):
    """A function of every value, between scales of its own."""
    source = draw.value(draw.size(60))
    result = draw.value(*source.shape[1:], near=source.scale)
    if not draw.random.integers(3):
        result = dataclasses.replace(source)
    return [source], result, None


_BUILDERS = {
    "CONV_2D": _convolution,
    "DEPTHWISE_CONV_2D": _convolution,
    "TRANSPOSE_CONV": _transposed,
    "FULLY_CONNECTED": _dense,
    "MAX_POOL_2D": _pool,
    "AVERAGE_POOL_2D": _pool,
    "MEAN": _reduced,
    "REDUCE_MAX": _reduced,
    "ADD": _elementwise,
    "SUB": _elementwise,
    "MUL": _elementwise,
    "CONCATENATION": _concatenation,
    "PAD": _pad,
    "RESHAPE": _moved,
    "SQUEEZE": _moved,
    "EXPAND_DIMS": _moved,
    "SPACE_TO_DEPTH": _space_to_depth,
    "QUANTIZE": _quantize,
    "SOFTMAX": _softmax,
    "LOGISTIC": _curve,
    "TANH": _curve,
    "REDUCE_MIN": _reduced,
    **random_moves.BUILDERS,
}
