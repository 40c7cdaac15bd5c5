"""Which input values the output's are copies of: one list of indices an axis.

Of TensorFlow Lite, the file of each: micro/kernels/mirror_pad.cc, internal/
strided_slice_logic.h, reference/slice.h, transpose.h and resize_nearest_neighbor.h.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from tfpipeline.ir import graph
from tfpipeline.numerics import rounding


@dataclasses.dataclass(frozen=True)
class Axis:
    """An axis of the output, with sizes of 1 that it may drop: what it reads.

    Attributes:
        source: the axis of the input.
        indices: along that axis, one a value.
    """

    source: int
    indices: tuple[int, ...]


def axes(g: graph.Graph, layer: graph.Layer) -> list[Axis]:
    """The axes of a layer of a kind of `graph.Gather`, first to last."""
    return _AXES[type(layer)](g, layer)


def _mirrored(g: graph.Graph, layer: graph.MirrorPad) -> list[Axis]:
    offset = 1 if layer.mode == "reflect" else 0
    found = []
    shape = g.tensors[layer.inputs[0]].shape
    for axis, (size, pair) in enumerate(zip(shape, layer.padding, strict=True)):
        front = [pair[0] + offset - 1 - i for i in range(pair[0])]
        back = [size - 1 - offset - i for i in range(pair[1])]
        found.append(Axis(axis, (*front, *range(size), *back)))
    return found


def _transposed(g: graph.Graph, layer: graph.Transpose) -> list[Axis]:
    shape = g.tensors[layer.inputs[0]].shape
    return [Axis(axis, tuple(range(shape[axis]))) for axis in layer.permutation]


def _sliced(g: graph.Graph, layer: graph.Slice | graph.StridedSlice) -> list[Axis]:
    steps = getattr(layer, "steps", (1,) * len(layer.begin))
    values = zip(layer.begin, layer.size, steps, strict=True)
    return [
        Axis(axis, tuple(begin + i * step for i in range(size)))
        for axis, (begin, size, step) in enumerate(values)
    ]


def _nearest(g: graph.Graph, layer: graph.ResizeNearestNeighbor) -> list[Axis]:
    source, result = (g.tensors[n].shape for n in (layer.inputs[0], layer.output))
    found = []
    for axis, (size, count) in enumerate(zip(source, result, strict=True)):
        indices = tuple(range(size))
        if axis in (1, 2):
            indices = tuple(_neighbor(layer, i, size, count) for i in range(count))
        found.append(Axis(axis, indices))
    return found


def _neighbor(
    layer: graph.ResizeNearestNeighbor, position: int, size: int, count: int
) -> int:
    """`GetNearestNeighbor`, in float32 as there."""
    scale = np.float32(size) / np.float32(count)
    if layer.align_corners and count > 1:
        scale = np.float32(size - 1) / np.float32(count - 1)
    offset = np.float32(0.5 if layer.half_pixel_centers else 0)
    exact = float((np.float32(position) + offset) * scale)
    nearest = (
        rounding.half_away_integer(exact) if layer.align_corners else int(exact // 1)
    )
    return max(min(nearest, size - 1), 0)


_AXES: dict[type[graph.Layer], Callable[[graph.Graph, Any], list[Axis]]] = {
    graph.MirrorPad: _mirrored,
    graph.Transpose: _transposed,
    graph.Slice: _sliced,
    graph.StridedSlice: _sliced,
    graph.ResizeNearestNeighbor: _nearest,
}
