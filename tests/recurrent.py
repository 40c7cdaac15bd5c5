"""Networks of one layer that keeps a state, as files."""

import numpy as np
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from tests.ir import tflite_models as models
from tests.ir.tflite_models import Value

TANH = schema.ActivationFunctionType.TANH


def _kernel(random, shape, dtype="int8", scale=0.004):
    limits = np.iinfo(dtype)
    data = random.integers(limits.min + 1, limits.max + 1, shape).astype(dtype)
    return Value(shape, dtype, scale * 127 / limits.max, data=data)


def lstm(
    dtype="int8",
    *,
    rows=5,
    channels=4,
    units=6,
    batch=1,
    time_major=False,
    clip=0.0,
    power=-11,
    seed=0,
):
    """An LSTM whose cell has the scale `2**power`."""
    random = np.random.default_rng(seed)
    zero = 0 if dtype == "int16" else 5
    scale = 0.02 if dtype == "int8" else 0.02 / 256
    hidden = {"scale": 0.0065 if dtype == "int8" else 2.0**-15, "zero_point": -zero}
    bias_type = "int32" if dtype == "int8" else "int64"
    spread = 8000 if dtype == "int8" else 2_000_000
    shape = (rows, batch) if time_major else (batch, rows)
    values = {"in": Value((*shape, channels), dtype, scale, zero)}
    names = ["in"]
    for size, end in ((channels, "in"), (units, "re")):
        for gate in range(4):
            name = f"{end}{gate}"
            values[name] = _kernel(random, (units, size), scale=0.002 * (gate + 3))
            names.append(name)
    names += [None] * 3
    for gate in range(4):
        data = random.integers(-spread, spread, units).astype(bias_type)
        values[f"bias{gate}"] = Value((units,), bias_type, 1e-5, data=data)
        names.append(f"bias{gate}")
    values["hidden"] = Value((batch, units), dtype, is_variable=True, **hidden)
    values["cell"] = Value((batch, units), "int16", 2.0**power, is_variable=True)
    values["out"] = Value((*shape, units), dtype, **hidden)
    names += [None, None, "hidden", "cell", *[None] * 4]
    options = schema.UnidirectionalSequenceLSTMOptionsT(
        fusedActivationFunction=TANH, cellClip=clip, timeMajor=time_major
    )
    return models.network(
        values,
        [("UNIDIRECTIONAL_SEQUENCE_LSTM", names, ["out"], options)],
        ["in"],
        ["out"],
    )


def svdf(
    state="int16",
    *,
    moments=4,
    channels=5,
    units=3,
    rank=2,
    activation=0,
    state_zero=None,
    seed=0,
):
    """An SVDF whose state is int16 or int8, whose zero point is 3 if none is given."""
    random = np.random.default_rng(seed)
    filters = units * rank
    scale = 0.05 / 256 if state == "int16" else 0.05
    time = _kernel(random, (filters, moments), state, 0.01)
    sums = float(np.float32(scale) * np.float32(time.scale))
    values = {
        "in": Value((1, channels), "int8", 0.03, 7),
        "kernel": _kernel(random, (filters, channels)),
        "time": time,
        "bias": Value(
            (units,), "int32", sums, data=random.integers(-900, 900, units, np.int32)
        ),
        "state": Value(
            (1, filters * moments),
            state,
            scale,
            (3 if state == "int8" else 0) if state_zero is None else state_zero,
            is_variable=True,
        ),
        "out": Value((1, units), "int8", 0.02, -4),
    }
    options = schema.SVDFOptionsT(rank=rank, fusedActivationFunction=activation)
    operands = ["in", "kernel", "time", "bias", "state"]
    return models.network(
        values, [("SVDF", operands, ["out"], options)], ["in"], ["out"]
    )
