"""One-operator networks for every kind, in each family of types."""

import dataclasses

import numpy as np
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from tests.ir import tflite_models as models

Value = models.Value
SAME, VALID = range(2)
NONE, RELU, RELU_N1, RELU6, _ = range(5)


@dataclasses.dataclass(frozen=True)
class Family:
    """Types of activations, kernels and biases, and what they read and write."""

    activation: str
    kernel_type: str
    bias_type: str

    def image(self, *shape):
        """An input of values from -3.7 to 4.2, `shape` without the batch."""
        return self._tensor(shape, 0.031, -7)

    def result(self, *shape, scale=0.11, zero_point=5):
        """An output, its scale and zero point those of int8."""
        return self._tensor(shape, scale, zero_point)

    def probabilities(self, *shape):
        """The output of a softmax or sigmoid, whose scale is fixed."""
        is_int8 = self.activation == "int8"
        scale, zero_point = (1 / 256, -128) if is_int8 else (1 / 32768, 0)
        return Value((1, *shape), self.activation, scale, zero_point)

    def constant(self, *values):
        """A constant operand along the channels."""
        array = np.array(values, self.activation)
        if self.activation == "int16":
            return Value((1, 1, 1, len(values)), "int16", 0.05 / 256, 0, data=array)
        return Value((1, 1, 1, len(values)), "int8", 0.05, 3, data=array)

    def kernel(self, *shape, axis=0, per_tensor=False):
        """Random weights with a scale for each slice of `axis`."""
        random = np.random.default_rng(sum(shape))
        limit = 7 if self.kernel_type == "int4" else 127
        data = random.integers(-limit, limit + 1, shape).astype(np.int8)
        scales = random.uniform(0.002, 0.02, shape[axis]) * 127 / limit
        if self.kernel_type == "int4":
            data = models.packed_int4(data)
        scales = 0.01 if per_tensor else scales
        return Value(shape, self.kernel_type, scales, axis=axis, data=data)

    def bias(self, count):
        """Random biases."""
        data = np.random.default_rng(count).integers(-2000, 2000, count)
        # The product of the scales of input and kernel, as a dense layer insists.
        scale = self.image(1).scale * 0.01
        return Value((count,), self.bias_type, scale, data=data.astype(self.bias_type))

    def _tensor(self, shape, scale, zero_point):
        if self.activation == "int16":
            scale, zero_point = scale / 256, 0
        return Value((1, *shape), self.activation, scale, zero_point)


INT8 = Family("int8", "int8", "int32")
INT4 = Family("int8", "int4", "int32")
INT16 = Family("int16", "int8", "int64")
INT16_NARROW = Family("int16", "int8", "int32")


def window(cls, padding=SAME, stride=1, activation=NONE, **fields):
    return cls(
        padding=padding,
        strideH=stride,
        strideW=stride,
        fusedActivationFunction=activation,
        **fields,
    )


def conv(dilation=1, **fields):
    return window(
        schema.Conv2DOptionsT,
        dilationHFactor=dilation,
        dilationWFactor=dilation,
        **fields,
    )


def depthwise(multiplier, dilation=1, **fields):
    return window(
        schema.DepthwiseConv2DOptionsT,
        depthMultiplier=multiplier,
        dilationHFactor=dilation,
        dilationWFactor=dilation,
        **fields,
    )


def pool(height, width, **fields):
    options = schema.Pool2DOptionsT
    return window(options, filterHeight=height, filterWidth=width, **fields)


