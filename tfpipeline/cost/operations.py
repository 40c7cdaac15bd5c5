"""What a layer of a graph computes, in kinds of operations, whatever runs it.

The kinds are those of the MAX78000's own summary, so that figures stand side by side:

    macc     multiply-accumulates, as `macs` counts them
    comp     a comparison: a fused or stand-alone bound of each value (ReLU), each value
             under a max pool's window, each that a maximum or its position is found of
    add      each value under an average's window, each sum of two operands
    mul      each product of two operands, of a value and a slope, of a pixel and its
             weight where it is interpolated
    bitwise  nothing here; the MAX78000 has such element-wise operators

Bias, rescaling, rounding and saturation of a result belong to its layer and are not
counted; nor are values that are only moved (Concat, Pad, Reshape, Transpose). A Softmax
counts one addition and one product a value.
"""

import dataclasses
import math
from collections.abc import Callable

from tfpipeline.cost import macs
from tfpipeline.ir import graph

NAMES = ("macc", "comp", "add", "mul", "bitwise")


@dataclasses.dataclass(frozen=True, slots=True)
class Operations:
    """Counts of one layer, or of several together, in one inference."""

    macc: int = 0
    comp: int = 0
    add: int = 0
    mul: int = 0
    bitwise: int = 0

    @property
    def total(self) -> int:
        """All of them; a multiply-accumulate is one."""
        return self.macc + self.comp + self.add + self.mul + self.bitwise

    def by_name(self) -> dict[str, int]:
        """The counts by `NAMES`."""
        return {name: getattr(self, name) for name in NAMES}


Rule = Callable[[graph.Graph, graph.Layer], Operations]


def count(g: graph.Graph, layer: graph.Layer) -> Operations:
    """Operations of one layer of a well-formed graph."""
    own = _RULES[type(layer)](g, layer)
    if getattr(layer, "clamp", graph.NO_CLAMP) == graph.NO_CLAMP:
        return own
    return dataclasses.replace(own, comp=own.comp + _outputs(g, layer))


def _outputs(g: graph.Graph, layer: graph.Layer) -> int:
    return g.tensors[layer.output].num_elements


def _inputs(g: graph.Graph, layer: graph.Layer) -> int:
    return g.tensors[layer.inputs[0]].num_elements


def _products(g: graph.Graph, layer: graph.Layer) -> Operations:
    return Operations(macc=macs.layer_count(g, layer).macs)


def _window(g: graph.Graph, layer: graph.Layer) -> int:
    assert isinstance(layer, graph.Pool)
    return _outputs(g, layer) * math.prod(layer.kernel_size)


def _compared(g: graph.Graph, layer: graph.Layer) -> Operations:
    return Operations(comp=_inputs(g, layer))


def _chosen(g: graph.Graph, layer: graph.Layer) -> Operations:
    return Operations(comp=_outputs(g, layer))


def _sloped(g: graph.Graph, layer: graph.Layer) -> Operations:
    return Operations(comp=_outputs(g, layer), mul=_outputs(g, layer))


def _lstm(g: graph.Graph, layer: graph.Layer) -> Operations:
    """A value: five functions, three products, five sums (of four gates, the cell)."""
    values = _outputs(g, layer)
    products = macs.layer_count(g, layer).macs
    return Operations(macc=products, comp=5 * values, add=5 * values, mul=3 * values)


def _moved(g: graph.Graph, layer: graph.Layer) -> Operations:
    return Operations()


_RULES: dict[type[graph.Layer], Rule] = {
    graph.Conv1D: _products,
    graph.Conv2D: _products,
    graph.DepthwiseConv2D: _products,
    graph.TransposeConv2D: _products,
    graph.Dense: _products,
    graph.MaxPool: lambda g, layer: Operations(comp=_window(g, layer)),
    graph.AveragePool: lambda g, layer: Operations(add=_window(g, layer)),
    graph.Mean: lambda g, layer: Operations(add=_inputs(g, layer)),
    graph.Add: lambda g, layer: Operations(add=_outputs(g, layer)),
    graph.Sub: lambda g, layer: Operations(add=_outputs(g, layer)),
    graph.Mul: lambda g, layer: Operations(mul=_outputs(g, layer)),
    graph.Minimum: _chosen,
    graph.Maximum: _chosen,
    graph.ReduceMax: _compared,
    graph.ReduceMin: _compared,
    graph.ArgMax: _compared,
    graph.ArgMin: _compared,
    graph.Concat: _moved,
    graph.Split: _moved,
    graph.Pack: _moved,
    graph.Unpack: _moved,
    graph.Pad: _moved,
    graph.PadV2: _moved,
    graph.MirrorPad: _moved,
    graph.Transpose: _moved,
    graph.Slice: _moved,
    graph.StridedSlice: _moved,
    graph.ResizeNearestNeighbor: _moved,
    graph.ResizeBilinear: lambda g, layer: Operations(
        add=3 * _outputs(g, layer), mul=4 * _outputs(g, layer)
    ),
    graph.Reshape: _moved,
    graph.SpaceToDepth: _moved,
    graph.Requantize: lambda g, layer: Operations(mul=_outputs(g, layer)),
    graph.Softmax: lambda g, layer: Operations(
        add=_outputs(g, layer), mul=_outputs(g, layer)
    ),
    graph.Activation: _chosen,
    graph.LeakyRelu: _sloped,
    graph.PRelu: _sloped,
    graph.Lstm: _lstm,
    graph.Svdf: _products,
    graph.Unknown: _moved,
}
