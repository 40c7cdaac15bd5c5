"""Values, options and files that tests of the reader share."""

import math
import pathlib

import numpy as np
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from tests.ir import tflite_models as models

ROOT = pathlib.Path(__file__).parents[2]
GOLDENS = sorted((ROOT / "tests/golden/tflite_int8").glob("*.tflite"))
CMSISNET = ROOT / "experiments/cifar10/cmsisnet/model.tflite"

Value = models.Value
NONE, RELU, _, RELU6, TANH = range(5)
SAME, VALID = range(2)


def weights(shape, dtype="int8", scale=0.25, axis=0):
    count = math.prod(shape)
    data = (np.arange(count) % 15 - 7).astype("int8" if dtype == "int4" else dtype)
    if dtype == "int4":
        data = models.packed_int4(data)
    return Value(shape, dtype, scale, axis=axis, data=data)


def bias(count, dtype="int32"):
    return Value((count,), dtype, 0.125, data=np.arange(count).astype(dtype))


def conv_options(padding=SAME, stride=2, activation=RELU6, dilation=1):
    return schema.Conv2DOptionsT(
        padding=padding,
        strideH=stride,
        strideW=stride,
        fusedActivationFunction=activation,
        dilationHFactor=dilation,
        dilationWFactor=dilation,
    )


def pool_options(padding=VALID):
    return schema.Pool2DOptionsT(
        padding=padding, strideH=2, strideW=2, filterHeight=2, filterWidth=2
    )


IMAGE = Value((1, 8, 8, 4))


def partly_unknown():
    """A sum, two operators that no kind stands for, and a sum of their results."""
    values = {name: Value((1, 4)) for name in "abcde"}
    return models.network(
        {**values, "i": models.integers([0])},
        [
            ("ADD", ["a", "a"], ["b"], schema.AddOptionsT()),
            ("CUMSUM", ["b", "i"], ["c"], None),
            ("CUMSUM", ["c", "i"], ["d"], None),
            ("ADD", ["b", "d"], ["e"], schema.AddOptionsT()),
        ],
        ["a"],
        ["e"],
    )
