"""An int8 network that reads int16 and gives int32, by QUANTIZE at its ends, as a file.

Its softmax writes int16: tflite-micro's keyword networks are of this form.
"""

import numpy as np
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from tests.ir import tflite_models as models
from tests.ir.tflite_models import Value


def model() -> bytes:
    """A dense layer and a softmax."""
    random = np.random.default_rng(0)
    weights = random.integers(-127, 128, (5, 12), np.int8)
    values = {
        "samples": Value((1, 12), "int16", scale=0.0004),
        "features": Value((1, 12), scale=0.06, zero_point=-20),
        "kernel": Value((5, 12), scale=0.004, data=weights),
        "classes": Value((1, 5), scale=0.07, zero_point=2),
        "shares": Value((1, 5), "int16", scale=1 / 65535, zero_point=-32768),
        "result": Value((1, 5), "int32", scale=1 / 32767),
    }
    operators = [
        ("QUANTIZE", ["samples"], ["features"], None),
        (
            "FULLY_CONNECTED",
            ["features", "kernel", None],
            ["classes"],
            schema.FullyConnectedOptionsT(),
        ),
        ("SOFTMAX", ["classes"], ["shares"], schema.SoftmaxOptionsT(beta=1.0)),
        ("QUANTIZE", ["shares"], ["result"], None),
    ]
    return models.network(values, operators, ["samples"], ["result"])
