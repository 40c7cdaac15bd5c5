"""Windows of convolutions and pools on whole batches: what each tap meets."""

import itertools
from collections.abc import Iterator, Sequence

import numpy as np

from tfpipeline.ir import geometry, graph
from tfpipeline.simulate import derived

Array = graph.Array


def plane(layer: graph.Layer, source: Array, kernel: Sequence[int]) -> tuple[int, ...]:
    """Pixels of the output along each axis, of images that are padded already."""
    strides, _, dilation = derived.sliding(layer)
    return tuple(
        geometry.output_size(size, taps, stride, (0, 0), rate)
        for size, taps, stride, rate in zip(
            source.shape[1:-1], kernel, strides, dilation, strict=True
        )
    )


def taps(
    layer: graph.Layer, source: Array, kernel: Sequence[int]
) -> Iterator[tuple[tuple[int, ...], Array]]:
    """Each tap of a kernel with what it meets: `[N, *output plane, channels]`."""
    strides, _, dilation = derived.sliding(layer)
    sizes = plane(layer, source, kernel)
    for tap in itertools.product(*(range(size) for size in kernel)):
        index = [
            slice(at * rate, at * rate + (size - 1) * stride + 1, stride)
            for at, rate, size, stride in zip(
                tap, dilation, sizes, strides, strict=True
            )
        ]
        yield tap, source[every(index)]


def every(index: Sequence[int | slice]) -> derived.Index:
    """An index of the axes after the first."""
    return (slice(None), *index)


def view(layer: graph.Layer, source: Array, kernel: Sequence[int]) -> Array:
    """A view `[N, *output plane, *kernel, channels]` of padded images."""
    strides, _, dilation = derived.sliding(layer)
    axes = tuple(range(1, source.ndim - 1))
    extent = [
        geometry.kernel_extent(taps, rate)
        for taps, rate in zip(kernel, dilation, strict=True)
    ]
    strided = np.lib.stride_tricks.sliding_window_view(source, extent, axes)
    steps = [slice(None, None, stride) for stride in strides]
    rates = [slice(None, None, rate) for rate in dilation]
    return np.moveaxis(
        strided[(slice(None), *steps, slice(None), *rates)], len(axes) + 1, -1
    )
