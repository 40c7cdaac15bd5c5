"""What is refused as a program, and what one says of itself."""

import dataclasses
import re

import numpy as np
import pytest

from tests.targets.max78000 import layer_chains, program_strategies
from tfpipeline import errors
from tfpipeline.targets.max78000 import program

STEPS = [
    layer_chains.conv2d(6, bias=True, name="body"),
    layer_chains.pooling((2, 2), name="pool"),
    layer_chains.conv_transpose2d(6, name="up"),
    layer_chains.linear(2, flatten=True, output_width=32, name="head"),
]
HARDWARE = layer_chains.chain(4, (8, 8), STEPS)
LAYERS = tuple(
    program_strategies.bind(hardware, seed=2 * index + 1, inputs=(index - 1,))
    for index, hardware in enumerate(HARDWARE)
)
BODY, POOL, UP, HEAD = LAYERS


def changed(layer, **fields):
    """The layer with some fields of its own or of its hardware replaced."""
    names = {field.name for field in dataclasses.fields(program.Layer)}
    own = {name: value for name, value in fields.items() if name in names}
    rest = {name: value for name, value in fields.items() if name not in names}
    hardware = dataclasses.replace(layer.hardware, **rest)
    return dataclasses.replace(layer, hardware=hardware, **own)


@pytest.mark.parametrize(
    ("layer", "changes", "message"),
    [
        (BODY, {"weights": None}, "weights must be int8 (6, 3, 3, 4); got none"),
        (
            BODY,
            {"weights": BODY.weights.astype(np.int32)},
            "weights must be int8 (6, 3, 3, 4); got int32 (6, 3, 3, 4)",
        ),
        (
            BODY,
            {"weights": BODY.weights.transpose(0, 3, 1, 2)},
            "weights must be int8 (6, 3, 3, 4); got int8 (6, 4, 3, 3)",
        ),
        (BODY, {"bias": None}, "bias must be int8 (6,); got none"),
        (BODY, {"bias": np.zeros(5, np.int8)}, "bias must be int8 (6,); got int8 (5,)"),
        (UP, {"bias": np.zeros(6, np.int8)}, "bias must be none; got int8 (6,)"),
        (BODY, {"output_shift": 16}, "output_shift must be -15 to 15; found 16"),
        (BODY, {"output_shift": -16}, "output_shift must be -15 to 15; found -16"),
        (BODY, {"output_width": 32}, "an output of 32 bits has no activation"),
        (
            BODY,
            {"pool": (3, 3), "pool_dilation": (2, 2)},
            "the last pooling window ends at row or column 8 of 8; choose another",
        ),
        (UP, {"pad": (3, 1)}, "pad of a transposed convolution must be at most 2; f"),
        (
            POOL,
            {"weights": BODY.weights},
            "a passthrough layer has neither weights nor bias",
        ),
        (POOL, {"bias": np.ones(6, np.int8)}, "a passthrough layer has neither"),
        (POOL, {"out_channels": 5}, "a passthrough layer keeps the number of channels"),
        (POOL, {"activation": "ReLU"}, "a passthrough layer has no activation"),
        (POOL, {"output_width": 32}, "a passthrough layer has no activation, no shift"),
        (POOL, {"output_shift": 1}, "a passthrough layer has no activation, no shift"),
    ],
)
def test_what_is_no_layer_is_refused(layer, changes, message):
    name = f"program layer {layer.hardware.operator} {layer.hardware.name!r}: "
    with pytest.raises(errors.GraphError, match=re.escape(name + message)):
        changed(layer, **changes)


@pytest.mark.parametrize(
    ("bits", "value", "found"),
    [(1, 1, "-1 to 0; found 1 to 1"), (2, -3, "-2 to 1; found -3"), (4, 8, "-8 to 7")],
)
def test_weights_must_fit_their_bits(bits, value, found):
    weights = np.full_like(UP.weights, value)
    with pytest.raises(errors.GraphError, match=f"{bits} bits must be {found}"):
        changed(UP, weights=weights, weight_bits=bits)


def test_sums_must_fit_32_bits():
    hardware = dataclasses.replace(HEAD.hardware, in_channels=2**12, bias=False)
    weights = np.full((2, 1, 1, 2**12 * 64), -128, np.int8)
    with pytest.raises(errors.GraphError, match="beyond 32 bits"):
        program.Layer(hardware=hardware, inputs=(0,), weights=weights)


@pytest.mark.parametrize(
    ("index", "changes", "message"),
    [
        (1, {"inputs": ()}, "layer 1 must read earlier layers or the input (-1); its"),
        (1, {"inputs": (1,)}, "layer 1 must read earlier layers or the input (-1)"),
        (1, {"inputs": (-2,)}, "its inputs are (-2,)"),
        (
            1,
            {"inputs": (-1,)},
            "layer 1 reads 64 pixels of 6 channels altogether; its inputs have shapes "
            "[(8, 8, 4)]",
        ),
        (1, {"inputs": (0, 0)}, "shapes [(8, 8, 6), (8, 8, 6)]"),
        (2, {"inputs": (0,)}, "layer 2 reads 16 pixels of 6 channels altogether; its"),
        (2, {"weight_source": 0}, "must have the weights of its weight_source, an ear"),
        (2, {"weight_source": 1}, "must have the weights of its weight_source, an ear"),
        (2, {"weight_source": 2}, "earlier layer; found 2"),
    ],
)
def test_what_is_no_program_is_refused(index, changes, message):
    layers = list(LAYERS)
    layers[index] = changed(layers[index], **changes)
    with pytest.raises(errors.GraphError, match=re.escape(message)):
        program.Program(input_shape=(8, 8, 4), layers=tuple(layers))


def test_an_output_of_32_bits_is_read_by_no_layer():
    after = layer_chains.chain(2, (1, 1), [layer_chains.linear(2, bias=False)])
    layer = program_strategies.bind(after[0], seed=1, inputs=(3,))
    with pytest.raises(errors.GraphError, match="layer 4 reads the 32-bit output of l"):
        program.Program(input_shape=(8, 8, 4), layers=(*LAYERS, layer))


def test_a_program_has_layers():
    with pytest.raises(errors.GraphError, match="needs at least one layer"):
        program.Program(input_shape=(8, 8, 4), layers=())


def test_shared_weights():
    shared = changed(UP, weight_source=2, inputs=(1,))
    p = program.Program(input_shape=(8, 8, 4), layers=(BODY, POOL, UP, shared))
    assert p.hardware[3].weight_source == 2


def test_shapes():
    p = program.Program(input_shape=(8, 8, 4), layers=LAYERS)
    assert [p.shape(index) for index in range(-1, 4)] == [
        (8, 8, 4),
        (8, 8, 6),
        (4, 4, 6),
        (8, 8, 6),
        (1, 1, 2),
    ]
    assert p.hardware == HARDWARE
    assert HEAD.weight_shape == (2, 1, 1, 6 * 8 * 8)
