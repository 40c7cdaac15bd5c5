"""Equalized networks: the same results, and finer integers where channels differ."""

import dataclasses

import numpy as np
import pytest

from export.tflite import from_graph
from tests import float_graphs, graph_builder
from tests.simulate import micro
from tfpipeline.ir import graph
from tfpipeline.numerics import affine
from tfpipeline.precision import (
    channel_factors,
    equalization,
    formats,
    quantize,
    ranges,
)
from tfpipeline.simulate import execution, float_execution

NETWORKS = {"small": float_graphs.small_network(), **float_graphs.every_kind()}


def uneven(g, seed=0):
    """The same network with channels up to a hundredfold apart, wherever they may."""
    classes = channel_factors.find(g)
    factors = 10 ** np.random.default_rng(seed).uniform(-1, 1, classes.count)
    factors[channel_factors.FIXED] = 1
    return channel_factors.scaled(g, classes, factors)


def chain():
    """Convolution, PReLU, depthwise, a residual sum, a flattened dense layer."""
    builder = graph_builder.Builder((8, 8, 3), name="chain")
    builder.conv(8, relu=False)
    first = builder.prelu()
    builder.depthwise(relu=False)
    builder.prelu()
    builder.conv(8, 1, relu=False)
    builder.join(graph.Add, first)
    builder.pool()
    builder.flatten()
    builder.dense(5)
    return float_graphs.randomized(builder.build())


def error_db(g, integers, images):
    real = float_execution.predict(g, images)
    source = integers.tensors[integers.inputs[0]]
    found = execution.predict(
        integers, affine.quantized(images, source.quant, source.dtype)
    )
    quant = integers.tensors[integers.outputs[0]].quant
    error = real - affine.dequantized(found, quant)
    return 10 * np.log10((real**2).sum() / (error**2).sum())


@pytest.mark.parametrize("per_tensor", [False, True])
@pytest.mark.parametrize("name", NETWORKS)
def test_results_stay(name, per_tensor):
    g = uneven(NETWORKS[name])
    images = float_graphs.images(g, 8)
    found = equalization.equalized(g, images, per_tensor=per_tensor)
    assert [x.name for x in found.layers] == [x.name for x in g.layers]
    before = float_execution.predict(g, images)
    behind = float_execution.predict(found, images)
    np.testing.assert_allclose(
        behind, before, rtol=1e-5, atol=1e-5 * np.abs(before).max()
    )


def test_small_and_chain_change():
    for g in (uneven(NETWORKS["small"]), uneven(chain())):
        found = equalization.equalized(g, float_graphs.images(g, 8))
        kernels = [x.weights for x in g.layers if isinstance(x, graph.Weighted)]
        for name in kernels:
            assert (found.constants[name] != g.constants[name]).any()


@pytest.mark.parametrize("per_tensor", [False, True])
def test_integers_get_finer_and_are_micros(per_tensor):
    even = chain()
    g = uneven(even)
    images = float_graphs.images(g, 24)
    equalized = equalization.equalized(g, images, per_tensor=per_tensor)
    form = formats.named("wi8_ai8")
    best, plain, finer = (
        quantize.quantize(x, ranges.observe(x, images), form, per_tensor=per_tensor)
        for x in (even, g, equalized)
    )
    assert error_db(g, finer, images) > error_db(g, plain, images) + 10
    assert error_db(g, finer, images) > error_db(g, best, images) - 1
    source = finer.tensors[finer.inputs[0]]
    inputs = affine.quantized(images[:4], source.quant, source.dtype)
    np.testing.assert_array_equal(
        execution.predict(finer, inputs),
        micro.predict(from_graph.to_bytes(finer), inputs),
    )


