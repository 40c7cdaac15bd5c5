"""Kernels that rounding makes zeros of, and biases that it cuts off, are told."""

import dataclasses

import numpy as np
import pytest

from export.max78000 import network as exported
from tests import graph_builder
from tfpipeline.ir import graph
from tfpipeline.targets.max78000 import lost_weights, policy, quantize


def network(kernel, bias):
    """A convolution of equal weights and equal biases, and a Dense layer of ones."""
    net = graph_builder.Builder((8, 8, 3), "small")
    net.conv(4, name="first")
    net.flatten()
    net.dense(2, name="logits")
    g = net.build()
    values = dict(g.constants)
    first = g.layers[0]
    assert isinstance(first, graph.Weighted)
    values[first.weights] = np.full_like(values[first.weights], kernel)
    values[first.bias] = np.full_like(values[first.bias], bias)
    return dataclasses.replace(g, constants=values)


def found(kernel, bias, bits, **options):
    options = policy.Policy(weight_bits=bits, **options)
    lines = lost_weights.notes(network(kernel, bias), options)
    return tuple(line for line in lines if "'first'" in line)


@pytest.mark.parametrize("bits", [8, 4, 2, 1])
def test_ordinary_layers_lose_nothing(bits):
    assert found(-0.25, -0.25, bits) == ()
    assert found(-0.25, -0.25 * 2 ** (8 - bits), bits) == ()


def test_a_bias_that_makes_all_weights_zero_is_told():
    (line,) = found(0.0625, 20.0, 4)
    assert line == (
        "Conv2D 'first': all weights become 0 at 4 bits, so that its output is the "
        "same for every image: its bias, up to 20, sets the scale of weights of at "
        "most 0.0625"
    )
    assert found(0.0, 20.0, 4) == (), "they were zeros before"
    # Weights of one bit are -1 and 0.
    (line,) = found(0.25, 0.0, 1)
    assert line.endswith(
        "all weights become 0 at 1 bits, so that its output is the same for every image"
    )


def test_biases_beyond_the_scale_are_counted():
    (line,) = found(-0.25, 3.0, 8, shift_quantile=0.5)
    assert "'first': 4 of 4 biases, up to 3, are cut off at 8 bits" in line
    assert found(-0.25, 0.25, 8, shift_quantile=0.5) == ()


def test_the_export_says_so():
    g = network(0.0625, 20.0)
    notes = exported.prepare(g, weights=policy.Policy(weight_bits=4)).notes
    assert any("'first': all weights become 0 at 4 bits" in note for note in notes)
    integers = quantize.quantize(g, policy.Policy(weight_bits=4))
    notes = exported.prepare(integers).notes
    assert any("'first': all its weights are 0" in note for note in notes)
    notes = exported.prepare(network(0.0625, 0.5)).notes
    assert not any("weights" in note for note in notes)