def convolutions(f):
    """Name -> operator, inputs, output, options."""
    plane = f.image(9, 7, 4)
    return {
        "conv strided": (
            "CONV_2D",
            [plane, f.kernel(6, 3, 3, 4), f.bias(6)],
            f.result(5, 4, 6),
            conv(stride=2, activation=RELU6),
        ),
        "conv dilated": (
            "CONV_2D",
            [plane, f.kernel(6, 3, 3, 4), f.bias(6)],
            f.result(5, 3, 6),
            conv(padding=VALID, dilation=2, activation=RELU_N1),
        ),
        "conv grouped": (
            "CONV_2D",
            [plane, f.kernel(6, 3, 2, 2), f.bias(6)],
            f.result(9, 7, 6),
            conv(activation=RELU),
        ),
        "conv of even size": (
            "CONV_2D",
            [plane, f.kernel(3, 4, 2, 4), f.bias(3)],
            f.result(3, 3, 3),
            conv(stride=3),
        ),
        "conv without bias": (
            "CONV_2D",
            [plane, f.kernel(5, 3, 3, 4)],
            f.result(9, 7, 5),
            conv(),
        ),
        "conv of deep input": (
            "CONV_2D",
            [f.image(3, 3, 150), f.kernel(4, 3, 3, 150), f.bias(4)],
            f.result(3, 3, 4, scale=0.8),
            conv(),
        ),
        "conv to fine scale": (
            "CONV_2D",
            [plane, f.kernel(3, 1, 1, 4), f.bias(3)],
            f.result(9, 7, 3, scale=1e-4),
            conv(),
        ),
        "dense": (
            "FULLY_CONNECTED",
            [f.image(40), f.kernel(5, 40, per_tensor=True), f.bias(5)],
            f.result(5, scale=0.07),
            schema.FullyConnectedOptionsT(fusedActivationFunction=RELU),
        ),
        "dense of planes": (
            "FULLY_CONNECTED",
            [f.image(4, 2, 3), f.kernel(5, 24, per_tensor=True), f.bias(5)],
            f.result(5, scale=0.07),
            schema.FullyConnectedOptionsT(),
        ),
        "dense of odd planes": (
            "FULLY_CONNECTED",
            [f.image(3, 1, 5), f.kernel(4, 15, per_tensor=True), f.bias(4)],
            f.result(4, scale=0.07),
            schema.FullyConnectedOptionsT(),
        ),
    }


def other_weighted(f):
    """Convolutions whose kernels of int16 know int64 biases only."""
    plane = f.image(9, 7, 4)
    return {
        "depthwise": (
            "DEPTHWISE_CONV_2D",
            [plane, f.kernel(1, 3, 3, 8, axis=3), f.bias(8)],
            f.result(5, 4, 8),
            depthwise(2, stride=2),
        ),
        "depthwise dilated": (
            "DEPTHWISE_CONV_2D",
            [plane, f.kernel(1, 3, 3, 4, axis=3), f.bias(4)],
            f.result(9, 7, 4),
            depthwise(1, dilation=2, activation=RELU),
        ),
    }


def transposed(f):
    """Transposed convolutions."""
    plane = f.image(9, 7, 4)
    return {
        "transposed": (
            "TRANSPOSE_CONV",
            [models.integers([1, 18, 14, 3]), f.kernel(3, 3, 3, 4), plane, f.bias(3)],
            f.result(18, 14, 3),
            window(schema.TransposeConvOptionsT, stride=2),
        ),
        "transposed valid": (
            "TRANSPOSE_CONV",
            [models.integers([1, 19, 15, 3]), f.kernel(3, 3, 3, 4), plane, f.bias(3)],
            f.result(19, 15, 3),
            window(schema.TransposeConvOptionsT, padding=VALID, stride=2),
        ),
        "transposed with gaps": (
            "TRANSPOSE_CONV",
            [models.integers([1, 27, 21, 3]), f.kernel(3, 2, 2, 4), plane, f.bias(3)],
            f.result(27, 21, 3),
            window(schema.TransposeConvOptionsT, stride=3),
        ),
    }


def dense_per_channel(f):
    """A dense layer with a scale for each output."""
    return {
        "dense per channel": (
            "FULLY_CONNECTED",
            [f.image(40), f.kernel(5, 40), f.bias(5)],
            f.result(5, scale=0.07),
            schema.FullyConnectedOptionsT(),
        ),
    }


