"""A graph's tensors and windows as rows, columns and channels.

The graph knows lines of pixels, planes and vectors; here a vector is one pixel, and a
line one row.
"""

import math

from tfpipeline.ir import graph
from tfpipeline.targets.max78000 import draft

Volume = tuple[int, int, int]


def volume(g: graph.Graph, name: str) -> Volume:
    """Rows, columns and channels of a tensor; vectors are one pixel, lines one row."""
    shape = g.tensors[name].shape
    rows, columns, channels = (1, 1, 1, *shape[1:])[-3:]
    return math.prod(shape[1:-3]) * rows, columns, channels


def window(g: graph.Graph, layer: graph.Layer) -> draft.Pair | None:
    """Rows and columns that one value of a pool comes from; `None` for channels."""
    if isinstance(layer, graph.Pool):
        return pair(layer.kernel_size)
    assert isinstance(layer, graph.Mean)
    shape = g.tensors[layer.inputs[0]].shape
    if not all(0 < axis < len(shape) - 1 for axis in layer.axes) or len(shape) > 4:
        return None
    sizes = [n if i in layer.axes else 1 for i, n in enumerate(shape)]
    return pair(tuple(sizes[1:-1]))


def is_line(g: graph.Graph, layer: graph.Layer) -> bool:
    """Whether a convolution runs along one axis of data that has one only."""
    if isinstance(layer, graph.Conv1D):
        return True
    if isinstance(layer, graph.TransposeConv2D):
        return False
    assert isinstance(layer, graph.Weighted)
    rows, columns, _ = volume(g, layer.inputs[0])
    kernel = pair(g.tensors[layer.weights].shape[1:-1])
    across = rows == 1 and kernel[0] == 1 and max(columns, kernel[1]) > 1
    down = columns == 1 and kernel[1] == 1 and max(rows, kernel[0]) > 1
    return across or down


def is_pointwise(g: graph.Graph, layer: graph.Layer) -> bool:
    """Whether a dense layer works on each pixel by itself, as a 1x1 convolution."""
    if not isinstance(layer, graph.Dense):
        return False
    rows, columns, channels = volume(g, layer.inputs[0])
    return rows * columns > 1 and g.tensors[layer.weights].shape[1] == channels


def keeps_pixels(g: graph.Graph, layer: graph.Layer) -> bool:
    """Whether a layer's result has as many pixels and channels as it reads."""
    before, after = volume(g, layer.inputs[0]), volume(g, layer.output)
    pixels = before[0] * before[1] == after[0] * after[1]
    return pixels and before[2] == after[2]


def broadcasts(g: graph.Graph, layer: graph.Layer) -> bool:
    shapes = {g.tensors[name].shape for name in layer.inputs}
    return len(shapes) > 1 or any(name in g.constants for name in layer.inputs)


def pair(values: tuple[int, ...]) -> draft.Pair:
    """Of rows and columns; along a line, that of the rows is 1."""
    rows, columns = (1, 1, *values)[-2:]
    return rows, columns


def sides(padding: graph.Padding) -> draft.Sides:
    rows, columns = (*draft.NO_PADDING, *padding)[-2:]
    return (rows[0], rows[1]), (columns[0], columns[1])


def turned(pair: draft.Pair) -> draft.Pair:
    return pair[1], pair[0]
