"""Two models of a layer's latency, and why there are two.

`ai8x` is the cycle model of the vendor's tool (ai8x-synthesis ab4f4c0,
izer/latency.py). Against measured networks it is 0.1 to 7 % too fast, because it leaves
out the start and the interrupt, loading of weights and input, and the unloading.

    pool_first (default):  A = 2mE     B = mE(P+1)    u = 1    pre = 0
    pool after eltwise:    A = 2m      B = m(EP+1)    u = m    pre, if m > 1 or E > 1,
                           = F((Hp+2pr-kc+1)pc + (Wp+2pc-kr+1)pr - pr pc)
    top    = (2pc + u Wp)(A+1)                              a padding row on top
    noconv = 2pc(A+1) + u Wp(B+1)                           a row before any output
    mid    = pc(2A+1) + u[(kc-1-pc)(B+1) + (Wo-pc)B]        input of a row with output
    bot    = pc(2A+1) + u[(kc-1-pc)(A+1) + (Wo-pc)A]        a padding row below
    out    = C(m Wo + [C = 1 and m = 1])                    output of a row
    cycles = flat + pre + pr top + (kr-1-pr)noconv
             + (Hp-kr+1+pr)(mid+out) + pr(bot+out)
    passthrough:  Hp Wp (B + m T);   streaming: (15 cycles + 9) // 10;   total: 1 + sum

m passes over the input channels, E element-wise operands, P pooled pixels a value,
(Hp, Wp) input of the convolution, Wo output columns, (kr, kc) kernel, (pr, pc) pad,
C output channels with the gaps of their processors, F first word of the layer's
kernels, T output words of a pixel, flat 1 for flattened inputs of more than 16 pixels.

`kernel_parallel` is how "Face detection using MAX78000" arrives at its table "Expected
inference time per layer": 64 processors, each doing one kernel or one comparison a
cycle:

    cycles = (macc / (kr kc) + comp) / min(input channels, 64)

It gives each row of that table to 0.01 us, is fitted to it, and is not what the chip
does: 3.7 % above `ai8x` for the study's FaceNet v2 and 28 % below it for v7.
"""

import dataclasses
import math

from tfpipeline import errors
from tfpipeline.targets.max78000 import accelerator_layer, geometry, memory, operations
from tfpipeline.targets.max78000 import spec as specs

MODELS = ("ai8x", "kernel_parallel")

# The tool adds one cycle for the start of the network.
STARTUP_CYCLES = 1

# Pixels a value of a flattened layer up to which it costs no extra cycle (tool:
# flatten_prod >= 2**4, which is one less than the pixels).
FREE_FLATTEN_PIXELS = 16

Layer = accelerator_layer.AcceleratorLayer


@dataclasses.dataclass(frozen=True)
class _Timing:
    """Cycles of one step: `pad_read` A, `data_read` B, `repeats` u, `output` out."""

    pad_read: int
    data_read: int
    repeats: int
    output: int


def ai8x_cycles(
    layer: Layer, *, kernel_word: int = 0, spec: specs.Spec = specs.MAX78000
) -> int:
    """Cycles of a layer by the vendor tool's model.

    `kernel_word` is where the layer's kernels begin, `KernelRange.first_word`; it
    matters only for layers that pool after an element-wise operation.

    Raises:
      UsageError: the vendor has no latency model for this device.
    """
    if not spec.has_latency_model:
        raise errors.UsageError(f"the ai8x latency model does not cover {spec.name}")
    timing = _timing(layer, spec)
    if layer.convolves:
        cycles = _convolution(layer, timing, kernel_word, spec)
    else:
        words = timing.data_read + _passes(layer, spec) * _output_words(layer, spec)
        cycles = math.prod(layer.pooled_dim) * words
    return (15 * cycles + 9) // 10 if layer.streaming else cycles


def kernel_parallel_cycles(layer: Layer, spec: specs.Spec = specs.MAX78000) -> float:
    """Cycles of a layer when each processor does a kernel or a comparison a cycle.

    Additions and bitwise operations are not in the source's formula.
    """
    counts = operations.count(layer)
    kernels = counts.macc // math.prod(layer.kernel)
    return (kernels + counts.comp) / min(layer.in_channels, spec.processors)