def unweighted(f):
    """All that has no kernel, where int8 and int16 exist."""
    plane, constant = f.image(9, 7, 4), f.constant(-100, -3, 50, 127)
    return {
        "max pool": ("MAX_POOL_2D", [plane], f.image(5, 4, 4), pool(3, 2, stride=2)),
        "max pool clamped": (
            "MAX_POOL_2D",
            [plane],
            f.image(8, 6, 4),
            pool(2, 2, padding=VALID, activation=RELU),
        ),
        "average pool": (
            "AVERAGE_POOL_2D",
            [plane],
            f.image(5, 4, 4),
            pool(3, 3, stride=2),
        ),
        "average pool of all": (
            "AVERAGE_POOL_2D",
            [plane],
            f.image(1, 1, 4),
            pool(9, 7, padding=VALID, activation=RELU6),
        ),
        "mean": (
            "MEAN",
            [plane, models.integers([1, 2])],
            f.result(4, scale=0.013),
            schema.ReducerOptionsT(),
        ),
        "mean kept": (
            "MEAN",
            [plane, models.integers([1, 2])],
            f.image(1, 1, 4),
            schema.ReducerOptionsT(keepDims=True),
        ),
        "mean of channels": (
            "MEAN",
            [plane, models.integers([3])],
            f.result(9, 7, scale=0.02),
            schema.ReducerOptionsT(),
        ),
        "add": (
            "ADD",
            [plane, constant],
            f.result(9, 7, 4, scale=0.04),
            schema.AddOptionsT(fusedActivationFunction=RELU),
        ),
        "sub": (
            "SUB",
            [plane, constant],
            f.result(9, 7, 4, scale=0.04),
            schema.SubOptionsT(),
        ),
        "sub from constant": (
            "SUB",
            [constant, plane],
            f.result(9, 7, 4, scale=0.02),
            schema.SubOptionsT(),
        ),
        "mul": (
            "MUL",
            [plane, constant],
            f.result(9, 7, 4, scale=0.09),
            schema.MulOptionsT(fusedActivationFunction=RELU6),
        ),
        "split": (
            "SPLIT",
            [models.integers(-1), f.image(5, 6)],
            [f.image(5, 2)] * 3,
            schema.SplitOptionsT(numSplits=3),
        ),
        "split of rows": (
            "SPLIT_V",
            [f.image(6, 3), models.integers([3, 1, 2]), models.integers(1)],
            [f.image(3, 3), f.image(1, 3), f.image(2, 3)],
            schema.SplitVOptionsT(numSplits=3),
        ),
        "pack": (
            "PACK",
            [f.image(3, 4), f.image(3, 4)],
            f.image(3, 2, 4),
            schema.PackOptionsT(valuesCount=2, axis=2),
        ),
        "pack behind": (
            "PACK",
            [f.image(3), f.image(3)],
            f.image(3, 2),
            schema.PackOptionsT(valuesCount=2, axis=-1),
        ),
        "unpack": (
            "UNPACK",
            [f.image(3, 4, 2)],
            [f.image(3, 2)] * 4,
            schema.UnpackOptionsT(num=4, axis=2),
        ),
        "unpack the batch": (
            "UNPACK",
            [f.image(3, 4)],
            [dataclasses.replace(f.image(4), shape=(3, 4))],
            schema.UnpackOptionsT(num=1, axis=0),
        ),
        "concat": (
            "CONCATENATION",
            [
                f.image(1, 1, 4),
                dataclasses.replace(
                    f.image(1, 1, 2), data=np.array([9, -9], f.activation)
                ),
            ],
            f.image(1, 1, 6),
            schema.ConcatenationOptionsT(axis=3),
        ),
        "pad": (
            "PAD",
            [plane, models.integers([[0, 0], [1, 2], [0, 3], [0, 1]])],
            f.image(12, 10, 5),
            schema.PadOptionsT(),
        ),
        "reshape": ("RESHAPE", [plane, models.integers([1, 252])], f.image(252), None),
        "requantize": ("QUANTIZE", [plane], f.result(9, 7, 4, scale=0.017), None),
        "softmax": (
            "SOFTMAX",
            [f.image(10)],
            f.probabilities(10),
            schema.SoftmaxOptionsT(beta=1.0),
        ),
        "softmax steep": (
            "SOFTMAX",
            [f.result(5, 3, scale=0.7, zero_point=12)],
            f.probabilities(5, 3),
            schema.SoftmaxOptionsT(beta=1.5),
        ),
    }


def operand(value, *shape, seed=0):
    """A constant of the type and scale of `value`, its integers random."""
    limits = np.iinfo(value.dtype)
    data = np.random.default_rng(seed).integers(limits.min, limits.max + 1, shape)
    return dataclasses.replace(value, shape=shape, data=data.astype(value.dtype))


def sloped(f):
    """Activations with a slope for negative values."""
    plane = f.image(9, 7, 4)
    slopes = Value(
        (1, 1, 4), "int8", 0.013, 4, data=np.array([-90, 3, 4, 120], np.int8)
    )
    one = Value((1,), "int8", 0.013, -7, data=np.array([9], np.int8))
    return {
        "leaky relu": (
            "LEAKY_RELU",
            [plane],
            f.result(9, 7, 4, scale=0.017),
            schema.LeakyReluOptionsT(alpha=0.3),
        ),
        "leaky relu falling": (
            "LEAKY_RELU",
            [plane],
            f.result(9, 7, 4, scale=0.04),
            schema.LeakyReluOptionsT(alpha=-1.7),
        ),
        "prelu": ("PRELU", [plane, slopes], f.result(9, 7, 4, scale=0.02), None),
        "prelu of one slope": (
            "PRELU",
            [plane, one],
            f.result(9, 7, 4, scale=0.02),
            None,
        ),
    }


