"""The integer rule on values worked by hand, and graphs of integers."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import graph_builder
from tfpipeline import errors
from tfpipeline.ir import graph
from tfpipeline.targets.max78000 import arithmetic, policy, quantize
from tfpipeline.targets.max78000 import spec as specs


def floats(*values):
    return np.array(values, np.float32)


@pytest.mark.parametrize(
    ("largest", "shift"),
    [
        (1.0, 0),
        (np.nextafter(np.float32(1), np.float32(2)), 1),
        (np.nextafter(np.float32(1), np.float32(0)), 0),
        (0.5, -1),
        (0.51, 0),
        (2.0, 1),
        (3.0, 2),
        (1e-30, -15),
        (1e30, 15),
        (0.0, -15),
        (np.float32(1e-45), -15),
    ],
)
def test_shift_is_the_exponent_of_the_largest_magnitude(largest, shift):
    assert quantize.weight_shift(floats(0.0, -largest), None) == shift
    assert quantize.weight_shift(floats(0.0), floats(largest)) == shift


@pytest.mark.parametrize("bits", specs.WEIGHT_BITS)
def test_shift_stays_within_the_register(bits):
    low, high = quantize.shift_limits(bits)
    implicit = 8 - bits
    limit = arithmetic.MAX_OUTPUT_SHIFT
    assert (low + implicit, high + implicit) == (-limit, limit)
    tiny, huge = floats(1e-30), floats(1e30)
    assert quantize.weight_shift(tiny, None, weight_bits=bits) == low
    assert quantize.weight_shift(huge, None, weight_bits=bits) == high


def test_a_quantile_leaves_outliers_out_of_the_scale():
    kernel = floats(*[0.25] * 99, 8.0)
    assert quantize.weight_shift(kernel, None) == 3
    assert quantize.weight_shift(kernel, None, 0.98) == -2
    # Between the 99th and the 100th value: 0.25 + 0.5 * 7.75 = 4.125.
    assert quantize.weight_shift(kernel, None, 98.5 / 99) == 3
    clipped = quantize.quantize_layer(kernel, None, 8, 0.98)
    assert clipped.weights.tolist() == [127] * 100


@given(
    st.lists(st.floats(0, 1, width=32), min_size=1, max_size=40), st.floats(0.0, 1.0)
)
@settings(deadline=None)
def test_quantile_lies_between_its_neighbors(values, quantile):
    below, above, weight = quantize.quantile_position(len(values), quantile)
    ordered = sorted(values)
    found = ordered[below] + (ordered[above] - ordered[below]) * weight
    assert math.isclose(found, np.quantile(ordered, quantile), abs_tol=1e-9)
    assert 0 <= below <= above < len(values)


@pytest.mark.parametrize(
    ("bits", "weights"),
    [
        # Of 1.0, -1.0, 0.5, -0.5, 0.3, -0.1 at the scale 1.
        (8, [127, -128, 64, -64, 38, -13]),
        (4, [7, -8, 4, -4, 2, -1]),
        (2, [1, -2, 1, -1, 1, 0]),
        (1, [0, -1, 0, 0, 0, 0]),
    ],
)
def test_integers_use_the_full_range_and_halves_go_up(bits, weights):
    kernel = floats(1.0, -1.0, 0.5, -0.5, 0.3, -0.1)
    found = quantize.quantize_layer(kernel, floats(0.99), bits)
    assert found.weights.tolist() == weights
    assert found.weights.dtype == np.int8
    assert found.bias.tolist() == [2 ** (bits - 1) - 1]
    assert (found.shift, found.scale) == (0, 2.0 ** (1 - bits))


def test_a_large_bias_takes_bits_from_the_weights():
    found = quantize.quantize_layer(floats(0.5, -0.25), floats(-3.0), 8)
    assert (found.shift, found.bias.tolist()) == (2, [-96])
    assert found.weights.tolist() == [16, -8]


@pytest.mark.parametrize(("bits", "bias"), [(4, 127), (2, 32), (1, 16)])
def test_a_bias_of_eight_bits_leaves_fewer_bits_to_the_weights(bits, bias):
    kernel = floats(0.0625, -0.0625, 0.03)
    # Sixteen times the kernel: 128 steps of 4 bits.
    found = quantize.quantize_layer(kernel, floats(1.0), bits)
    alone = quantize.quantize_layer(kernel, None, bits)
    assert found.shift == alone.shift == -4
    assert found.weights.tolist() == alone.weights.tolist()
    assert found.bias.tolist() == [bias]


def test_a_bias_still_larger_takes_bits_again():
    found = quantize.quantize_layer(floats(0.0625), floats(1.01), 4)
    assert (found.shift, found.bias.tolist()) == (-3, [65])
    assert found.weights.tolist() == [4]


def test_activations_round_halves_up_and_saturate():
    values = floats(-2, -1, -1.5 / 128, -0.5 / 128, 0.5 / 128, 0.996, 1, 7)
    found = quantize.quantize_activations(values)
    assert found.tolist() == [-128, -128, -1, 0, 1, 127, 127, 127]


def _trained(builder, seed=0):
    """The graph of a builder with random kernels and biases."""
    rng = np.random.default_rng(seed)
    g = builder.build()
    constants = {
        name: rng.normal(0, 0.4, values.shape).astype(np.float32)
        for name, values in g.constants.items()
    }
    return dataclasses.replace(g, constants=constants)


def _network():
    net = graph_builder.Builder((8, 8, 3))
    net.conv(8, name="conv1")
    net.pool()
    net.conv(8, clamp=graph.NO_CLAMP, name="conv2")
    net.activation("abs")
    net.flatten()
    net.dense(5, name="logits")
    return net


def test_graph_holds_the_rule_of_every_layer():
    g = _trained(_network())
    bits = policy.Policy(weight_bits=8, overrides={"conv2": 2, "logits": 4})
    q = quantize.quantize(g, bits)
    expected = {"conv1": 8, "conv2": 2, "logits": 4}
    for layer in (x for x in q.layers if isinstance(x, graph.Weighted)):
        source = next(x for x in g.layers if x.name == layer.name)
        rule = quantize.quantize_layer(
            g.constants[source.weights], g.constants[source.bias], expected[layer.name]
        )
        kernel, bias = q.tensors[layer.weights], q.tensors[layer.bias]
        np.testing.assert_array_equal(q.constants[layer.weights], rule.weights)
        np.testing.assert_array_equal(
            q.constants[layer.bias], rule.bias.astype(np.int32) * 128
        )
        assert kernel.quant == graph.QuantParams(
            (2.0 ** (rule.shift - rule.weight_bits + 1),), (0,), rule.weight_bits
        )
        assert bias.quant.scale == (kernel.quant.scale[0] / 128,)
        wide = layer.name == "logits"
        total = 0 if wide else rule.shift
        assert quantize.output_shift(q, layer) == total + 8 - rule.weight_bits
        assert q.tensors[layer.output].dtype == ("int32" if wide else "int8")
    inner = [t for n, t in q.tensors.items() if n not in q.constants]
    assert {t.quant for t in inner[:-1]} == {graph.QuantParams((1 / 128,), (0,), 8)}


def test_a_narrow_output_is_rounded_as_all_others():
    q = quantize.quantize(_trained(_network()), wide_output=False)
    (name,) = q.outputs
    assert q.tensors[name].quant == quantize.ACTIVATIONS


def test_layers_behind_wide_sums_stay_wide():
    net = _network()
    net.reshape(1, 1, 5)
    net.softmax()
    q = quantize.quantize(_trained(net))
    (name,) = q.outputs
    assert q.layers[-1].kind == "Reshape"
    assert (q.tensors[name].dtype, q.tensors[name].shape) == ("int32", (1, 1, 1, 5))


def test_a_kernel_of_two_layers_is_shared_only_as_equal_integers():
    net = graph_builder.Builder((4, 4, 4))
    net.conv(4, name="first")
    net.conv(4, name="second")
    net.conv(4, name="third")
    g = _trained(net)
    kernel = g.layers[0].weights
    layers = (
        g.layers[0],
        *(dataclasses.replace(x, weights=kernel) for x in g.layers[1:]),
    )
    bias = g.layers[1].bias
    tensors = dict(g.tensors)
    constants = dict(g.constants)
    for layer in g.layers[1:]:
        del tensors[layer.weights], constants[layer.weights]
    constants[g.layers[0].bias] = floats(*[0.1] * 4)
    constants[bias] = floats(*[0.2] * 4)
    constants[g.layers[2].bias] = floats(*[9.0] * 4)
    shared = dataclasses.replace(g, layers=layers, tensors=tensors, constants=constants)
    first, second, third = quantize.quantize(shared, wide_output=False).layers
    assert first.weights == second.weights != third.weights


def _unsupported():
    net = graph_builder.Builder((4, 4, 4))
    net.conv(4, clamp=graph.RELU6, name="conv")
    net.activation("sigmoid", name="gate")
    net.softmax(name="soft")
    net.join(graph.Mul, net.last, name="product")
    net.join(graph.Add, net.constant("one", (1, 4, 4, 4)), name="shifted")
    net.dense(2)
    return net


def test_every_layer_without_integers_is_named():
    with pytest.raises(errors.QuantizationError) as caught:
        quantize.quantize(_unsupported().build())
    message = str(caught.value)
    assert "Conv2D 'conv': a clamp to 0..6 must be a plain ReLU" in message
    assert "Activation 'gate': sigmoid must be one of relu, abs" in message
    assert "Softmax 'soft': no layer of the MAX78000" in message
    assert message.endswith("; and 2 more")


def test_a_quantized_graph_is_not_quantized_again():
    q = quantize.quantize(_trained(_network()))
    with pytest.raises(errors.QuantizationError, match="'net' must be float32"):
        quantize.quantize(q)


def test_bits_for_an_unknown_layer():
    with pytest.raises(errors.UsageError, match="it has conv1, conv2, logits"):
        quantize.quantize(_network().build(), policy.Policy(overrides={"conv3": 4}))


def test_a_graph_of_another_scheme_has_no_shift():
    q = quantize.quantize(_trained(_network()))
    layer = q.layers[0]
    scale = graph.QuantParams((0.3,), (0,), 8)
    tensors = q.tensors | {
        layer.weights: dataclasses.replace(q.tensors[layer.weights], quant=scale)
    }
    with pytest.raises(errors.GraphError, match="'conv1' is not quantized for the MAX"):
        quantize.output_shift(dataclasses.replace(q, tensors=tensors), layer)
