"""Scratch memory by the rules of CMSIS-NN that `scratch` names."""

import dataclasses

import pytest

from tests import graph_builder
from tfpipeline.cost import estimate
from tfpipeline.ir import graph
from tfpipeline.targets.stm32 import board_files, scratch
from tfpipeline.targets.stm32 import estimate as stm32

# What builds the layer behind 8x8x4 -> bytes beside int8, and beside int16.
CASES = {
    "conv": (lambda b: b.conv(6), (2 * 2 * 36,), (2 * 2 * 36,)),
    # 3 x 3 x 4 input channels, though a group has 2.
    "groups": (lambda b: b.conv(6, groups=2), (2 * 2 * 36,), (2 * 2 * 36,)),
    "pointwise": (lambda b: b.conv(6, 1), (), (2 * 2 * 4,)),
    "pointwise strided": (lambda b: b.conv(6, 1, stride=2), (), (2 * 2 * 4,)),
    "pointwise padded": (
        lambda b: b.conv(6, 1, padding=((1, 1), (1, 1))),
        (2 * 2 * 4,),
        (2 * 2 * 4,),
    ),
    "pointwise in groups": (lambda b: b.conv(6, 1, groups=2), (16,), (16,)),
    "depthwise": (lambda b: b.depthwise(), (), ()),
    "depthwise padded": (
        lambda b: b.depthwise(padding=((2, 2), (2, 2))),
        (2 * 9 * 4,),
        (),
    ),
    "depthwise 5x5": (lambda b: b.depthwise(5), (2 * 25 * 4,), ()),
    "depthwise dilated": (lambda b: b.depthwise(5, dilation=2), (), ()),
    "depthwise multiplied": (lambda b: b.depthwise(5, multiplier=2), (), ()),
    "mean": (lambda b: b.mean(), (16, 16, 8), (16, 16, 8)),
    "average": (lambda b: b.pool(kind=graph.AveragePool), (16,), (16,)),
    "maximum": (lambda b: b.pool(), (), ()),
    "dense": (lambda b: b.dense(5), (), ()),
    # (8 - 1) * 2 + 3 columns of 5 channels, 3 rows of them.
    "transposed": (lambda b: b.transposed(5), (17 * 5 * 3 * 4,), (8 * 16 * 16 * 5,)),
}


def _one(shape, build):
    builder = graph_builder.Builder(shape)
    build(builder)
    g = builder.build()
    return g, g.layers[0]


@pytest.mark.parametrize("name", CASES)
def test_bytes_of_a_layer(name):
    build, of_int8, of_int16 = CASES[name]
    g, layer = _one((8, 8, 4), build)
    assert scratch.of_layer(g, layer) == of_int8
    assert scratch.of_layer(g, layer, bits=16) == of_int16


def test_lengths_are_rounded_up_beside_int8():
    g, layer = _one((8, 8, 3), lambda b: b.conv(6))
    assert scratch.of_layer(g, layer) == (2 * 2 * 28,)
    assert scratch.of_layer(g, layer, bits=16) == (2 * 2 * 27,)


def test_transposed_convolutions_of_many_channels_run_as_convolutions():
    for channels, expected in ((16, (17 * 5 * 3 * 4,)), (17, (2 * 2 * 156, 153 * 5))):
        g, layer = _one((8, 8, channels), lambda b: b.transposed(5))
        assert scratch.of_layer(g, layer) == expected
    steps = dataclasses.replace(layer, strides=(3, 2))
    assert scratch.of_layer(g, steps) == (17 * 5 * 3 * 4,)
    steps = dataclasses.replace(layer, strides=(4, 4))
    assert scratch.of_layer(g, steps) == (32 * 5 * 4 * 4,)


def _dense(kernel_scales=1, num_bits=8, columns=4):
    quant = graph.QuantParams((0.5,), (0,), 8)
    scales = (0.5,) * kernel_scales
    axis = 0 if kernel_scales > 1 else None
    tensors = {
        "x": graph.Tensor("x", (1, 3, columns), "int8", quant),
        "w": graph.Tensor(
            *("w", (5, columns), "int8"),
            graph.QuantParams(scales, (0,) * kernel_scales, num_bits, axis),
        ),
        "y": graph.Tensor("y", (1, 3, 5), "int8", quant),
    }
    layer = graph.Dense(name="dense", inputs=("x",), output="y", weights="w")
    return graph.Graph("g", tensors, {}, (layer,), ("x",), ("y",)), layer


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, (8 * 5,)),
        ({"kernel_scales": 5}, ()),
        ({"num_bits": 4}, ()),
        ({"columns": 3}, ()),
    ],
)
def test_dense_layers_of_several_pixels_repeat_their_scale(options, expected):
    g, layer = _dense(**options)
    assert scratch.of_layer(g, layer) == expected


def test_int16_beside_int32_biases_runs_in_the_reference_kernel():
    quant = graph.QuantParams((0.5,), (0,), 16)
    sums = graph.QuantParams((0.25,), (0,), 32)
    tensors = {
        "x": graph.Tensor("x", (1, 4, 4, 3), "int16", quant),
        "w": graph.Tensor(
            "w", (5, 3, 3, 3), "int8", graph.QuantParams((0.5,), (0,), 8)
        ),
        "b": graph.Tensor("b", (5,), "int32", sums),
        "y": graph.Tensor("y", (1, 2, 2, 5), "int16", quant),
    }
    layer = graph.Conv2D(
        name="c",
        inputs=("x",),
        output="y",
        weights="w",
        bias="b",
        strides=(1, 1),
        padding=((0, 0), (0, 0)),
        dilation=(1, 1),
    )
    g = graph.Graph("g", tensors, {}, (layer,), ("x",), ("y",))
    assert scratch.of_layer(g, layer) == ()
    assert scratch.of_layer(g, dataclasses.replace(layer, bias=None)) == (4 * 27,)


def test_the_arena_holds_it():
    builder = graph_builder.Builder((16, 16, 16))
    builder.transposed(16)
    board = board_files.load("stm32f746")
    memory = stm32.estimate_graph(builder.build(), estimate.Options(), board).memory
    # Input, output, 33 columns of 16 channels in 3 rows of int32.
    assert memory["ram_bytes"] == 4_096 + 16_384 + 6_336
