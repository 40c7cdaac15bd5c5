"""How the AutoTiler's generators split zero padding between the sides of a plane.

They know padding of one amount only, TensorFlow's SAME, and put an odd pixel in front
unless a control block asks for another split by `PADTYPE`; TensorFlow puts it behind.

Source: gap_sdk 4.1, `CNN_TotalPaddingValue` and `CNN_ConvolutionPoolReLU` of its
generators, `AT_PadType` of AutoTilerLibTypes.h.
"""

import dataclasses

from tfpipeline.ir import geometry
from tfpipeline.targets.gap8 import program

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


def possible(p: program.Program, layer: program.Layer) -> list[int]:
    """The values of `AT_PadType` that give a layer's padding, the default first.

    Only what lies in front counts, and the number of the window's places: pixels behind
    the last place are never read. Convolution and pool of a layer share the type.
    """
    windows = (_conv_axes(p, layer), _pool_axes(p, layer))
    axes = [axis for window in windows if _is_padded(window) for axis in window]
    if any(axis.places(axis.total) != axis.places(sum(axis.padding)) for axis in axes):
        return []
    return [
        pad_type
        for pad_type in _TYPES
        if all(_front(pad_type, axis.total) == axis.padding[0] for axis in axes)
    ]


def conv_is_padded(p: program.Program, layer: program.Conv) -> bool:
    """Whether a convolution reads padding: the generator's ConvPad."""
    return _is_padded(_conv_axes(p, layer))


def pool_is_padded(p: program.Program, layer: program.Layer) -> bool:
    """Whether a layer's pool reads padding: the generator's PoolPad."""
    return _is_padded(_pool_axes(p, layer))


def pool(layer: program.Layer) -> program.Window | None:
    """The pooling window of a layer, if it has one."""
    if isinstance(layer, (program.MaxPool, program.AvgPool)):
        return layer.window
    return layer.pool if isinstance(layer, program.Conv) else None


def _is_padded(axes: tuple[_Axis, ...]) -> bool:
    return any(axis.is_read for axis in axes)


def _front(pad_type: int, total: int) -> int:
    """Pixels in front, by the number of the type."""
    return (total, 0, total - total // 2, total // 2)[pad_type]


def _conv_axes(p: program.Program, layer: program.Layer) -> tuple[_Axis, ...]:
    if not isinstance(layer, program.Conv):
        return ()
    return tuple(
        _Axis(size, geometry.kernel_extent(taps, rate), stride, padding)
        for size, taps, rate, stride, padding in zip(
            p.tensors[layer.inputs[0]].shape[1:],
            layer.kernel_size,
            layer.dilation,
            layer.strides,
            layer.padding,
            strict=True,
        )
    )


def _pool_axes(p: program.Program, layer: program.Layer) -> tuple[_Axis, ...]:
    window = pool(layer)
    if window is None:
        return ()
    _, rows, columns = p.tensors[layer.inputs[0]].shape
    plane = (rows, columns)
    if isinstance(layer, program.Conv):
        plane = layer.conv_plane(plane)
    axes = (plane, window.kernel_size, window.strides, window.padding)
    return tuple(_Axis(*axis) for axis in zip(*axes, strict=True))
