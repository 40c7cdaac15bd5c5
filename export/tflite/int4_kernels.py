"""Which kernels TensorFlow Lite Micro reads in 4 bits, two in a byte."""

from tfpipeline.ir import graph

# Kinds whose operators unpack kernels of 4 bits beside int8:
# tensorflow/lite/micro/kernels/conv.cc, depthwise_conv.cc and fully_connected.cc.
KINDS = (graph.Conv2D, graph.DepthwiseConv2D, graph.Dense)


def readable(g: graph.Graph) -> set[str]:
    """Kernels that every layer reading them could read in 4 bits, whatever they hold.

    Scales aside: a dense layer takes one scale a kernel only
    (tensorflow/lite/micro/kernels/fully_connected_common.cc).
    """
    narrow: set[str] = set()
    others: set[str] = set()
    for layer in g.layers:
        for name in graph.read_names(layer):
            (narrow if _reads(g, layer, name) else others).add(name)
    return narrow - others


def stored(g: graph.Graph) -> set[str]:
    """Kernels that are written in 4 bits: `readable`, of 4 bits, of the right scales.

    Args:
        g: a verified graph after `lowering.lower`.
    """
    wide = {
        layer.weights
        for layer in g.layers
        if isinstance(layer, graph.Weighted) and not _fits(g, layer)
    }
    return readable(g) - wide


def _reads(g: graph.Graph, layer: graph.Layer, name: str) -> bool:
    if not isinstance(layer, KINDS):
        return False
    is_int8 = g.tensors[layer.inputs[0]].dtype == "int8"
    return is_int8 and name == layer.weights and name in g.constants


def _fits(g: graph.Graph, layer: graph.Weighted) -> bool:
    kernel = g.tensors[layer.weights]
    has_one_scale = kernel.quant is None or kernel.quant.axis is None
    return kernel.num_bits <= 4 and (
        has_one_scale or not isinstance(layer, graph.Dense)
    )
