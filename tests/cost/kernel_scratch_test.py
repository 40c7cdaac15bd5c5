"""Scratch memory of the reference kernels, by kind and width of the layer."""

import dataclasses
import pathlib

from tests import graph_builder
from tfpipeline.cost import kernel_scratch
from tfpipeline.ir import from_tflite

GOLDEN = (
    pathlib.Path(__file__).parents[1] / "golden" / "tflite_int8" / "plain_ptq.tflite"
)


def test_means_keep_sums_and_two_lists():
    builder = graph_builder.Builder((4, 4, 3))
    builder.mean()
    g = builder.build()
    assert kernel_scratch.reference(g, g.layers[0]) == (4 * 3, 4 * 4, 4 * 2)


def test_transposed_convolutions_keep_their_sums():
    builder = graph_builder.Builder((4, 4, 3))
    builder.transposed(5)
    g = builder.build()
    assert kernel_scratch.reference(g, g.layers[0]) == (4 * 8 * 8 * 5,)
    # What is not quantized yet is counted in the width that it is to have.
    assert kernel_scratch.reference(g, g.layers[0], bits=16) == (8 * 8 * 8 * 5,)


def test_kernels_of_four_bits_are_unpacked():
    g = from_tflite.read_file(GOLDEN)
    conv = g.layers[0]
    assert kernel_scratch.reference(g, conv) == ()
    kernel = g.tensors[conv.weights]
    quant = dataclasses.replace(kernel.quant, num_bits=4)
    narrow = dataclasses.replace(kernel, quant=quant)
    g = dataclasses.replace(g, tensors={**g.tensors, kernel.name: narrow})
    assert kernel_scratch.reference(g, conv) == (kernel.num_elements,)


def test_other_layers_need_none():
    builder = graph_builder.Builder((4, 4, 3))
    builder.conv(5)
    builder.pool()
    g = builder.build()
    assert [kernel_scratch.reference(g, layer) for layer in g.layers] == [(), ()]
