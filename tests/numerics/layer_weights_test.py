"""Kernels and biases after training: within half a step, and room for the bias."""

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from tfpipeline.numerics import affine, layer_weights


@hypothesis.given(
    st.integers(2, 16),
    st.booleans(),
    st.integers(0, 2**32 - 1),
    st.sampled_from([1e-6, 1.0, 1e4]),
)
def test_kernels_are_within_half_a_step(num_bits, one_scale, seed, size):
    values = np.random.default_rng(seed).normal(size=(9, 2, 5)) * size
    values[:, :, 1] = 0
    (found, quant), bias = layer_weights.quantized(
        values, None, 1.0, num_bits=num_bits, axis=2, one_scale=one_scale
    )
    assert bias is None
    largest = 2 ** (num_bits - 1) - 1
    assert found.dtype == (np.int8 if num_bits <= 8 else np.int16)
    most = np.abs(found).max(axis=(0, 1))
    assert most[1] == 0
    if one_scale:
        assert most.max() == largest
        assert quant.axis is None
    else:
        assert most.tolist() == [largest, 0, largest, largest, largest]
        assert quant.axis == 2
    # Half a step, and the rounding of the scale to float32.
    limit = (0.5 + 1e-7 * largest) * np.array(quant.scale)
    assert (np.abs(affine.dequantized(found, quant) - values) <= limit).all()


def test_halves_go_away_from_zero():
    kernel = np.array([[127.0, 0.5, -0.5, -126.5]])
    (found, quant), _ = layer_weights.quantized(kernel, None, 1.0, num_bits=8, axis=0)
    assert quant.scale == (1.0,)
    np.testing.assert_array_equal(found, [[127, 1, -1, -127]])


@pytest.mark.parametrize(("num_bits", "scale"), [(8, 0.5e-6 / 127), (4, 0.5e-6 / 7)])
def test_kernels_of_zeros_have_the_least_scale(num_bits, scale):
    (found, quant), _ = layer_weights.quantized(
        np.zeros((2, 3)), None, 1.0, num_bits=num_bits, axis=0
    )
    assert quant.scale == (float(np.float32(scale)),) * 2
    assert not found.any()


def test_kernels_of_zeros_have_the_scale_one_in_16_bits():
    (_, quant), _ = layer_weights.quantized(
        np.zeros((2, 3)), np.ones(2), 1.0, num_bits=16, axis=0, activation_bits=16
    )
    assert quant.scale == (1.0, 1.0)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("one_scale", [False, True])
def test_a_kernel_near_zero_leaves_its_bias_room(bits, one_scale):
    kernel = np.array([[0.5, -0.25], [1e-9, 0.0], [0.0, 0.0]])
    bias, options = np.array([1e-3, 1e11, 0.0]), {"num_bits": 8, "axis": 0}
    options["one_scale"] = one_scale
    (_, plain), _ = layer_weights.quantized(kernel, None, 1 / 128, **options)
    (_, quant), (found, sums) = layer_weights.quantized(
        kernel, bias, 1 / 128, activation_bits=bits, **options
    )
    assert found.dtype == f"int{4 * bits}"
    # The scale is rounded to float32.
    assert np.abs(found).max() == pytest.approx(2**30, rel=2**-24)
    assert affine.dequantized(found, sums)[1] == pytest.approx(1e11, rel=2**-23)
    if not one_scale:
        assert quant.scale[::2] == plain.scale[::2]
        assert quant.scale[1] > plain.scale[1]


def test_a_bias_that_has_room_leaves_the_kernel_alone():
    random = np.random.default_rng(0)
    kernel, bias = random.normal(size=(4, 9)), random.normal(size=4)
    alone, _ = layer_weights.quantized(kernel, None, 0.01, num_bits=8, axis=0)
    found, _ = layer_weights.quantized(kernel, bias, 0.01, num_bits=8, axis=0)
    np.testing.assert_array_equal(found[0], alone[0])
    assert found[1] == alone[1]
