"""Programs whose outputs are worked by hand, and both simulators on random ones."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.targets.max78000 import program_strategies
from tfpipeline import errors
from tfpipeline.targets.max78000 import (
    accelerator_layer,
    arithmetic,
    network,
    program,
    simulate,
    vector_kernels,
)
from tfpipeline.targets.max78000 import spec as specs

# 2**7 takes back the division by 128: outputs are the sums themselves.
SUMS = arithmetic.FRACTION_BITS
NINE = [1, 2, 3, 4, 5, 6, 7, 8, 9]


def layer(operator, in_dim, channels, weights=None, **fields):
    """A program's layer; `channels` of one operand and of the output."""
    integers = {"weights": weights, "bias": fields.pop("bias", None)}
    arrays = {
        name: None if values is None else np.array(values, np.int8)
        for name, values in integers.items()
    }
    inputs = fields.pop("inputs", (program.INPUT,))
    output_shift = fields.pop("output_shift", 0)
    hardware = accelerator_layer.AcceleratorLayer(
        operator=operator,
        in_dim=in_dim,
        in_channels=channels[0],
        out_channels=channels[1],
        # The processors play no part in the values.
        processors=1,
        output_processors=1,
        bias=arrays["bias"] is not None,
        **fields,
    )
    if weights is not None:
        shape = (channels[1], *hardware.kernel, -1)
        arrays["weights"] = arrays["weights"].reshape(shape)
    return program.Layer(
        hardware=hardware, inputs=inputs, output_shift=output_shift, **arrays
    )


def point(columns, channels, weights, **fields):
    """A 1x1 convolution of one row."""
    return layer("conv2d", (1, columns), channels, weights, **fields)


def passthrough(in_dim, channels=1, **fields):
    return layer("passthrough", in_dim, (channels, channels), **fields)


def combined(operator, columns=1, operands=2, **fields):
    """Operands of one channel, which are the channels of the input."""
    return passthrough((1, columns), eltwise=operator, operands=operands, **fields)


