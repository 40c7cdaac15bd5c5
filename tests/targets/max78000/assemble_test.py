"""Programs of quantized graphs: the layouts of kernels, and what is refused."""

import dataclasses

import numpy as np
import pytest

from tests import graph_builder
from tfpipeline import errors
from tfpipeline.ir import graph
from tfpipeline.targets.max78000 import (
    assemble,
    lowering,
    policy,
    quantize,
    simulate,
)
from tfpipeline.targets.max78000 import spec as specs

RNG = np.random.default_rng(5)


def quantized(net, bits=8, wide_output=True):
    """The integer graph of a builder, with random constants."""
    g = net.build()
    constants = {
        name: RNG.uniform(-0.2, 0.2, values.shape).astype(np.float32)
        for name, values in g.constants.items()
    }
    g = dataclasses.replace(g, constants=constants)
    return quantize.quantize(
        g, policy.Policy(weight_bits=bits), wide_output=wide_output
    )


def run(q, spec=specs.MAX78000, wide_output=True, count=3):
    """Images and what the device makes of them."""
    lowered = lowering.lower(q, spec, wide_output=wide_output)
    p = assemble.assemble(lowered, q)
    images = RNG.integers(-128, 128, (count, *p.input_shape)).astype(np.int8)
    return images, simulate.predict(p, images)


def rounded(sums, q, layer):
    """Int8 of exact sums at the scale of the layer's bias."""
    real = sums * q.tensors[layer.bias].quant.scale[0]
    return np.clip(np.floor(real * 128 + 0.5), -128, 127)


def operands(q, layer):
    """Kernel and bias as int64."""
    kernel, bias = (q.constants[name] for name in (layer.weights, layer.bias))
    return kernel.astype(np.int64), bias.astype(np.int64)


@pytest.mark.parametrize("wide", [True, False])
def test_dense_reads_rows_columns_and_channels(wide):
    net = graph_builder.Builder((3, 2, 5))
    net.flatten()
    net.dense(4)
    q = quantized(net, wide_output=wide)
    images, found = run(q, wide_output=wide)
    kernel, bias = operands(q, q.layers[-1])
    sums = images.reshape(3, -1).astype(np.int64) @ kernel.T + bias
    expected = sums if wide else rounded(sums, q, q.layers[-1])
    np.testing.assert_array_equal(found.reshape(3, 4), expected)
    assert found.dtype == (np.int32 if wide else np.int8)


def test_pixels_are_read_as_other_rows_and_columns():
    reshaped, plain = (graph_builder.Builder(shape) for shape in ((4, 6, 3), (8, 3, 3)))
    reshaped.reshape(8, 3, 3)
    for net in (reshaped, plain):
        net.conv(5, name="conv")
    q = quantized(reshaped)
    same = dataclasses.replace(quantized(plain), constants=q.constants)
    same = dataclasses.replace(
        same, tensors={**q.tensors, **{n: same.tensors[n] for n in same.inputs}}
    )
    images, found = run(q)
    p = assemble.assemble(lowering.lower(same), same)
    expected = simulate.predict(p, images.reshape(3, 8, 3, 3))
    np.testing.assert_array_equal(found, expected)


def test_transposed_kernels_are_added_where_a_pixel_is():
    net = graph_builder.Builder((3, 4, 2))
    net.transposed(5, cut=(1, 0), relu=False)
    q = quantized(net, wide_output=False)
    images, found = run(q, wide_output=False)
    kernel, bias = operands(q, q.layers[0])
    full = np.zeros((3, 7, 9, 5), np.int64)
    for row, column in np.ndindex(3, 4):
        pixel = images[:, row, column].astype(np.int64)
        patch = np.einsum("ni,ohwi->nhwo", pixel, kernel)
        full[:, 2 * row : 2 * row + 3, 2 * column : 2 * column + 3] += patch
    # The device cuts the first row and column.
    expected = rounded(full[:, 1:, 1:] + bias, q, q.layers[0])
    np.testing.assert_array_equal(found, expected)


