"""Scratch memory that TensorFlow Lite Micro's reference kernels ask for.

It lies in the arena while the layer runs. A target whose own kernels stand in for some
of these asks here for the others.
"""

from tfpipeline.cost import activations
from tfpipeline.ir import graph

# Bytes of a sum that a transposed convolution keeps, by bits of its data.
_SUM_BYTES = {8: 4, 16: 8}


def reference(
    g: graph.Graph, layer: graph.Layer, *, bits: int = activations.DEFAULT_BITS
) -> tuple[int, ...]:
    """Bytes of each block.

    MEAN: an int32 sum an output, and two lists of int32, of the input's dimensions and
    of the axes; REDUCE_MAX and REDUCE_MIN: the lists alone. MIRROR_PAD: two lists of
    int32, of the input's dimensions. TRANSPOSE_CONV: a sum an output, of 32 bits beside
    int8 and of 64 beside int16. UNIDIRECTIONAL_SEQUENCE_LSTM: four times its cell.
    SVDF: int32 sums, one a filter and one an output. Kernels of 4 bits: a byte a
    weight, unpacked. Source: tensorflow/lite/micro/kernels/reduce_common.cc,
    mirror_pad.cc, transpose_conv.cc, conv_common.cc, depthwise_conv_common.cc,
    fully_connected.cc, unidirectional_sequence_lstm.cc, svdf_common.cc.

    Args:
        g: a well-formed graph.
        layer: of it.
        bits: width of an activation where the graph is not quantized.
    """
    if isinstance(layer, graph.Unknown):
        return ()
    source = g.tensors[layer.inputs[0]]
    outputs = g.tensors[layer.output].num_elements
    if isinstance(layer, graph.Mean):
        return (4 * outputs, 4 * len(source.shape), 4 * len(layer.axes))
    if isinstance(layer, graph.Reduction):
        return (4 * len(source.shape), 4 * len(layer.axes))
    if isinstance(layer, graph.MirrorPad):
        return (4 * len(source.shape),) * 2
    if isinstance(layer, graph.Lstm):
        return (2 * g.tensors[layer.states[1]].num_elements,) * 4
    if isinstance(layer, graph.Svdf):
        filters = g.tensors[layer.weights].shape[0]
        return (4 * source.shape[0] * filters, 4 * outputs)
    if isinstance(layer, graph.TransposeConv2D):
        width = 8 * activations.element_bytes(source, bits)
        return (_SUM_BYTES[width] * outputs,)
    if isinstance(layer, graph.Weighted):
        kernel = g.tensors[layer.weights]
        return (kernel.num_elements,) if kernel.num_bits == 4 else ()
    return ()
