"""Bytes of kernels and biases: as stored, as deployed, shared ones once."""

import dataclasses

from tests import graph_builder
from tfpipeline.cost import weights
from tfpipeline.ir import graph


def _network():
    builder = graph_builder.Builder((4, 4, 3))
    builder.conv(5, 1)
    builder.pool(2)
    builder.conv(5, 3, bias=False)
    return builder.build()


def _bytes(g, **options):
    return [weights.weight_bytes(g, layer, **options) for layer in g.layers]


def test_bytes_of_a_network_that_is_not_quantized():
    g = _network()
    assert _bytes(g) == [15, 0, 225]
    # 7.5 and 28.125 bytes, filled up.
    assert _bytes(g, bits=4) == [8, 0, 113]
    assert _bytes(g, bits=1) == [2, 0, 29]
    assert [weights.bias_bytes(g, layer) for layer in g.layers] == [20, 0, 0]
    assert weights.bias_bytes(g, g.layers[0], activation_bits=16) == 40
    assert weights.graph_bytes(g) == (240, 20)


def test_stored_widths_win():
    g = _network()
    name = g.layers[0].weights
    quant = graph.QuantParams((1.0,), (0,), 4)
    stored = dataclasses.replace(g.tensors[name], dtype="int8", quant=quant)
    g = dataclasses.replace(g, tensors={**g.tensors, name: stored})
    assert _bytes(g, bits=8) == [8, 0, 225]


def test_a_shared_kernel_is_stored_once():
    builder = graph_builder.Builder((4, 4, 3))
    builder.conv(3)
    builder.conv(3)
    g = builder.build()
    first, second = g.layers
    shared = dataclasses.replace(second, weights=first.weights, bias=first.bias)
    tensors = {n: t for n, t in g.tensors.items() if not n.startswith("layer1/k")}
    g = dataclasses.replace(g, layers=(first, shared), tensors=tensors)
    assert weights.graph_bytes(g) == (81, 12)


def test_slopes_and_constant_operands_are_counted_once():
    builder = graph_builder.Builder((4, 4, 3))
    builder.prelu(1, 1, 3)
    builder.prelu(1, 1, 3)
    builder.conv(5, 1)
    g = builder.build()
    assert _bytes(g) == [3, 3, 15]
    first, second, _ = g.layers
    shared = dataclasses.replace(second, inputs=(second.inputs[0], first.inputs[1]))
    tensors = {n: t for n, t in g.tensors.items() if n != second.inputs[1]}
    constants = {n: v for n, v in g.constants.items() if n != second.inputs[1]}
    layers = (first, shared, g.layers[2])
    g = dataclasses.replace(g, tensors=tensors, constants=constants, layers=layers)
    assert _bytes(g) == [3, 0, 15]
    assert weights.graph_bytes(g) == (18, 20)
