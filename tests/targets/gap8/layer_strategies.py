"""Random layers with random integers, extremes included, and data for them."""

import numpy as np
from hypothesis import strategies as st

from tfpipeline.targets.gap8 import fixed_point, kernels, program

WIDTHS = {8: np.int8, 16: np.int16}
ONE = {"name": "layer", "inputs": ("x",), "output": "y"}


def integers(seed, num_bits, shape):
    """Uniform integers; of seeds that 3 divides extremes only, or small ones."""
    random = np.random.default_rng(seed)
    low, high = fixed_point.value_range(num_bits)
    if seed % 3 == 0:
        return random.choice(np.array([low, low + 1, high], WIDTHS[num_bits]), shape)
    if seed % 3 == 1:
        low, high = low >> 4, high >> 4
    return random.integers(low, high + 1, shape, WIDTHS[num_bits])


@st.composite
def windows(draw, plane):
    """A pooling window that fits a plane."""
    kernel = tuple(draw(st.integers(1, min(3, size))) for size in plane)
    strides = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    pads = tuple(
        draw(st.tuples(st.integers(0, size - 1), st.integers(0, size - 1)))
        for size in kernel
    )
    return program.Window(kernel, strides, pads)


@st.composite
def convolutions(draw):
    """A convolution and data `[N, channels, rows, columns]` for it."""
    num_bits = draw(st.sampled_from([8, 16]))
    seed = draw(st.integers(0, 2**16))
    # Beyond what quantization makes, to where accumulators wrap.
    norm, bias_norm = draw(st.integers(0, 31)), draw(st.integers(0, 31))
    kind = draw(st.sampled_from(["plain", "depthwise", "grouped"]))
    inputs = draw(st.integers(1, 4)) * (2 if kind == "grouped" else 1)
    groups = {"plain": 1, "depthwise": inputs, "grouped": 2}[kind]
    outputs = groups * draw(st.integers(1, 3))
    kernel = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    dilation = draw(st.tuples(st.integers(1, 2), st.integers(1, 2)))
    pads = draw(st.tuples(*(st.tuples(*[st.integers(0, 2)] * 2) for _ in range(2))))
    size = tuple(
        (taps - 1) * rate + 1 + draw(st.integers(0, 4))
        for taps, rate in zip(kernel, dilation, strict=True)
    )
    layer = program.Conv(
        weights=integers(seed, num_bits, (outputs, inputs // groups, *kernel)),
        bias=integers(seed + 1, num_bits, outputs),
        format=fixed_point.Format(norm, 0, norm - bias_norm, 0),
        relu=draw(st.booleans()),
        strides=draw(st.tuples(st.integers(1, 3), st.integers(1, 3))),
        padding=pads,
        dilation=dilation,
        groups=groups,
        **ONE,
    )
    if draw(st.booleans()):
        pool = draw(windows(layer.conv_plane(size)))
        fields = {name: getattr(layer, name) for name in layer.__dataclass_fields__}
        layer = program.Conv(**{**fields, "pool": pool})
    count = draw(st.integers(1, 3))
    return layer, integers(draw(st.integers(0, 99)), num_bits, (count, inputs, *size))


@st.composite
def linears(draw):
    """A matrix product and data for it."""
    num_bits = draw(st.sampled_from([8, 16]))
    seed = draw(st.integers(0, 2**16))
    shape = draw(st.tuples(*[st.integers(1, 4)] * 3))
    outputs, norm = draw(st.integers(1, 4)), draw(st.integers(0, 31))
    layer = program.Linear(
        weights=integers(seed, num_bits, (outputs, int(np.prod(shape)))),
        bias=integers(seed + 1, num_bits, outputs),
        format=fixed_point.Format(norm, 0, norm - draw(st.integers(0, 31)), 0),
        relu=draw(st.booleans()),
        **ONE,
    )
    return layer, integers(draw(st.integers(0, 99)), num_bits, (2, *shape))


@st.composite
def others(draw):
    """Pools, concatenations and sums, and all their inputs."""
    num_bits = draw(st.sampled_from([8, 16]))
    shape = (2, draw(st.integers(1, 3)), *draw(st.tuples(*[st.integers(1, 7)] * 2)))
    data = [integers(draw(st.integers(0, 99)), num_bits, shape) for _ in range(2)]
    kind = draw(st.sampled_from(program.LAYER_KINDS[2:]))
    relu = draw(st.booleans())
    if issubclass(kind, program.Joined):
        norms = draw(st.tuples(st.integers(0, 9), st.integers(0, 9)))
        fields = {} if kind is program.Concat else {"relu": relu}
        return kind(**{**ONE, "inputs": ("a", "b")}, norms=norms, **fields), data
    window = draw(windows(shape[2:]))
    if draw(st.booleans()):
        window = program.Window(shape[2:], (1, 1))
    if kind is program.MaxPool:
        return kind(window=window, relu=relu, **ONE), data[:1]
    factor, shift, rounds = kernels.average_factor(num_bits, window)
    fields = {"factor": factor, "shift": shift, "rounds": rounds}
    return kind(window=window, relu=relu, **fields, **ONE), data[:1]