def _passes(layer: Layer, spec: specs.Spec) -> int:
    passes = geometry.passes(layer.in_channels, spec)
    several_outputs = layer.out_channels > spec.processors
    doubled = not layer.convolves and several_outputs and layer.window > 1
    if doubled and spec.doubles_pooled_passthrough:
        return 2 * passes - 1
    return passes


def _timing(layer: Layer, spec: specs.Spec) -> _Timing:
    passes, operands = _passes(layer, spec), layer.operands
    if layer.pool_first:
        pad_read = 2 * passes * operands
        data_read = passes * operands * (layer.window + 1)
    else:
        pad_read = 2 * passes
        data_read = passes * (operands * layer.window + 1)
    channels = _output_channels(layer, spec)
    stall = channels == 1 and passes == 1
    columns = geometry.convolution_output(layer)[1]
    return _Timing(
        pad_read,
        data_read,
        1 if layer.pool_first else passes,
        channels * (passes * columns + stall),
    )


def _output_channels(layer: Layer, spec: specs.Spec) -> int:
    """Output channels that the hardware steps through, gaps of their map included."""
    if not layer.convolves:
        return layer.out_channels
    steps = geometry.passes(layer.in_channels, spec)
    if layer.flatten:
        steps *= math.prod(layer.pooled_dim)
    return memory.kernel_range(layer, spec).kernels // steps


def _convolution(
    layer: Layer, timing: _Timing, kernel_word: int, spec: specs.Spec
) -> int:
    rows, columns = geometry.convolution_input(layer)
    kernel_rows, kernel_columns = geometry.hardware_kernel(layer)
    pad_rows, pad_columns = geometry.hardware_pad(layer)
    out_columns = geometry.convolution_output(layer)[1]
    pad, data, repeats = timing.pad_read, timing.data_read, timing.repeats

    top = (2 * pad_columns + repeats * columns) * (pad + 1)
    silent = 2 * pad_columns * (pad + 1) + repeats * columns * (data + 1)

    def row(read: int) -> int:
        before = (kernel_columns - 1 - pad_columns) * (read + 1)
        inside = (out_columns - pad_columns) * read
        return pad_columns * (2 * pad + 1) + repeats * (before + inside)

    silent_rows = kernel_rows - 1 - pad_rows
    return (
        _flatten_cycles(layer, spec)
        + _reread_cycles(layer, kernel_word, spec)
        + pad_rows * top
        + silent_rows * silent
        + (rows - silent_rows) * (row(data) + timing.output)
        + pad_rows * (row(pad) + timing.output)
    )


def _flatten_cycles(layer: Layer, spec: specs.Spec) -> int:
    pixels = geometry.passes(layer.in_channels, spec) * math.prod(layer.pooled_dim)
    return int(layer.flatten and pixels > FREE_FLATTEN_PIXELS)


def _reread_cycles(layer: Layer, kernel_word: int, spec: specs.Spec) -> int:
    several = _passes(layer, spec) > 1 or layer.operands > 1
    if layer.pool_first or not several or not spec.rereads_kernel_columns:
        return 0
    rows, columns = geometry.convolution_input(layer)
    kernel_rows, kernel_columns = geometry.hardware_kernel(layer)
    pad_rows, pad_columns = geometry.hardware_pad(layer)
    # Rows go with kernel columns here, and columns with rows: so the tool does it.
    positions = (
        (rows + 2 * pad_rows - kernel_columns + 1) * pad_columns
        + (columns + 2 * pad_columns - kernel_rows + 1) * pad_rows
        - pad_rows * pad_columns
    )
    return positions * kernel_word


def _output_words(layer: Layer, spec: specs.Spec) -> int:
    """Words that the busiest quadrant of a passthrough layer writes for a pixel."""
    size = spec.processors_per_quadrant
    words = 1
    for quadrant in range(spec.quadrants):
        active = (layer.processors >> quadrant * size & (1 << size) - 1).bit_count()
        values = active * layer.output_width // 8
        if values:
            words = max(words, (values - 1) // spec.processors_per_memory + 1)
    return words
