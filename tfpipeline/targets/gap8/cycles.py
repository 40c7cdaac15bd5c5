"""Structural cycles of a step on the cluster: instructions of the kernels' loops.

Eight cores share the output channels; each takes ceil(channels / 8) of them. With W and
H of the plane in front of the pool, one instruction a cycle:

16 bits, hand-counted from the kernels of the demo, which accumulate into the output one
input channel after the other:

    channels of a core x (input channels x pair + 1.2 W H + tail)
    pair, 1x1            60 + H (8 + 15 floor(W / 2) + 9 (W mod 2))
    pair, 3x3, padded    80 + (W - 2)(20 + 15 (H - 2)) + 4 (45 + 13 (W - 2)) + 40
    pair, 3x3, stride 2  80 + W (22 + 17 H)
    pair, others         80 + W (20 + pixel H), pixel below
    tail                 38/9 a value under the pool's window, or 2.2 W H of ReLU

8 bits, of the kernels that sum all input channels and then rescale once:

    channels of a core x W H x (input channels x pixel + 12) + tail
    pixel, 1x1           3/4: two loads and a product of four
    pixel, others        below
    tail                 2.27 a value under the pool's window; ReLU is in the rescaling

(The 12 cycles of rescaling were chosen with the published MobileNets in view.)

Depthwise is one input channel for each output channel. `pixel` of 3x3, 5x5 and their
one-dimensional kin is 3.75 + 2.25 ceil(taps / 2) in 16 bits, 3.75 + 1.7 ceil(taps / 4)
in 8: lines through the 15 cycles of the hand-counted 3x3 (16 bits) and the SDK's
benchmark of 5x5 (33.2 and 15.6 cycles). Other sizes, and dilated ones, run the SDK's
scalar kernels: 3.5 cycles a value, the same benchmark without SIMD. Linear layers are
1.09 (8 bits) and 2.02 (16) cycles a product, the benchmark's 1024x16; pools of 8 bits
its 2x2. Sums, activations and other element-wise work are 4 cycles a value and
softmax 50 on one core: guesses, under 2 % of any network tried.

What the chip takes on top (stalls, tiling, DMA) is `spec.KAPPA`.
"""

import math

from tfpipeline.targets.gap8 import spec, steps

# Cycles of the SDK's benchmarks (gap_sdk docs/benchmarks, 8 cores), and how much faster
# than plain RISC-V they are in short and in byte.
_LINEAR_8 = 2235 / (1024 * 16 / spec.CORES)
_LINEAR_16 = _LINEAR_8 * 35.0 / 18.9
_SCALAR_TAP = 128_106 / (108 * 108 * 25 / spec.CORES)
_POOL_TAP = {16: 38 / 9, 8: 3556 / (56 * 56 * 4 / spec.CORES)}
_PIXEL = {16: (3.75, 2.25), 8: (3.75, 1.70)}
_OUTPUT_8 = 12
_MATRIX_PRODUCT_8 = 3 / 4
_BIAS_16 = 1.2
_RELU_16 = 2.2
_ELEMENT = 4
_SOFTMAX = 50

# Kernels with SIMD loops of their own (sdk 3.1), rows and columns.
FAST_KERNELS = ((1, 1), (3, 3), (5, 5), (3, 1), (1, 3), (5, 1), (1, 5))


def structural(step: steps.Step, bits: int) -> float:
    """Cycles of the cluster that a step's loops take.

    Args:
        step: of a fused network.
        bits: of activations and weights, 16 or 8.
    """
    channels, height, width = step.body
    per_core = -(-channels // spec.CORES)
    if step.operation in (steps.CONV, steps.DEPTHWISE):
        inputs = step.source[0] // step.groups
        if bits == 16:
            plane = inputs * _pair(step) + _BIAS_16 * width * height
        else:
            plane = width * height * (inputs * _pixel(step, bits) + _OUTPUT_8)
        return per_core * (plane + _tail(step, bits))
    if step.operation == steps.LINEAR:
        inputs = steps.elements(step.source)
        product, output = (_LINEAR_16, 0) if bits == 16 else (_LINEAR_8, _OUTPUT_8)
        return per_core * (inputs * product + output)
    if step.operation in (steps.MAX_POOL, steps.AVERAGE_POOL):
        assert step.window is not None
        return per_core * width * height * step.window.taps * _POOL_TAP[bits]
    count = steps.elements(step.result)
    if step.operation == steps.SOFTMAX:
        return count * _SOFTMAX
    if step.operation == steps.COPY:
        return count * bits / 8 / spec.L2_L1_BYTES_PER_CYCLE
    return (count * _ELEMENT + step.macs * _SCALAR_TAP) / spec.CORES


def _is_fast(window: steps.Window) -> bool:
    return window.size in FAST_KERNELS and window.dilation == (1, 1)


def _pixel(step: steps.Step, bits: int) -> float:
    """Cycles of one input channel at one position of the window."""
    assert step.window is not None
    taps = step.window.taps
    if taps == 1 and step.operation == steps.CONV and bits == 8:
        return _MATRIX_PRODUCT_8
    if not _is_fast(step.window):
        return taps * _SCALAR_TAP
    start, word = _PIXEL[bits]
    return start + word * math.ceil(taps / spec.SIMD_LANES[bits])


def _pair(step: steps.Step) -> float:
    """Cycles of one input and one output channel in 16 bits."""
    window = step.window
    assert window is not None
    _, height, width = step.body
    if window.size == (1, 1) and window.strides == (1, 1):
        return 60 + height * (8 + 15 * (width // 2) + 9 * (width % 2))
    if window.size == (3, 3) and window.dilation == (1, 1):
        if max(window.strides) == 1 and window.is_padded:
            columns, rows = max(width - 2, 0), max(height - 2, 0)
            inner = columns * (20 + 15 * rows)
            return 80 + inner + 4 * (45 + 13 * columns) + 40
        if max(window.strides) > 1:
            return 80 + width * (22 + 17 * height)
    return 80 + width * (20 + _pixel(step, 16) * height)


def _tail(step: steps.Step, bits: int) -> float:
    """Cycles of an output channel's pool or ReLU."""
    if step.pool is not None:
        _, height, width = step.result
        return _POOL_TAP[bits] * step.pool.window.taps * height * width
    if step.activations and bits == 16:
        return _RELU_16 * step.body[1] * step.body[2]
    return 0.0
