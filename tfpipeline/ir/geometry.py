"""Sizes of windows: what padding and strides make of a plane."""

import itertools

from tfpipeline.ir import graph


def kernel_extent(kernel: int, dilation: int) -> int:
    """Pixels that a dilated kernel covers along one axis."""
    return (kernel - 1) * dilation + 1


def same_padding(
    size: tuple[int, ...],
    kernel: tuple[int, ...],
    strides: tuple[int, ...],
    dilation: tuple[int, ...],
) -> graph.Padding:
    """The explicit padding of TensorFlow's "SAME": the odd pixel comes last.

    Args:
        size: pixels of the input along each axis.
        kernel: size of the window along each axis.
        strides: its steps.
        dilation: distances of its taps.
    """
    pairs = []
    for pixels, taps, stride, rate in zip(size, kernel, strides, dilation, strict=True):
        steps = -(-pixels // stride) - 1
        total = max(steps * stride + kernel_extent(taps, rate) - pixels, 0)
        pairs.append((total // 2, total - total // 2))
    return tuple(pairs)


def output_size(
    size: int, kernel: int, stride: int, padding: tuple[int, int], dilation: int = 1
) -> int:
    """Positions of a window along one axis; below 1 where it does not fit."""
    return (size + sum(padding) - kernel_extent(kernel, dilation)) // stride + 1


def transposed_size(
    size: int, kernel: int, stride: int, padding: tuple[int, int]
) -> int:
    """Pixels that a transposed convolution writes along one axis."""
    return (size - 1) * stride + kernel - sum(padding)


def transposed_padding(
    size: int, kernel: int, stride: int, before: int, result: int
) -> tuple[int, int]:
    """Padding of a transposed convolution to `result` pixels, `before` at the start.

    Negative at the end where kernels do not reach the last pixels.
    """
    return before, transposed_size(size, kernel, stride, (before, 0)) - result


def dropped_axes(
    size: tuple[int, ...], shape: tuple[int, ...]
) -> tuple[int, ...] | None:
    """The axes of size 1 without which `size` is `shape`; `None` where none are.

    Of several choices the one that keeps first axes; the values are the same.
    """
    ones = [axis for axis, count in enumerate(size) if count == 1]
    for axes in itertools.combinations(ones[::-1], max(len(size) - len(shape), 0)):
        if tuple(n for axis, n in enumerate(size) if axis not in axes) == shape:
            return tuple(sorted(axes))
    return None
