"""What a program refuses: one passing network, and one fault at a time."""

import dataclasses

import numpy as np
import pytest

from tfpipeline import errors
from tfpipeline.targets.gap8 import fixed_point, program

FORM = fixed_point.Format(in_q=8, weight_q=10, bias_q=9, out_q=9)
CONV = program.Conv(
    name="c",
    inputs=("x",),
    output="y",
    weights=np.ones((4, 2, 3, 3), np.int16),
    bias=np.ones(4, np.int16),
    format=FORM,
    padding=((1, 1), (1, 1)),
    pool=program.Window((2, 2), (2, 2)),
)
CONCAT = program.Concat(name="j", inputs=("y", "y"), output="z", norms=(1, 1))
TENSORS = {
    "x": program.Tensor("x", (2, 6, 8), 8),
    "y": program.Tensor("y", (4, 3, 4), 9),
    "z": program.Tensor("z", (8, 3, 4), 8),
}


def build(conv=None, concat=None, **changes):
    fields = {
        "name": "p",
        "num_bits": 16,
        "tensors": TENSORS,
        "layers": (conv or CONV, concat or CONCAT),
        "inputs": ("x",),
        "outputs": ("z",),
    }
    return program.Program(**{**fields, **changes})


def test_sizes():
    p = build()
    assert p.tensor_bytes("x") == 2 * 2 * 6 * 8
    assert p.weight_bytes == 2 * (4 * 2 * 9 + 4)
    assert (CONV.weight_bytes, CONV.bias_bytes) == (144, 8)
    assert CONV.conv_plane((6, 8)) == (6, 8)
    assert (CONV.format.norm, CONV.format.bias_norm) == (9, 9)


def _conv(**changes):
    return {"conv": dataclasses.replace(CONV, **changes)}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_bits": 12}, "num_bits must be 8 or 16"),
        ({"num_bits": 8}, "weights are int16, not int8"),
        ({"inputs": ()}, "one input"),
        ({"outputs": ("q",)}, "no tensors q"),
        ({"outputs": ("z", "x2")}, "no tensors x2"),
        ({"layers": (CONCAT, CONV)}, "'j' reads 'y' before it is written"),
        ({"layers": (CONV, CONV)}, "'c' writes 'y' again"),
        (_conv(inputs=("x", "x")), "2 inputs"),
        (_conv(strides=(2, 2)), r"writes \(4, 1, 2\); 'y' is \(4, 3, 4\)"),
        (_conv(bias=np.ones(3, np.int16)), r"bias \(3,\)"),
        (_conv(weights=np.ones((4, 3, 3, 3), np.int16)), "weights .* for 2 inputs"),
        (_conv(groups=3), "3 groups of 2 inputs"),
        (_conv(format=FORM.shifted(1)), "between tensors of 8 and 9"),
        (
            _conv(format=dataclasses.replace(FORM, weight_q=0)),
            "norm must be 0 to 31; found -1",
        ),
        (
            _conv(format=dataclasses.replace(FORM, bias_q=20)),
            "shift of the bias must be 0 to 31; found -2",
        ),
        (
            {"concat": dataclasses.replace(CONCAT, norms=(0, 1))},
            r"norms \(0, 1\); the fraction bits need \(1, 1\)",
        ),
    ],
)
def test_faults(changes, message):
    with pytest.raises(errors.GraphError, match=message):
        build(**changes)


def test_all_faults_are_listed():
    conv = dataclasses.replace(CONV, strides=(2, 2), bias=np.ones(3, np.int16))
    concat = dataclasses.replace(CONCAT, norms=(0, 0))
    with pytest.raises(errors.GraphError) as caught:
        build(conv, concat)
    for part in ("writes (4, 1, 2)", "bias (3,)", "norms (0, 0)"):
        assert part in str(caught.value)
