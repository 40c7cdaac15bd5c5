"""Scratch memory of kernels on a core with DSP instructions: CMSIS-NN's rules.

What its functions get_buffer_size return, and which of them TensorFlow Lite Micro asks
(tensorflow/lite/micro/kernels/cmsis_nn/*.cc), with CMSIS-NN 4ab83cc3, the commit that
it is built with. Layers that CMSIS-NN has no kernel for run in the reference kernels.
"""

import math
from collections.abc import Callable

from tfpipeline.cost import activations, kernel_scratch
from tfpipeline.ir import graph

# Bytes that the columns of a convolution, and its sums, have a value.
_COLUMN_BYTES = 2
_SUM_BYTES = 4
# A transposed convolution over more channels than this, with strides of at most 2, runs
# as a convolution: REVERSE_TCOL_EFFICIENT_THRESHOLD of arm_nnsupportfunctions.h.
_FEW_CHANNELS = 16
_SMALL_STRIDE = 2

Rule = Callable[[graph.Graph, graph.Layer, int], tuple[int, ...]]


def of_layer(
    g: graph.Graph, layer: graph.Layer, *, bits: int = activations.DEFAULT_BITS
) -> tuple[int, ...]:
    """Bytes of each block of scratch memory that a layer's kernel asks for.

    Args:
        g: a well-formed graph.
        layer: of it.
        bits: width of an activation where the graph is not quantized.
    """
    rule = _RULES.get(type(layer))
    if rule is None:
        return kernel_scratch.reference(g, layer, bits=bits)
    width = 8 * activations.element_bytes(g.tensors[layer.inputs[0]], bits)
    return tuple(size for size in rule(g, layer, width) if size)


def _convolution(g: graph.Graph, layer: graph.Layer, bits: int) -> tuple[int, ...]:
    """Two columns of all input channels, groups or not.

    Of int8 their length is a multiple of 4, and 1x1 without padding needs none; beside
    int32 biases int16 data run in the reference kernel. Source: cmsis_nn/conv.cc,
    arm_convolve_get_buffer_sizes_s8.c and _s16.c.
    """
    assert isinstance(layer, (graph.Conv1D, graph.Conv2D))
    kernel = g.tensors[layer.weights].shape
    channels = g.tensors[layer.inputs[0]].shape[-1]
    taps = math.prod(kernel[1:-1])
    if bits == 16:
        is_reference = layer.bias is not None and g.tensors[layer.bias].dtype == "int32"
        return () if is_reference else (2 * _COLUMN_BYTES * taps * channels,)
    is_dense = channels == kernel[-1] and max(layer.dilation) == 1
    if taps == 1 and is_dense and not any(start for start, _ in layer.padding):
        return ()
    return (2 * _COLUMN_BYTES * _in_fours(taps * channels),)


def _in_fours(values: int) -> int:
    return -(-values // 4) * 4


def _depthwise(g: graph.Graph, layer: graph.Layer, bits: int) -> tuple[int, ...]:
    """A window, unless it is dilated or has a channel multiplier.

    None either for 3x3 of 8 bits with at most a pixel of padding, and none is asked for
    beside int16: arm_depthwise_conv_get_buffer_sizes_s8.c and _s4.c.
    """
    assert isinstance(layer, graph.DepthwiseConv2D)
    kernel = g.tensors[layer.weights]
    channels = g.tensors[layer.inputs[0]].shape[-1]
    if bits == 16 or channels != kernel.shape[-1] or max(layer.dilation) > 1:
        return ()
    starts = [start for start, _ in layer.padding]
    if kernel.num_bits != 4 and kernel.shape[1:-1] == (3, 3) and max(starts) <= 1:
        return ()
    return (_COLUMN_BYTES * math.prod(kernel.shape[1:]),)


def _transposed(g: graph.Graph, layer: graph.Layer, bits: int) -> tuple[int, ...]:
    """The sums of as many rows as the kernel has; or columns and the turned kernel.

    arm_transpose_conv_get_buffer_sizes_s8.c; beside int16 the reference kernel runs.
    """
    assert isinstance(layer, graph.TransposeConv2D)
    if bits == 16:
        return kernel_scratch.reference(g, layer, bits=bits)
    outputs, height, width, channels = g.tensors[layer.weights].shape
    down, right = layer.strides
    if channels > _FEW_CHANNELS and max(layer.strides) <= _SMALL_STRIDE:
        taps = height * width * channels
        return (2 * _COLUMN_BYTES * _in_fours(taps), taps * outputs)
    columns = (g.tensors[layer.inputs[0]].shape[2] - 1) * right + max(width, down)
    return (_SUM_BYTES * columns * outputs * max(height, down),)


def _dense(g: graph.Graph, layer: graph.Layer, bits: int) -> tuple[int, ...]:
    """A multiplier and a shift an output, where a pixel at a time is computed.

    That is of int8 data of more than two dimensions, if the kernel has one scale only:
    cmsis_nn/fully_connected.cc.
    """
    assert isinstance(layer, graph.Dense)
    kernel, result = g.tensors[layer.weights], g.tensors[layer.output]
    has_scales = kernel.quant is not None and kernel.quant.axis is not None
    if bits == 16 or kernel.num_bits == 4 or has_scales:
        return ()
    is_pixelwise = len(result.shape) > 2 and kernel.shape[-1] % 4 == 0
    return (2 * _SUM_BYTES * kernel.shape[0],) if is_pixelwise else ()


def _average(g: graph.Graph, layer: graph.Layer, bits: int) -> tuple[int, ...]:
    """A sum a channel: arm_avgpool_get_buffer_sizes_s8.c and _s16.c."""
    del bits
    return (_SUM_BYTES * g.tensors[layer.inputs[0]].shape[-1],)


_RULES: dict[type[graph.Layer], Rule] = {
    graph.Conv1D: _convolution,
    graph.Conv2D: _convolution,
    graph.DepthwiseConv2D: _depthwise,
    graph.TransposeConv2D: _transposed,
    graph.Dense: _dense,
    graph.AveragePool: _average,
}
