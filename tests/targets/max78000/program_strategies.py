"""Random programs with random integers, for tests of what holds for all of them."""

import math

import numpy as np
from hypothesis import strategies as st

from tfpipeline.targets.max78000 import accelerator_layer, arithmetic, geometry, program
from tfpipeline.targets.max78000 import spec as specs


def images(shape, seed, count=2):
    """int8 images of a program's input shape; an even seed gives extremes only."""
    random = np.random.default_rng(seed)
    if seed % 2:
        return random.integers(-128, 128, (count, *shape), np.int8)
    return random.choice(np.array([-128, -127, 127], np.int8), (count, *shape))


def bind(hardware, seed, inputs=(program.INPUT,), output_shift=0):
    """A layer with random weights and bias; an even seed gives extremes only."""
    random = np.random.default_rng(seed)
    bounds = arithmetic.weight_range(hardware.weight_bits)
    weights = bias = None
    if hardware.convolves:
        size = hardware.in_channels // hardware.groups
        if hardware.flatten:
            size *= math.prod(hardware.pooled_dim)
        shape = (hardware.out_channels, *hardware.kernel, size)
        if seed % 2:
            weights = random.integers(bounds[0], bounds[1] + 1, shape, np.int8)
        else:
            weights = random.choice(np.array(bounds, np.int8), shape)
    if hardware.bias:
        bias = random.integers(-128, 128, hardware.out_channels, np.int8)
    return program.Layer(
        hardware=hardware,
        inputs=inputs,
        weights=weights,
        bias=bias,
        output_shift=output_shift,
    )


def _window(draw, operator):
    """Kernel, pad and what else belongs to a convolution."""
    pair = st.tuples(st.integers(0, 2), st.integers(0, 2))
    if operator == "conv1d":
        kernel = draw(st.integers(1, 9))
        return {
            "kernel": (kernel, 1),
            "pad": (draw(st.integers(0, min(kernel - 1, 2))), 0),
            "dilation": (draw(st.integers(1, 3)), 1),
        }
    if operator == "convtranspose2d":
        return {"kernel": (3, 3), "pad": draw(pair), "stride": (2, 2)}
    if operator == "conv2d":
        size = draw(st.sampled_from([1, 3]))
        pad = draw(pair) if size == 3 else (0, 0)
        stride = draw(st.tuples(st.integers(1, 2), st.integers(1, 2)))
        return {"kernel": (size, size), "pad": pad, "stride": stride}
    return {}


def _pooling(draw, one_dimensional):
    side = st.integers(1, 4)
    pool = draw(st.tuples(side, st.just(1) if one_dimensional else side))
    stride = draw(st.integers(1, 3))
    return {
        "pool": pool,
        "pool_stride": (stride, 1 if one_dimensional else stride),
        "pool_type": draw(st.sampled_from(specs.POOL_TYPES)),
    }


def _in_dim(draw, one_dimensional, pooling):
    """Large enough that the pooled data hold the longest kernel, 9 dilated by 3."""
    least = 25 if one_dimensional else 3
    rows, columns = (
        (draw(st.integers(least, least + 3)) - 1) * stride + pool + rest
        for pool, stride, rest in zip(
            pooling["pool"],
            pooling["pool_stride"],
            draw(st.tuples(st.integers(0, 2), st.integers(0, 2))),
            strict=True,
        )
    )
    return (rows, 1 if one_dimensional else columns)


@st.composite
def programs(draw):
    """One layer of any operator, in front of it several operands or one."""
    operator = draw(st.sampled_from(specs.OPERATORS))
    convolves = operator != "passthrough"
    is_1d = operator == "conv1d"
    pooling = _pooling(draw, is_1d)
    in_dim = _in_dim(draw, is_1d, pooling)
    groups = draw(st.sampled_from([1, 1, 2])) if convolves else 1
    in_channels = groups * draw(st.integers(1, 5))
    out_channels = groups * draw(st.integers(1, 5)) if convolves else in_channels
    operands = draw(st.sampled_from([1, 1, 2, 3, 16]))
    width = draw(st.sampled_from(specs.OUTPUT_WIDTHS)) if convolves else 8
    activations = (None, *specs.ACTIVATIONS) if convolves and width == 8 else (None,)
    hardware = accelerator_layer.AcceleratorLayer(
        operator=operator,
        in_channels=in_channels,
        in_dim=in_dim,
        out_channels=out_channels,
        processors=geometry.packed_map(in_channels),
        output_processors=geometry.packed_map(out_channels),
        groups=groups,
        eltwise=None if operands == 1 else draw(st.sampled_from(specs.ELEMENT_WISE)),
        operands=operands,
        pool_first=draw(st.booleans()),
        flatten=operator == "linear" and groups == 1 and draw(st.booleans()),
        activation=draw(st.sampled_from(activations)),
        weight_bits=draw(st.sampled_from(specs.WEIGHT_BITS)),
        bias=convolves and draw(st.booleans()),
        output_width=width,
        **_window(draw, operator),
        **pooling,
    )
    limit = arithmetic.MAX_OUTPUT_SHIFT if convolves else 0
    layer = bind(
        hardware,
        draw(st.integers(0, 2**32)),
        output_shift=draw(st.integers(-limit, limit)),
    )
    return program.Program(
        input_shape=(*in_dim, in_channels * operands), layers=(layer,)
    )