def test_a_channel_that_depthwise_kernels_read_reaches_all_of_its_range():
    builder = graph_builder.Builder((8, 8, 3))
    first = builder.conv(8)
    builder.depthwise()
    builder.conv(4)
    g = uneven(float_graphs.randomized(builder.build()))
    images = float_graphs.images(g, 8)
    most = [
        float_execution.activations(x, images)[first].max(axis=(0, 1, 2))
        for x in (g, equalization.equalized(g, images))
    ]
    alive = most[0] > 0
    assert most[0][alive].min() < most[0].max() / 5
    np.testing.assert_allclose(most[1][alive], most[1].max(), rtol=0.02)


def test_operands_of_a_sum_and_what_moves_them_share_classes():
    g = chain()
    of = channel_factors.find(g).of
    conv, prelu, *_, total, pool, flat, dense = (x.output for x in g.layers)
    for name in (prelu, total, pool):
        np.testing.assert_array_equal(of[conv], of[name])
    np.testing.assert_array_equal(of[flat], np.tile(of[conv], 16))
    assert len(set(of[conv].tolist()) - {channel_factors.FIXED}) == 8
    for name in (g.inputs[0], dense):
        assert set(of[name].tolist()) == {channel_factors.FIXED}


def behind_conv(add):
    """The class of a convolution's channels with a layer and a dense one behind it."""
    builder = graph_builder.Builder((4, 4, 2))
    first = builder.conv(4)
    add(builder)
    builder.flatten()
    builder.dense(3)
    g = builder.build()
    return channel_factors.find(g).of[first]


@pytest.mark.parametrize(
    ("add", "is_free"),
    [
        (lambda b: b.like(graph.LeakyRelu, alpha=0.1), True),
        (lambda b: b.activation("relu"), True),
        (lambda b: b.activation("abs"), True),
        (lambda b: b.activation("relu6"), False),
        (lambda b: b.activation("sigmoid"), False),
        (lambda b: b.activation("hard_swish"), False),
        (lambda b: b.softmax(), False),
        (lambda b: b.pool(), True),
        (lambda b: b.pad(((0, 0), (1, 1), (0, 0), (0, 0))), True),
        (lambda b: b.pad(((0, 0), (0, 0), (0, 0), (1, 0))), False),
        (lambda b: b.pad_value(((0, 0), (1, 1), (0, 0), (0, 0)), 0.5), False),
        (lambda b: b.mean(), True),
        (lambda b: b.mean(axes=(3,)), False),
        (lambda b: b.resize(8, 8, graph.ResizeBilinear), True),
        (lambda b: b.transpose(0, 3, 1, 2), False),
        (lambda b: b.join(graph.Add, b.constant("each", (4,))), True),
        (lambda b: b.join(graph.Add, b.constant("one", (1,))), False),
        (lambda b: b.join(graph.Mul, b.constant("each", (4,))), True),
        (lambda b: b.join(graph.Mul, b.last), False),
        (lambda b: b.join(graph.Add, b.last, clamp=graph.RELU6), False),
    ],
)
def test_only_what_is_homogeneous_leaves_channels_free(add, is_free):
    assert (behind_conv(add) != channel_factors.FIXED).all() == is_free


def test_a_network_without_free_channels_stays_itself():
    builder = graph_builder.Builder((6,))
    builder.dense(4)
    builder.softmax()
    g = float_graphs.randomized(builder.build())
    assert equalization.equalized(g, float_graphs.images(g, 2)) is g


def test_channels_without_values_or_weights_stay():
    g = chain()
    constants = dict(g.constants)
    first, second = (x for x in g.layers if isinstance(x, graph.Conv2D))
    for name in (first.weights, first.bias):
        constants[name] = constants[name].copy()
        constants[name][2] = 0
    constants[second.weights] = constants[second.weights].copy()
    constants[second.weights][..., 3] = 0
    g = dataclasses.replace(g, constants=constants)
    images = float_graphs.images(g, 4)
    found = equalization.equalized(g, images)
    for values in found.constants.values():
        assert np.isfinite(values).all()
    before, behind = (float_execution.predict(x, images) for x in (g, found))
    np.testing.assert_allclose(behind, before, atol=1e-5 * np.abs(before).max())
