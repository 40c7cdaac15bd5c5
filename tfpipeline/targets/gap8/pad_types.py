"""How the AutoTiler's generators split zero padding between the sides of a plane.

They know padding of one amount only, TensorFlow's SAME, and put an odd pixel in front
unless a control block asks for another split by `PADTYPE`; TensorFlow puts it behind.

Source: gap_sdk 4.1, `CNN_TotalPaddingValue` and `CNN_ConvolutionPoolReLU` of its
generators, `AT_PadType` of AutoTilerLibTypes.h.
"""

import dataclasses

from tfpipeline.ir import geometry
from tfpipeline.targets.gap8 import steps

# What the generators take without a control block: PAD_BALANCED_LEFT.
DEFAULT = 2
# PAD_BALANCED_LEFT, PAD_BALANCED_RIGHT, PAD_RIGHT, PAD_LEFT; preferred first.
_TYPES = (DEFAULT, 3, 1, 0)


@dataclasses.dataclass(frozen=True, slots=True)
class _Axis:
    """A window along one axis: pixels, pixels of the window, step, and padding."""

    size: int
    extent: int
    stride: int
    padding: tuple[int, int]

    @property
    def total(self) -> int:
        """Pixels that the generators pad with."""
        return max(self.extent - (self.size % self.stride or self.stride), 0)

    def places(self, padding: int) -> int:
        """Places of the window with so many pixels of padding."""
        return (self.size + padding - self.extent) // self.stride + 1

    @property
    def is_read(self) -> bool:
        """Whether the window ever reads the padding."""
        return self.padding[0] > 0 or self.places(self.padding[1]) != self.places(0)


def possible(step: steps.Step) -> list[int]:
    """The values of `AT_PadType` that give a step's padding, the default first.

    Only what lies in front counts, and the number of the window's places: pixels behind
    the last place are never read. A convolution and its pool share the type.

    Returns:
        None where the generators cannot pad so.
    """
    axes = [
        axis
        for window, plane in step.windows
        if is_padded(window, plane)
        for axis in _axes(window, plane)
    ]
    if any(axis.places(axis.total) != axis.places(sum(axis.padding)) for axis in axes):
        return []
    return [
        pad_type
        for pad_type in _TYPES
        if all(_front(pad_type, axis.total) == axis.padding[0] for axis in axes)
    ]


def is_padded(window: steps.Window, plane: steps.Pair) -> bool:
    """Whether a window ever reads its padding: the generators' ConvPad and PoolPad."""
    return any(axis.is_read for axis in _axes(window, plane))


def _front(pad_type: int, total: int) -> int:
    """Pixels in front, by the number of the type."""
    return (total, 0, total - total // 2, total // 2)[pad_type]


def _axes(window: steps.Window, plane: steps.Pair) -> tuple[_Axis, ...]:
    return tuple(
        _Axis(size, geometry.kernel_extent(taps, rate), stride, padding)
        for size, taps, rate, stride, padding in zip(
            plane,
            window.size,
            window.dilation,
            window.strides,
            window.padding,
            strict=True,
        )
    )
