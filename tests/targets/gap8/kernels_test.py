"""The kernels that are the specification, against GreenWaves' own on a PC."""

import numpy as np
import pytest

from tests.targets.gap8 import reference_files
from tfpipeline.targets.gap8 import fixed_point, kernels, program

NAME = "gap8_kernels_v31_kat"
# Of 92 known answers: 48 single precision, 24 double, 12 pools, 8 linear layers.
OPERATIONS = {"conv_fp": 48, "conv_dp": 24, "maxpool": 6, "avgpool": 6, "linear": 8}


def layer_of(case, arrays):
    """A known answer's layer. Fraction bits that give its shifts."""
    one = {"name": case["id"], "inputs": ("x",), "output": "y"}
    if case["op"] in ("maxpool", "avgpool"):
        window = program.Window((case["k"],) * 2, (case["stride"],) * 2)
        if case["op"] == "maxpool":
            return program.MaxPool(window=window, relu=case["relu"], **one)
        factor, shift, rounds = kernels.average_factor(16, window)
        return program.AvgPool(
            window=window,
            factor=factor,
            shift=shift,
            rounds=rounds,
            relu=case["relu"],
            **one,
        )
    norm = case["norm"]
    bias_norm = case.get("bias_norm", norm)
    one["weights"], one["bias"] = arrays[f"{case['id']}/w"], arrays[f"{case['id']}/b"]
    one["format"] = fixed_point.Format(0, norm, norm - bias_norm, 0)
    if case["op"] == "linear":
        return program.Linear(**one)
    pads = ((case["pad"],) * 2,) * 2
    return program.Conv(strides=(case["stride"],) * 2, padding=pads, **one)


@pytest.mark.real_data
@pytest.mark.parametrize("operation", OPERATIONS)
def test_kernels_equal_the_library(operation):
    described, arrays = reference_files.load(NAME)
    cases = [case for case in described["cases"] if case["op"] == operation]
    assert len(cases) == OPERATIONS[operation]
    precision = kernels.DOUBLE if operation == "conv_dp" else kernels.SINGLE
    for case in cases:
        data = arrays[f"{case['id']}/x"]
        data = data.reshape(1, *data.shape, *(1,) * (3 - data.ndim))
        found = kernels.execute(layer_of(case, arrays), [data], precision)
        expected = arrays[f"{case['id']}/out"]
        np.testing.assert_array_equal(found[0].reshape(expected.shape), expected)
