"""Whole programs: against the float network, and fast against readable."""

import numpy as np
import pytest

from tests.targets.gap8 import float_networks
from tfpipeline import errors, parallel
from tfpipeline.ir import graph
from tfpipeline.simulate import float_execution
from tfpipeline.targets.gap8 import (
    calibrate,
    fixed_point,
    program,
    quantize,
    simulate,
)


def _quantized(name, num_bits=16):
    g = float_networks.NETWORKS[name]()
    images = float_networks.images(g, 20)
    ranges = calibrate.calibrate(g, images)
    return g, quantize.quantize(g, ranges, num_bits=num_bits), images


@pytest.mark.parametrize("precision", simulate.PRECISIONS)
@pytest.mark.parametrize("num_bits", [8, 16])
@pytest.mark.parametrize("name", float_networks.NETWORKS)
def test_fast_equals_readable(name, num_bits, precision):
    _, p, images = _quantized(name, num_bits)
    integers = simulate.quantize_images(p, images[:5])
    found = simulate.outputs(p, integers, precision)
    expected = simulate.outputs_readable(p, integers, precision)
    assert set(found) == set(expected) == set(p.tensors)
    for tensor in p.tensors:
        np.testing.assert_array_equal(found[tensor], expected[tensor], tensor)
        assert found[tensor].shape[1:] == p.tensors[tensor].shape
    result = simulate.predict(p, integers, precision)
    np.testing.assert_array_equal(result, expected[p.outputs[0]])


@pytest.mark.parametrize("precision", simulate.PRECISIONS)
@pytest.mark.parametrize("name", float_networks.NETWORKS)
def test_sixteen_bits_follow_the_float_network(name, precision):
    """Every tensor, in the order of its axes: what lowering may confuse."""
    g, p, images = _quantized(name)
    found = simulate.outputs(p, simulate.quantize_images(p, images), precision)
    expected = float_execution.activations(g, images)
    for tensor, integers in found.items():
        values = np.ldexp(integers.astype(np.float64), -p.tensors[tensor].q)
        real = expected[tensor].reshape(len(images), -1, *p.tensors[tensor].shape[:1])
        moved = values.reshape(*values.shape[:2], -1).transpose(0, 2, 1)
        # 16 bits leave some 13 of the largest magnitude after a few layers.
        limit = np.abs(real).max() * 2**-9
        np.testing.assert_allclose(moved, real, atol=limit, rtol=0, err_msg=tensor)


def test_shortcuts_share_the_format_of_their_sum():
    _, p, _ = _quantized("residual")
    (layer,) = (each for each in p.layers if isinstance(each, program.Add))
    sources = [p.tensors[name].q for name in layer.inputs]
    result = p.tensors[layer.output].q
    assert layer.relu
    assert result <= min(sources)
    assert layer.norms == tuple(q - result for q in sources)


def test_the_order_of_images_does_not_matter(monkeypatch):
    _, p, images = _quantized("fires")
    integers = simulate.quantize_images(p, images)
    expected = simulate.predict(p, integers, simulate.SINGLE)
    monkeypatch.setattr(parallel, "THREADS", 3)
    monkeypatch.setattr(simulate, "BATCH_SIZE", 2)
    found = simulate.predict(p, integers[::-1], simulate.SINGLE)
    np.testing.assert_array_equal(found[::-1], expected)


def test_wrong_images_are_refused():
    _, p, images = _quantized("fires")
    integers = simulate.quantize_images(p, images[:2])
    for wrong in (integers[:0], integers.astype(np.int32), integers[:, :1]):
        with pytest.raises(errors.UsageError, match=r"must be int16 of shape \(N, 2"):
            simulate.predict(p, wrong)
    with pytest.raises(errors.UsageError, match="images must be"):
        simulate.quantize_images(p, images[:, 1:])
    with pytest.raises(errors.UsageError, match="precision must be"):
        simulate.predict(p, integers, "triple")


def test_single_precision_needs_the_outputs_bias():
    layer = program.Conv(
        name="c",
        inputs=("x",),
        output="y",
        weights=np.ones((1, 1, 1, 1), np.int16),
        bias=np.ones(1, np.int16),
        format=fixed_point.Format(4, 4, 3, 4),
    )
    tensors = {name: program.Tensor(name, (1, 2, 2), 4) for name in "xy"}
    p = program.Program(
        name="p",
        num_bits=16,
        tensors=tensors,
        layers=(layer,),
        inputs=("x",),
        outputs=("y",),
    )
    images = np.full((1, 1, 2, 2), 8, np.int16)
    assert simulate.predict(p, images).tolist() == [[[[3] * 2] * 2]]
    with pytest.raises(errors.GraphError, match="that of c has others"):
        simulate.predict(p, images, simulate.SINGLE)


def test_inputs_without_channels_last_are_vectors():
    g = float_networks.with_values(_dense_only())
    images = float_networks.images(g, 3)
    p = quantize.quantize(g, calibrate.calibrate(g, images))
    found = simulate.predict(p, simulate.quantize_images(p, images))
    real = float_execution.predict(g, images)
    integers = found[:, :, 0, 0].astype(np.float64)
    values = np.ldexp(integers, -p.tensors[p.outputs[0]].q)
    np.testing.assert_allclose(values, real, atol=2**-9)


def _dense_only():
    tensors = {
        "x": graph.Tensor("x", (1, 6), "float32"),
        "w": graph.Tensor("w", (3, 6), "float32"),
        "y": graph.Tensor("y", (1, 3), "float32"),
    }
    layer = graph.Dense(name="d", inputs=("x",), output="y", weights="w")
    constants = {"w": np.ones((3, 6), np.float32)}
    return graph.Graph("d", tensors, constants, (layer,), ("x",), ("y",))
