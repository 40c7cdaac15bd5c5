"""Programs whose outputs are worked by hand, and both simulators on random ones."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.targets.max78000 import hand_programs, layer_chains, program_strategies
from tfpipeline import errors
from tfpipeline.targets.max78000 import (
    accelerator_layer,
    program,
    simulate,
    vector_kernels,
)
from tfpipeline.targets.max78000 import spec as specs


def run_both(p, images):
    """Every layer's output, the same from both simulators."""
    found = simulate.outputs(p, images)
    for fast, readable in zip(found, simulate.outputs_readable(p, images), strict=True):
        np.testing.assert_array_equal(fast, readable, strict=True)
    return found


@pytest.mark.parametrize("name", hand_programs.CASES)
def test_worked_by_hand(name):
    shape, values, layers, expected = hand_programs.CASES[name]
    p = program.Program(input_shape=shape, layers=tuple(layers))
    result = run_both(p, np.array(values, np.int8).reshape(1, *shape))[-1]
    assert result.shape == (1, *p.shape(len(layers) - 1))
    assert result.dtype == (np.int8 if layers[-1].hardware.output_width == 8 else "i4")
    assert result.ravel().tolist() == expected


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("operator", specs.OPERATORS),
        ("eltwise", (None, *specs.ELEMENT_WISE)),
        ("activation", (None, *specs.ACTIVATIONS)),
        ("weight_bits", specs.WEIGHT_BITS),
        ("output_width", specs.OUTPUT_WIDTHS),
        ("pool_first", (True, False)),
        ("flatten", (True, False)),
        ("bias", (True, False)),
    ],
)
def test_every_choice_has_a_case(field, values):
    layers = [one.hardware for case in hand_programs.CASES.values() for one in case[2]]
    assert {getattr(one, field) for one in layers} == set(values)


def test_every_pooling_has_a_case():
    layers = [one.hardware for case in hand_programs.CASES.values() for one in case[2]]
    pooling = {one.pool_type for one in layers if one.window > 1}
    assert pooling == set(specs.POOL_TYPES)


@settings(deadline=None)
@given(program_strategies.programs(), st.integers(0, 2**32))
def test_simulators_are_equal(p, seed):
    run_both(p, program_strategies.images(p.input_shape, seed))


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**32), st.sampled_from([4, 8]))
def test_streams_of_emulated_kernels_have_the_same_values(seed, weight_bits):
    """A stream runs a 1x1 kernel as 3x3: zeros around it, a pixel of padding."""
    small = hand_programs.layer(
        "conv2d",
        (4, 5),
        (3, 2),
        np.random.default_rng(seed).integers(-8, 8, 6),
        weight_bits=weight_bits,
        streaming=True,
        activation="ReLU",
    )
    (hardware,) = accelerator_layer.emulate_streaming([small.hardware])
    assert hardware.kernel == (3, 3)
    weights = np.pad(small.weights, ((0, 0), (1, 1), (1, 1), (0, 0)))
    large = dataclasses.replace(small, hardware=hardware, weights=weights)
    images = program_strategies.images((4, 5, 3), seed)
    results = [
        simulate.predict(program.Program(input_shape=(4, 5, 3), layers=(one,)), images)
        for one in (small, large)
    ]
    np.testing.assert_array_equal(*results)


@pytest.mark.parametrize(("count", "dtype"), [(1024, np.float32), (1025, np.float64)])
def test_sums_beyond_float32_are_exact(count, dtype):
    """1024 products of -128 and -128 are 2**24; float32 has no odd number above it."""
    weights = [-128] * 1024 + [1] * (count - 1024)
    # The first channel's sums are small; the second one decides.
    both = [0] * count + weights
    one = hand_programs.point(
        1, (count, 2), both, output_width=32, output_shift=hand_programs.SUMS
    )
    assert vector_kernels.exact_float(one) == dtype
    p = program.Program(input_shape=(1, 1, count), layers=(one,))
    values = np.array(weights, np.int8).reshape(1, 1, 1, count)
    assert run_both(p, values)[0].ravel().tolist() == [0, 2**24 + count - 1024]


@given(st.integers(0, 2**32), st.booleans())
def test_bound_covers_the_largest_sum(seed, with_bias):
    """Inputs of -128 or 127, of the weights' signs, come within 1 % of the bound."""
    random = np.random.default_rng(seed)
    weights = random.integers(-128, 128, 30, np.int8)
    bias = random.integers(-128, 128, 1) if with_bias else None
    one = hand_programs.point(1, (30, 1), weights, bias=bias, output_width=32)
    sign = -1 if with_bias and bias[0] < 0 else 1
    positive = sign * weights.astype(int) > 0
    extremes = np.where(positive, 127, -128).astype(np.int8)
    p = program.Program(input_shape=(1, 1, 30), layers=(one,))
    reached = abs(run_both(p, extremes.reshape(1, 1, 1, 30))[0].item())
    assert 0.99 * one.largest_sum <= reached <= one.largest_sum


def test_rounding_counts_in_the_choice_of_the_type():
    """The sums alone fit float32; with the half for rounding, 2**21, they do not."""
    weights = [-128] * 1023 + [-127]
    one = hand_programs.point(1, (1024, 1), weights, output_shift=-15)
    assert one.largest_sum < 2**24
    assert vector_kernels.exact_float(one) == np.float64
    wide = hand_programs.point(
        1, (1023, 1), weights[:-1], output_shift=hand_programs.SUMS
    )
    assert vector_kernels.exact_float(wide) == np.float32


def _pyramid():
    """A program of four layers: convolutions, pools between them, and a classifier."""
    steps = [
        layer_chains.conv2d(5, bias=True),
        layer_chains.conv2d(6, pool=2, weight_bits=4),
        layer_chains.pooling((2, 2), pool_type="avg"),
        layer_chains.linear(3, flatten=True, output_width=32),
    ]
    layers = tuple(
        program_strategies.bind(hardware, seed=2 * index + 1, inputs=(index - 1,))
        for index, hardware in enumerate(layer_chains.chain(3, (8, 8), steps))
    )
    return program.Program(input_shape=(8, 8, 3), layers=layers)


@pytest.mark.parametrize("batch_size", [1, 3, 16])
@pytest.mark.parametrize("block", [1, 1000, 2**18])
def test_batches_and_blocks_do_not_change_values(monkeypatch, batch_size, block):
    p = _pyramid()
    images = program_strategies.images(p.input_shape, 1, count=7)
    expected = simulate.outputs_readable(p, images)
    monkeypatch.setattr(simulate, "BATCH_SIZE", batch_size)
    monkeypatch.setattr(vector_kernels, "BLOCK", block)
    for found, one in zip(simulate.outputs(p, images), expected, strict=True):
        np.testing.assert_array_equal(found, one, strict=True)
    np.testing.assert_array_equal(simulate.predict(p, images), expected[-1])


@pytest.mark.parametrize(
    "images",
    [
        np.zeros((1, 4, 4, 3), np.uint8),
        np.zeros((1, 4, 4, 1), np.int8),
        np.zeros((4, 4, 3), np.int8),
        np.zeros((0, 4, 4, 3), np.int8),
    ],
)
@pytest.mark.parametrize(
    "run", [simulate.predict, simulate.outputs, simulate.outputs_readable]
)
def test_other_images_are_refused(images, run):
    p = program.Program(
        input_shape=(4, 4, 3), layers=(hand_programs.passthrough((4, 4), channels=3),)
    )
    with pytest.raises(errors.UsageError, match=r"int8 of shape \(N, 4, 4, 3\), N >="):
        run(p, images)
