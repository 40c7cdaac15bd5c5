"""How the accelerator runs a layer: passes, processors and the kernel it really uses.

Source of the rules: ai8x-synthesis ab4f4c0, izer/backend/max7800x.py and kernels.py.
"""

import math

from tfpipeline.targets.max78000 import accelerator_layer
from tfpipeline.targets.max78000 import spec as specs

Pair = accelerator_layer.Pair

# The longest 1-D kernel; a dilated one is stretched with zeros up to this length, and
# beyond it runs as a 3x3 kernel on the data folded to `dilation` columns (tool).
MAX_KERNEL_1D = 9


def passes(channels: int, spec: specs.Spec) -> int:
    """Passes over the processors that a number of channels takes."""
    return math.ceil(channels / spec.processors)


def round_up(value: int, multiple: int) -> int:
    """The next multiple at or above `value`."""
    return math.ceil(value / multiple) * multiple


def processors_of_pass(channels: int, spec: specs.Spec) -> int:
    """Processors that hold `channels`: all of them, or a pass's share rounded up."""
    if channels <= spec.processors:
        return channels
    share = math.ceil(channels / passes(channels, spec))
    return min(round_up(share, spec.processors_per_memory), spec.processors)


def packed_map(
    channels: int, *, first: int = 0, spec: specs.Spec = specs.MAX78000
) -> int:
    """Bit map of adjacent processors from `first` that hold `channels` channels.

    More channels than processors take several passes; each uses the same processors,
    as many as a pass's share rounded up to a multiple of four.
    """
    return ((1 << processors_of_pass(channels, spec)) - 1) << first


def first_processor(processors: int) -> int:
    """Index of the lowest set bit of a processor map."""
    return (processors & -processors).bit_length() - 1


def last_processor(processors: int) -> int:
    """Index of the highest set bit of a processor map."""
    return processors.bit_length() - 1


def start_column(
    layer: accelerator_layer.AcceleratorLayer, spec: specs.Spec = specs.MAX78000
) -> int:
    """Place of the first output processor among those that share a memory."""
    return first_processor(layer.output_processors) % spec.processors_per_memory


def output_span(
    layer: accelerator_layer.AcceleratorLayer, spec: specs.Spec = specs.MAX78000
) -> int:
    """Output processors from the first to the last, gaps included.

    A layer of several output passes starts at the beginning of a shared memory.
    """
    first = first_processor(layer.output_processors)
    if layer.out_channels > spec.processors:
        first -= start_column(layer, spec)
    return last_processor(layer.output_processors) - first + 1


def used_quadrants(processors: int, spec: specs.Spec) -> tuple[int, ...]:
    """Quadrants that a processor map has a bit in."""
    size = spec.processors_per_quadrant
    mask = (1 << size) - 1
    return tuple(q for q in range(spec.quadrants) if processors >> q * size & mask)


def is_folded_1d(layer: accelerator_layer.AcceleratorLayer) -> bool:
    """Whether a dilated conv1d is too long for a kernel and runs in two dimensions."""
    return layer.operator == "conv1d" and _stretched(layer) > MAX_KERNEL_1D


def hardware_kernel(layer: accelerator_layer.AcceleratorLayer) -> Pair:
    """Kernel as stored: a dilated conv1d is stretched, or 3x3 when that is too long."""
    if is_folded_1d(layer):
        return (3, 3)
    if layer.operator == "conv1d":
        return (_stretched(layer), 1)
    return layer.kernel


def hardware_pad(layer: accelerator_layer.AcceleratorLayer) -> Pair:
    """Padding as configured: a transposed convolution's counts from the other side."""
    if is_folded_1d(layer):
        return (1, 1)
    if layer.operator == "convtranspose2d":
        rows, columns = (
            dilation * (kernel - 1) - pad
            for dilation, kernel, pad in zip(
                layer.dilation, layer.kernel, layer.pad, strict=True
            )
        )
        return (rows, columns)
    return layer.pad


def convolution_input(layer: accelerator_layer.AcceleratorLayer) -> Pair:
    """Rows and columns that the convolution walks over, zeros of a stride included."""
    if is_folded_1d(layer):
        return _folded_dim(layer)
    rows, columns = layer.pooled_dim
    if layer.operator == "convtranspose2d":
        return (rows * layer.stride[0], columns * layer.stride[1])
    return (rows, columns)


def convolution_output(layer: accelerator_layer.AcceleratorLayer) -> Pair:
    """Rows and columns that the convolution writes; its input's when flattened."""
    if is_folded_1d(layer):
        return _folded_dim(layer)
    return layer.pooled_dim if layer.flatten else layer.out_dim


def _stretched(layer: accelerator_layer.AcceleratorLayer) -> int:
    return (layer.kernel[0] - 1) * layer.dilation[0] + 1


def _folded_dim(layer: accelerator_layer.AcceleratorLayer) -> Pair:
    columns = layer.dilation[0]
    return (math.ceil(layer.in_dim[0] / columns), columns)
