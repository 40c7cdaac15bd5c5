"""What RESIZE_BILINEAR reads along one axis: reference/resize_bilinear.h."""

import dataclasses

import numpy as np

from tfpipeline.ir import graph

# Fractional bits of a weight along one axis.
BITS = 10
ONE = 1 << BITS


@dataclasses.dataclass(frozen=True)
class Line:
    """Two neighbors of each value of the output along an axis, and the second's weight.

    Weights are in steps of `1 / ONE`; at a border both neighbors are the same pixel.
    """

    lower: tuple[int, ...]
    upper: tuple[int, ...]
    weights: tuple[int, ...]


def integers(layer: graph.ResizeBilinear, size: int, count: int) -> Line:
    """From `size` values to `count`, as `ResizeBilinearInteger` does."""
    if layer.align_corners and count > 1:
        scale = (ONE * (size - 1) + (count - 1) // 2) // (count - 1)
    else:
        scale = (ONE * size + count // 2) // count
    offset = scale // 2 - ONE // 2 if layer.half_pixel_centers else 0
    positions = [i * scale + offset for i in range(count)]
    lower = tuple(max(_towards_zero(at), 0) for at in positions)
    return Line(
        lower,
        tuple(min(_towards_zero(at + ONE - 1), size - 1) for at in positions),
        tuple(at - ONE * low for at, low in zip(positions, lower, strict=True)),
    )


def _towards_zero(position: int) -> int:
    """C's division by `ONE`."""
    return position // ONE if position >= 0 else -(-position // ONE)


def reals(
    layer: graph.ResizeBilinear, size: int, count: int
) -> tuple[graph.Array, graph.Array, graph.Array]:
    """Lower and upper neighbors and the upper's weight: `ResizeBilinear`, of reals."""
    scale = size / count
    if layer.align_corners and count > 1:
        scale = (size - 1) / (count - 1)
    offset = 0.5 if layer.half_pixel_centers else 0.0
    exact = (np.arange(count) + offset) * scale - offset
    lower = np.maximum(np.floor(exact), 0).astype(int)
    upper = np.minimum(np.ceil(exact), size - 1).astype(int)
    return lower, upper, exact - lower