# Name -> input shape, image, layers, what the last one makes of it.
CASES = {
    # Padding is zeros: the corner sees 5 * 1 + 6 * 2 + 8 * 3 + 9 * 4.
    "conv2d": (
        (2, 2, 1),
        [1, 2, 3, 4],
        [
            layer(
                "conv2d",
                (2, 2),
                (1, 1),
                NINE,
                kernel=(3, 3),
                pad=(1, 1),
                output_shift=SUMS,
            )
        ],
        [77, 67, 47, 37],
    ),
    "channels": (
        (1, 1, 2),
        [3, 5],
        [point(1, (2, 3), [1, 0, 0, 1, 2, -3], output_shift=SUMS)],
        [3, 5, 6 - 15],
    ),
    "groups": (
        (1, 1, 2),
        [3, 5],
        [point(1, (2, 2), [2, -3], groups=2, output_shift=SUMS)],
        [6, -15],
    ),
    "conv1d": (
        (4, 1, 1),
        [1, 2, 3, 4],
        [
            layer(
                "conv1d",
                (4, 1),
                (1, 1),
                [1, -1, 2],
                kernel=(3, 1),
                output_shift=SUMS,
            )
        ],
        [1 - 2 + 6, 2 - 3 + 8],
    ),
    "conv1d dilated and padded": (
        (3, 1, 1),
        [1, 2, 3],
        [
            layer(
                "conv1d",
                (3, 1),
                (1, 1),
                [1, -1, 2],
                kernel=(3, 1),
                pad=(2, 0),
                dilation=(2, 1),
                output_shift=SUMS,
            )
        ],
        [-1 + 2 * 3, -2, 1 - 3],
    ),
    # The pixels 1 and 2 lie at columns 1 and 3 of a plane of 4x6 zeros, in row 1.
    "convtranspose2d": (
        (1, 2, 1),
        [1, 2],
        [
            layer(
                "convtranspose2d",
                (1, 2),
                (1, 1),
                NINE,
                kernel=(3, 3),
                pad=(1, 1),
                stride=(2, 2),
                output_shift=SUMS,
            )
        ],
        [5, 4 + 2 * 6, 10, 8, 2, 1 + 2 * 3, 4, 2],
    ),
    # The image's channels are (1, 3) and (2, 4); 4-bit weights; the bias is 128.
    "linear, flattened": (
        (1, 2, 2),
        [1, 2, 3, 4],
        [
            layer(
                "linear",
                (1, 2),
                (2, 1),
                [1, 5, -1, -8],
                flatten=True,
                weight_bits=4,
                bias=[1],
                output_width=32,
                output_shift=-3,
            )
        ],
        [1 + 15 - 2 - 32 + 128],
    ),
    "linear": (
        (1, 1, 2),
        [100, -3],
        [layer("linear", (1, 1), (2, 2), [-128, 0, 1, 127], output_shift=-1)],
        # -12800 / 256 = -50; (100 - 381) / 256 = -1.098
        [-50, -1],
    ),
    "halves go up": (
        (1, 4, 1),
        [64, -64, 63, -65],
        [point(4, (1, 1), [1])],
        [1, 0, 0, -1],
    ),
    # The quotients are -0.5 and -1.5: rounded first, and then made positive.
    "Abs": (
        (1, 3, 1),
        [-64, -96, 127],
        [point(3, (1, 1), [2], activation="Abs", output_shift=-1)],
        [0, 1, 1],
    ),
    "Abs of the smallest": (
        (1, 1, 1),
        [-128],
        [point(1, (1, 1), [127], activation="Abs", output_shift=1)],
        [127],
    ),
    "ReLU": (
        (1, 3, 1),
        [-128, 1, 127],
        [point(3, (1, 1), [127], activation="ReLU", output_shift=1)],
        # 127 * 127 / 64 is more than 127.
        [0, 2, 127],
    ),
    "bias": (
        (1, 1, 1),
        [0],
        [point(1, (1, 3), [0, 0, 0], bias=[1, -1, -128], output_shift=-1)],
        # 1/2, -1/2, -64
        [1, 0, -64],
    ),
    "weights of 1 bit": (
        (1, 1, 2),
        [7, 5],
        [point(1, (2, 2), [-1, -1, 0, -1], weight_bits=1, output_shift=SUMS)],
        [-12, -5],
    ),
    "weights of 2 bits": (
        (1, 1, 2),
        [7, 5],
        [point(1, (2, 1), [-2, 1], weight_bits=2, output_shift=SUMS + 1)],
        [2 * -9],
    ),
    "32 bits neither shift nor saturate": (
        (1, 1, 1),
        [-128],
        [point(1, (1, 2), [-128, 127], output_width=32, output_shift=-9)],
        [16384, -16256],
    ),
    "max pooling": (
        (2, 3, 1),
        [1, -5, 9, -3, -4, 9],
        [passthrough((2, 3), pool=(2, 2), pool_stride=(2, 2))],
        [1],
    ),
    # -10 / 4 and 10 / 4 are truncated towards zero.
    "average pooling": (
        (2, 4, 1),
        [-1, -2, 1, 2, -3, -4, 3, 4],
        [passthrough((2, 4), pool=(2, 2), pool_stride=(2, 2), pool_type="avg")],
        [-2, 2],
    ),
    "overlapping windows in front of a convolution": (
        (1, 4, 1),
        [1, 2, 9, 4],
        [point(4, (1, 1), [3], pool=(1, 3), pool_stride=(1, 1), output_shift=SUMS)],
        [27, 27],
    ),
    "dilated pooling": (
        (1, 4, 1),
        [1, 2, 0, -4],
        [passthrough((1, 4), pool=(1, 2), pool_dilation=(1, 2))],
        [1, 2],
    ),
    "stride without a window": (
        (3, 3, 1),
        NINE,
        [passthrough((3, 3), pool_stride=(2, 2))],
        [1, 3, 7, 9],
    ),
    "add": ((1, 2, 2), [100, 28, -5, 3], [combined("add", 2)], [127, -2]),
    "add of three": ((1, 1, 3), [100, 100, -99], [combined("add", 1, 3)], [101]),
    "sub": ((1, 2, 2), [-100, 29, 5, 3], [combined("sub", 2)], [-128, 2]),
    "or": ((1, 1, 2), [5, 3], [combined("or")], [7]),
    "xor": ((1, 1, 2), [-1, 5], [combined("xor")], [-6]),
    # 5 + 4 of the maxima, and the maximum of 1 + 4 and 5 - 3.
    "pooling before the sum": (
        (1, 2, 2),
        [1, 4, 5, -3],
        [combined("add", 2, pool=(1, 2))],
        [9],
    ),
    "pooling after the sum": (
        (1, 2, 2),
        [1, 4, 5, -3],
        [combined("add", 2, pool=(1, 2), pool_first=False)],
        [5],
    ),
    # (100 + 28) saturates to 127 before the average with 0 is 63, not 64.
    "the sum saturates before pooling": (
        (1, 2, 2),
        [100, 28, 0, 0],
        [combined("add", 2, pool=(1, 2), pool_type="avg", pool_first=False)],
        [63],
    ),
    # In front of a convolution too: (100 + 28) * 2 is 254.
    "the sum saturates before the convolution": (
        (1, 1, 2),
        [100, 28],
        [point(1, (1, 1), [2], eltwise="add", operands=2, output_width=32)],
        [254],
    ),
    "residual": (
        (1, 2, 1),
        [10, -20],
        [
            passthrough((1, 2)),
            point(2, (1, 1), [2], output_shift=SUMS),
            combined("sub", 2, inputs=(1, 0)),
        ],
        [10, -20],
    ),
    # Channels (2x, x) and (3x): the layer's weights are 1, 10, 100.
    "concatenation": (
        (1, 1, 1),
        [1],
        [
            point(1, (1, 2), [2, 1], output_shift=SUMS),
            point(1, (1, 1), [3], inputs=(-1,), output_shift=SUMS),
            point(1, (3, 1), [1, 10, 100], inputs=(0, 1), output_width=32),
        ],
        [2 + 10 + 300],
    ),
    # Two inputs of 3 + 1 channels make two operands of 2.
    "operands are cut out of all inputs together": (
        (1, 1, 1),
        [1],
        [
            point(1, (1, 3), [2, 3, 5], output_shift=SUMS),
            passthrough((1, 1), channels=2, eltwise="sub", operands=2, inputs=(0, -1)),
        ],
        [2 - 5, 3 - 1],
    ),
    "rows are read one after the other": (
        (2, 2, 1),
        [1, 2, 3, 4],
        [layer("conv1d", (4, 1), (1, 1), [1, 10], kernel=(2, 1), output_shift=SUMS)],
        [21, 32, 43],
    ),
}


