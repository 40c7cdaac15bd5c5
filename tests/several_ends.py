"""A network of two inputs and two outputs, as a file."""

import numpy as np
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from tests.ir import tflite_models as models
from tests.ir.tflite_models import Value


def model() -> bytes:
    """Two dense layers, and of their results a concatenation and a sum."""
    random = np.random.default_rng(0)

    def kernel(shape):
        return Value(shape, scale=0.02, data=random.integers(-127, 128, shape, np.int8))

    values = {
        "first": Value((1, 6), scale=0.03, zero_point=3),
        "second": Value((1, 4), scale=0.02, zero_point=-5),
        "first kernel": kernel((5, 6)),
        "second kernel": kernel((5, 4)),
        "left": Value((1, 5), scale=0.1, zero_point=1),
        "right": Value((1, 5), scale=0.1, zero_point=1),
        "joined": Value((1, 10), scale=0.1, zero_point=1),
        "sum": Value((1, 5), scale=0.15),
    }
    operators = [
        (
            "FULLY_CONNECTED",
            [end, f"{end} kernel", None],
            [result],
            schema.FullyConnectedOptionsT(),
        )
        for end, result in (("second", "right"), ("first", "left"))
    ]
    operators += [
        ("CONCATENATION", ["left", "right"], ["joined"], _concatenation()),
        ("ADD", ["left", "right"], ["sum"], schema.AddOptionsT()),
    ]
    return models.network(values, operators, ["first", "second"], ["joined", "sum"])


def _concatenation():
    options = schema.ConcatenationOptionsT()
    options.axis = 1
    return options
