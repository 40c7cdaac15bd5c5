"""What the integers of a network have lost is told, of graphs and of any file."""

import pathlib

import numpy as np
import pytest

from tests import graph_builder
from tests.export import commands
from tests.simulate import operator_cases as cases
from tfpipeline.ir import from_tflite, tflite_file
from tfpipeline.numerics import lost_weights

GOLDEN = pathlib.Path(__file__).parents[1] / "golden"
# The converter's own, whose biases are cut off.
DEAD = GOLDEN / "dead_int8" / "biases_qat.tflite"


def dense(kernel, bias, family=cases.INT8, operator="FULLY_CONNECTED"):
    kernel, bias = np.array(kernel, np.int8), np.array(bias, family.bias_type)
    source = family.image(kernel.shape[-1])
    result = family.result(len(kernel))
    options = cases.schema.FullyConnectedOptionsT()
    operands = [
        source,
        cases.Value(kernel.shape, "int8", 0.01, data=kernel),
        cases.Value(bias.shape, family.bias_type, source.scale * 0.01, data=bias),
    ]
    return cases.models.one_operator(operator, operands, result, options)


def notes(model):
    """Of the graph and of the file, which must say the same."""
    of_graph = lost_weights.notes(from_tflite.read(model))
    of_file = lost_weights.notes_of_file(tflite_file.parse(model))
    assert [note.partition(": ")[2] for note in of_graph] == [
        note.partition(": ")[2] for note in of_file
    ]
    return of_graph


@pytest.mark.parametrize("bias", [[7, -7], [2**31 - 2, -(2**31) + 1]])
def test_ordinary_layers_lose_nothing(bias):
    assert notes(dense([[1, 0], [0, 2]], bias)) == ()


def test_biases_at_the_ends_are_counted():
    (line,) = notes(dense([[1, 0], [0, 2], [3, 4]], [2**31 - 1, -(2**31), 5]))
    assert line.startswith("Dense ")
    assert "2 of its 3 biases are cut off at the ends of int32" in line
    wide = dense([[1, 0], [0, 2]], [2**47 - 1, 2**31], cases.INT16)
    (line,) = notes(wide)
    assert "1 of its 2 biases are cut off at the ends of int64" in line


def test_kernels_and_channels_of_zeros_are_counted():
    (line,) = notes(dense([[0, 0], [0, 0]], [1, 2]))
    assert line.endswith(
        "all its weights are 0, so its output is the same for every image"
    )
    (line,) = notes(dense([[0, 0], [0, 1], [0, 0]], [1, 2, 3]))
    assert "the weights of 2 of its 3 channels are all 0" in line


def test_a_file_of_the_converter_is_told_as_it_is():
    found = lost_weights.notes_of_file(tflite_file.parse(DEAD.read_bytes()))
    assert sum("3 of its 4 biases are cut off" in line for line in found) == 3
    assert sum("all its weights are 0" in line for line in found) == 3
    assert len(notes(DEAD.read_bytes())) == 6


def test_a_float_network_has_no_integers_to_lose():
    net = graph_builder.Builder((4, 4, 2))
    net.conv(3)
    g = net.build()
    assert lost_weights.notes(g) == ()


@pytest.mark.parametrize("target", ["int8", "c", "tflm"])
def test_every_export_says_so(target, tmp_path):
    model = tmp_path / "dead.tflite"
    model.write_bytes(dense([[0, 0], [0, 0]], [2**31 - 1, 2]))
    lines = commands.run(target, model, tmp_path / "out")
    told = [line for line in lines if line.startswith("note ")]
    assert len(told) == 2
    assert "all its weights are 0" in told[0]
    assert "1 of its 2 biases are cut off" in told[1]