def run_both(p, images):
    """Every layer's output, the same from both simulators."""
    found = simulate.outputs(p, images)
    for fast, readable in zip(found, simulate.outputs_readable(p, images), strict=True):
        np.testing.assert_array_equal(fast, readable, strict=True)
    return found


@pytest.mark.parametrize("name", CASES)
def test_worked_by_hand(name):
    shape, values, layers, expected = CASES[name]
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
    layers = [one.hardware for case in CASES.values() for one in case[2]]
    assert {getattr(one, field) for one in layers} == set(values)


def test_every_pooling_has_a_case():
    layers = [one.hardware for case in CASES.values() for one in case[2]]
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
    small = layer(
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
    one = point(1, (count, 2), both, output_width=32, output_shift=SUMS)
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
    one = point(1, (30, 1), weights, bias=bias, output_width=32)
    sign = -1 if with_bias and bias[0] < 0 else 1
    positive = sign * weights.astype(int) > 0
    extremes = np.where(positive, 127, -128).astype(np.int8)
    p = program.Program(input_shape=(1, 1, 30), layers=(one,))
    reached = abs(run_both(p, extremes.reshape(1, 1, 1, 30))[0].item())
    assert 0.99 * one.largest_sum <= reached <= one.largest_sum


def test_rounding_counts_in_the_choice_of_the_type():
    """2**24 - 1 and the half for rounding do not fit float32 together."""
    weights = [-128] * 1023 + [-127]
    one = point(1, (1024, 1), weights, output_shift=-15)
    assert one.largest_sum < 2**24
    assert vector_kernels.exact_float(one) == np.float64
    wide = point(1, (1023, 1), weights[:-1], output_shift=SUMS)
    assert vector_kernels.exact_float(wide) == np.float32


def _pyramid():
    """A program of four layers: convolutions, pools between them, and a classifier."""
    steps = [
        network.conv2d(5, bias=True),
        network.conv2d(6, pool=2, weight_bits=4),
        network.pooling((2, 2), pool_type="avg"),
        network.linear(3, flatten=True, output_width=32),
    ]
    layers = tuple(
        program_strategies.bind(hardware, seed=2 * index + 1, inputs=(index - 1,))
        for index, hardware in enumerate(network.chain(3, (8, 8), steps))
    )
    return program.Program(input_shape=(8, 8, 3), layers=layers)


@pytest.mark.parametrize("matrix_bytes", [1, 2**14, 2**30])
@pytest.mark.parametrize("one_thread_macs", [1, 1000, 2**18])
def test_batches_and_slices_do_not_change_values(
    monkeypatch, matrix_bytes, one_thread_macs
):
    p = _pyramid()
    images = program_strategies.images(p.input_shape, 1, count=7)
    expected = simulate.outputs_readable(p, images)
    monkeypatch.setattr(simulate, "MATRIX_BYTES", matrix_bytes)
    monkeypatch.setattr(vector_kernels, "ONE_THREAD_MACS", one_thread_macs)
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
        input_shape=(4, 4, 3), layers=(passthrough((4, 4), channels=3),)
    )
    with pytest.raises(errors.UsageError, match=r"int8 of shape \(N, 4, 4, 3\), N >="):
        run(p, images)