def moved(f):
    """What compares integers or moves them, where int8 and int16 exist."""
    plane = f.image(9, 7, 4)
    return {
        "maximum": ("MAXIMUM", [plane, operand(plane, 7, 1)], plane, None),
        "minimum": ("MINIMUM", [operand(plane), plane], plane, None),
        "pad of a value": (
            "PADV2",
            [
                plane,
                models.integers([[0, 0], [1, 2], [0, 3], [0, 1]]),
                operand(plane, seed=3),
            ],
            f.image(12, 10, 5),
            schema.PadV2OptionsT(),
        ),
        "transpose": (
            "TRANSPOSE",
            [plane, models.integers([0, 3, 1, 2])],
            f.image(4, 9, 7),
            schema.TransposeOptionsT(),
        ),
        "transpose of five axes": (
            "TRANSPOSE",
            [f.image(3, 4, 2, 5), models.integers([0, 4, 2, 1, 3])],
            f.image(5, 4, 3, 2),
            schema.TransposeOptionsT(),
        ),
        "slice": (
            "SLICE",
            [plane, models.integers([0, 2, 0, 1]), models.integers([1, 3, -1, 2])],
            f.image(3, 7, 2),
            schema.SliceOptionsT(),
        ),
        "strided slice": (
            "STRIDED_SLICE",
            [
                plane,
                *map(models.integers, ([0, -1, 1, 2], [1, 0, 9, 3], [1, -3, 2, 1])),
            ],
            f.image(3, 3),
            schema.StridedSliceOptionsT(shrinkAxisMask=8),
        ),
        "strided slice to both ends": (
            "STRIDED_SLICE",
            [
                plane,
                *map(models.integers, ([0, 5, 5, 0], [0, 0, 5, 0], [1, -2, 3, -1])),
            ],
            f.image(5, 2, 4),
            schema.StridedSliceOptionsT(beginMask=0b1111, endMask=0b1011),
        ),
        "nearest": (
            "RESIZE_NEAREST_NEIGHBOR",
            [plane, models.integers([18, 14])],
            f.image(18, 14, 4),
            schema.ResizeNearestNeighborOptionsT(halfPixelCenters=True),
        ),
        "nearest between corners": (
            "RESIZE_NEAREST_NEIGHBOR",
            [plane, models.integers([4, 15])],
            f.image(4, 15, 4),
            schema.ResizeNearestNeighborOptionsT(alignCorners=True),
        ),
    }


def int8_only(f):
    """What TFLite Micro has for int8 alone."""
    plane = f.image(9, 7, 4)
    positions = schema.TensorType.INT32
    return {
        "mirrored": (
            "MIRROR_PAD",
            [plane, models.integers([[0, 0], [8, 2], [1, 6], [0, 3]])],
            f.image(19, 14, 7),
            schema.MirrorPadOptionsT(mode=schema.MirrorPadMode.REFLECT),
        ),
        "mirrored symmetrically": (
            "MIRROR_PAD",
            [plane, models.integers([[0, 0], [9, 2], [1, 7], [0, 4]])],
            f.image(20, 15, 8),
            schema.MirrorPadOptionsT(mode=schema.MirrorPadMode.SYMMETRIC),
        ),
        **{
            f"bilinear {name}": (
                "RESIZE_BILINEAR",
                [plane, models.integers([15, 5])],
                f.image(15, 5, 4),
                schema.ResizeBilinearOptionsT(**options),
            )
            for name, options in (
                ("from the corner", {}),
                ("of half pixels", {"halfPixelCenters": True}),
                ("between corners", {"alignCorners": True}),
            )
        },
        "largest of rows": (
            "REDUCE_MAX",
            [f.image(9, 4), models.integers(1)],
            f.image(4),
            schema.ReducerOptionsT(),
        ),
        "smallest of channels": (
            "REDUCE_MIN",
            [plane, models.integers([1, -1])],
            f.image(1, 7, 1),
            schema.ReducerOptionsT(keepDims=True),
        ),
        "position of the largest": (
            "ARG_MAX",
            [f.image(30), models.integers(-1)],
            Value((1,), "int32", None),
            schema.ArgMaxOptionsT(outputType=positions),
        ),
        "position of the smallest": (
            "ARG_MIN",
            [plane, models.integers([2])],
            Value((1, 9, 4), "int32", None),
            schema.ArgMinOptionsT(outputType=positions),
        ),
    }
