"""How far behind its input a layer may write, where it writes over what it has read.

The tool checks nothing of this under its `--overlap-data` (README.md of ai8x-synthesis
ab4f4c0); its own camvid-unet-large.yaml lets a layer of 88x88 pixels read at 0x400 and
write at 0. A layer writes pixel by pixel, row by row. What it reads for a pixel, and
for those behind it, begins where the window of the pixel does, or at the first row as
long as windows reach into the padding. A pixel may be written once all that lies in its
place comes before that. The rows that the accelerator keeps inside count for nothing
here, so that this holds however many they are.
"""

import math

import numpy as np

from tfpipeline.targets.max78000 import accelerator_layer, geometry
from tfpipeline.targets.max78000 import spec as specs

Layer = accelerator_layer.AcceleratorLayer


def is_possible(layer: Layer) -> bool:
    """Whether a layer reads and writes its pixels in order, 8 bits each, of one input.

    Others, such as flattened ones, are small or have a rule of their own.
    """
    return (
        layer.operands == 1
        and not layer.flatten
        and not layer.streaming
        and layer.output_width == specs.OUTPUT_WIDTHS[0]
        and layer.operator != "convtranspose2d"
        and not geometry.is_folded_1d(layer)
    )


def margin_words(layer: Layer, spec: specs.Spec) -> int:
    """Words by which the output must begin before the input, at least; may be negative.

    Args:
        layer: for which `is_possible` holds, its data without gaps.
        spec: the device.
    """
    rows, columns = np.divmod(np.arange(math.prod(layer.out_dim)), layer.out_dim[1])
    first_rows, first_columns = rows - layer.pad[0], columns - layer.pad[1]
    # Of windows that begin above the first row, the next reads all of that row too.
    pooled = first_rows * layer.pool_stride[0] * layer.in_dim[1]
    pooled += np.maximum(first_columns, 0) * layer.pool_stride[1]
    needed = np.where(first_rows < 0, 0, pooled)
    needed *= geometry.passes(layer.in_channels, spec)
    written = (np.arange(len(needed)) + 1) * geometry.passes(layer.out_channels, spec)
    return int((written - needed).max())