def test_one_dimensional_kernels_are_columns():
    net = graph_builder.Builder((9, 3))
    net.conv(4, (3,), clamp=graph.NO_CLAMP, padding="valid")
    q = quantized(net, bits=4)
    images, found = run(q)
    kernel, bias = operands(q, q.layers[0])
    line = images[:, :, 0].astype(np.int64)
    sums = sum(line[:, tap : tap + 7] @ kernel[:, tap].T for tap in range(3)) + bias
    np.testing.assert_array_equal(found[:, :, 0], rounded(sums, q, q.layers[0]))


def test_depthwise_kernels_on_the_larger_device():
    net = graph_builder.Builder((4, 4, 3))
    net.depthwise(relu=False, padding="valid")
    q = quantized(net)
    images, found = run(q, specs.MAX78002)
    kernel, bias = operands(q, q.layers[0])
    windows = np.lib.stride_tricks.sliding_window_view(images, (3, 3), (1, 2))
    sums = np.einsum("nrcihw,hwi->nrci", windows.astype(np.int64), kernel[0]) + bias
    np.testing.assert_array_equal(found, rounded(sums, q, q.layers[0]))


def test_operands_of_a_sum_come_from_both_branches():
    net = graph_builder.Builder((4, 4, 4))
    left = net.conv(4, 1, name="left")
    right = net.conv(4, name="right")
    net.join(graph.Sub, right, source=left)
    q = quantized(net)
    lowered = lowering.lower(q)
    images, _ = run(q)
    outputs = simulate.outputs(assemble.assemble(lowered, q), images)
    by_name = dict(zip((s.name for s in lowered.steps), outputs, strict=True))
    difference = by_name["left"].astype(int) - by_name["right"]
    np.testing.assert_array_equal(outputs[-1], np.clip(difference, -128, 127))


def test_input_of_a_folded_network_is_folded():
    net = graph_builder.Builder((4, 4, 3))
    net.like(graph.SpaceToDepth, block_size=2)
    net.tensors[net.last] = dataclasses.replace(
        net.tensors[net.last], shape=(1, 2, 2, 12)
    )
    net.conv(4)
    q = quantized(net)
    assert assemble.assemble(lowering.lower(q), q).input_shape == (2, 2, 12)


def test_zero_biases_are_dropped():
    net = graph_builder.Builder((4, 4, 3))
    net.conv(4)
    g = net.build()
    g = dataclasses.replace(
        g, constants=g.constants | {g.layers[0].bias: np.full(4, 1e-6, np.float32)}
    )
    q = quantize.quantize(g)
    (layer,) = assemble.assemble(lowering.lower(q), q).layers
    assert layer.bias is None
    assert not layer.hardware.bias


def test_a_device_that_cannot_run_it_says_why():
    net = graph_builder.Builder((8, 8, 3))
    net.conv(4, 5)
    q = quantized(net)
    with pytest.raises(
        errors.TargetError, match="'net' cannot run on max78000: Conv2D"
    ):
        assemble.assemble(lowering.lower(q), q)


def test_widths_of_graph_and_layers_must_agree():
    net = graph_builder.Builder((1, 1, 3))
    net.dense(2, name="logits")
    q = quantized(net, wide_output=False)
    with pytest.raises(
        errors.GraphError, match="'logits' writes int8 in the graph and"
    ):
        assemble.assemble(lowering.lower(q), q)


def test_a_bias_that_the_device_cannot_hold():
    net = graph_builder.Builder((1, 1, 3))
    net.dense(2, name="logits")
    q = quantized(net)
    for value in (64, 128 * 128):
        constants = q.constants | {q.layers[0].bias: np.full(2, value, np.int32)}
        broken = dataclasses.replace(q, constants=constants)
        with pytest.raises(errors.GraphError, match="'logits': the bias must be 128 t"):
            assemble.assemble(lowering.lower(broken), broken)


def test_layers_of_another_graph():
    net = graph_builder.Builder((1, 1, 3))
    net.dense(2, name="logits")
    q = quantized(net)
    other = graph_builder.Builder((1, 1, 3))
    other.dense(2, name="scores")
    with pytest.raises(errors.GraphError, match="'logits' is no layer with weights of"):
        assemble.assemble(lowering.lower(q), quantized(other))
