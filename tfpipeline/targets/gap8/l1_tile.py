"""The smallest tile of a step: what L1 must hold of it at the very least.

As the AutoTiler cuts (its iteration space): output channels, of which it prefers eight,
one for each core, but can take one; two input channels in 16 bits or four in 8; whole
rows, as few of them as make one row of the result; all of it twice, since the DMA
brings the next tile while one is computed. In front of a pool the unpooled rows lie in
L1 too, once.

A linear layer is cut into output channels, each with all inputs; where not even one of
them fits, into inputs, beside all biases and results and a sum of 32 bits a core.

Source: gap_sdk 4.1, `CNN_ConvolutionPoolReLU` and `CNN_LinearReLU` of its generators.
"""

from tfpipeline.targets.gap8 import spec, steps

# Of an accumulator.
_SUM_BYTES = 4


def smallest_bytes(step: steps.Step, bits: int) -> int:
    """Bytes of L1 that the smallest tile of a step takes.

    Args:
        step: of a fused network.
        bits: of activations and weights.
    """
    size = bits // 8
    width = step.result[2]
    if step.operation == steps.LINEAR:
        return _linear(step, size)
    if step.window is None:
        return 2 * size * (width + len(step.inputs) * step.source[2])
    rows = 1 if step.pool is None else step.pool.window.size[0]
    window = step.window
    extent = (window.size[0] - 1) * window.dilation[0] + 1
    source_rows = min((rows - 1) * window.strides[0] + extent, step.source[1])
    inputs = 1
    if step.operation == steps.CONV:
        inputs = min(spec.SIMD_LANES[bits], step.source[0] // step.groups)
    tile = size * (inputs * source_rows * step.source[2] + width)
    if step.operation in (steps.CONV, steps.DEPTHWISE):
        tile += size * inputs * window.taps + size
    unpooled = 0 if step.pool is None else size * rows * step.body[2]
    return 2 * tile + unpooled


def _linear(step: steps.Step, size: int) -> int:
    """Bytes of the smaller of the two tilings of a linear layer."""
    inputs, outputs = steps.elements(step.source), step.result[0]
    # The input once; a row of weights and a value for it, twice.
    by_outputs = size * inputs + 2 * (size * inputs + 2 * size)
    # An input and its weight, twice.
    by_inputs = 2 * 2 * size + outputs * 2 * size
    return min(by_outputs, by_inputs + spec.CORES * _SUM_BYTES)
