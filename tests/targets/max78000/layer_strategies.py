"""Random convolutions, for tests of what holds for every layer."""

from hypothesis import strategies as st

from tfpipeline.targets.max78000 import accelerator_layer, geometry


@st.composite
def convolutions(draw, max_channels=300, bits=(1, 2, 4, 8)):
    """Layers with kernels, pads, pools and processors that the tool accepts."""
    size = draw(st.sampled_from([1, 3]))
    pad = draw(st.integers(0, size - 1))
    pool = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    dim = draw(st.tuples(st.integers(6, 40), st.integers(6, 40)))
    in_channels = draw(st.integers(1, max_channels))
    out_channels = draw(st.integers(1, max_channels))
    operands = draw(st.integers(1, 3))
    return accelerator_layer.AcceleratorLayer(
        operator="conv2d",
        in_channels=in_channels,
        in_dim=(dim[0] + 3 * pool[0], dim[1] + 3 * pool[1]),
        out_channels=out_channels,
        processors=geometry.packed_map(in_channels),
        output_processors=geometry.packed_map(out_channels),
        kernel=(size, size),
        pad=(pad, pad),
        pool=pool,
        pool_stride=draw(st.sampled_from([pool, (1, 1), (2, 2)])),
        eltwise=None if operands == 1 else "add",
        operands=operands,
        activation=draw(st.sampled_from([None, "ReLU", "Abs"])),
        weight_bits=draw(st.sampled_from(bits)),
        bias=draw(st.booleans()),
    )
