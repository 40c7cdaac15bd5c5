"""Networks whose first layers stream: the input comes by the FIFO, row by row.

A layer that streams keeps only what its window still needs of its input, in a buffer
that begins again at its start. So an input, and what the first layers make of it, may
be larger than the data memory. The last layer that streams writes all of its output.

Source: ai8x-synthesis ab4f4c0, izer/backend/max7800x.py: the stream processing start
and the rollover, whose words are the buffer's, with its defaults.
"""

import dataclasses
from collections.abc import Sequence

from tfpipeline.targets.max78000 import accelerator_layer, draft, geometry
from tfpipeline.targets.max78000 import spec as specs

Layers = Sequence[accelerator_layer.AcceleratorLayer]

# The tool's --increase-start.
_INCREASE = 2


def streamed(
    network: draft.Network, count: int, spec: specs.Spec
) -> draft.Network | None:
    """The network with its first `count` layers streaming; `None` where they cannot.

    They must be a chain of convolutions, each of which the next alone reads, and have
    no bias on a device whose biases are unreliable then.
    """
    chain = network.layers[:count]
    read = [name for layer in network.layers for name in layer.operands]
    read += [name for each in network.concatenations for name, _ in each.parts]
    read += network.outputs
    sources = (network.inputs[0], *(layer.output for layer in chain[:-1]))
    for layer, source in zip(chain, sources, strict=True):
        is_chained = layer.operands == (source,) and read.count(source) == 1
        has_bias = layer.bias is not None and not spec.streams_with_bias
        if not is_chained or has_bias or layer.operator != "conv2d":
            return None
    if count > len(network.layers):
        return None
    layers = tuple(
        dataclasses.replace(layer, streaming=index < count)
        for index, layer in enumerate(network.layers)
    )
    return dataclasses.replace(
        network,
        layers=layers,
        input_mode="fifo",
        input_format="HWC",
        maps={network.inputs[0]: _fifo_map(network.in_channels, spec)},
    )


def _fifo_map(channels: int, spec: specs.Spec) -> int:
    """The processors of the four FIFOs, four channels each, a quadrant a FIFO."""
    size = spec.processors_per_memory
    bits = 0
    for channel in range(channels):
        quadrant, place = divmod(channel, size)
        bits |= 1 << quadrant * spec.processors_per_quadrant + place
    return bits


def count(layers: Layers) -> int:
    """How many layers stream."""
    return sum(layer.streaming for layer in layers)


def buffer_words(layers: Layers, index: int, spec: specs.Spec) -> int:
    """Words of each memory instance that the buffer of a layer's input takes.

    What the tool asks for: room for the layer's buffer, and, as it compares a layer's
    output with the layer's own buffer too, for that of the layer in front; one word
    more, since it wants them apart.

    Args:
        layers: as the device runs them (`accelerator_layer.emulate_streaming`).
        index: of a layer that streams, or of the first that does not, if there is one.
        spec: the device.
    """
    is_last = index == len(layers) or not layers[index].streaming
    own = 0 if is_last else _rollover(layers, index, spec)
    before = _rollover(layers, index - 1, spec) if index else 0
    return max(own, before) + 1


def _rollover(layers: Layers, index: int, spec: specs.Spec) -> int:
    layer = layers[index]
    before = layers[index - 1] if index else None
    passes = geometry.passes(layer.in_channels, spec)
    find = _newer_rollover if spec.streams_with_bias else _older_rollover
    return geometry.round_up(find(layer, before, passes), passes)


def _older_rollover(
    layer: accelerator_layer.AcceleratorLayer,
    before: accelerator_layer.AcceleratorLayer | None,
    passes: int,
) -> int:
    """Of the MAX78000."""
    (pool_rows, pool_columns), columns = layer.pool, layer.in_dim[1]
    if before is None:
        start = ((pool_rows - 1) * columns + pool_columns) * pool_rows
    else:
        width = before.pooled_dim[1] + 2 * geometry.hardware_pad(before)[1]
        kernel_rows, kernel_columns = geometry.hardware_kernel(before)
        start = width * (kernel_rows - 1 + pool_rows - 1)
        start += kernel_columns - 1 + pool_columns + _INCREASE
    step = max(layer.stride[1], layer.pool_stride[1], pool_columns)
    return start + (pool_rows - 1) * columns + step


def _newer_rollover(
    layer: accelerator_layer.AcceleratorLayer,
    before: accelerator_layer.AcceleratorLayer | None,
    passes: int,
) -> int:
    """Of the MAX78002."""
    rows = max(layer.pool[0] * layer.pool_dilation[0], layer.pool_stride[0])
    columns = max(layer.pool[1] * layer.pool_dilation[1], layer.pool_stride[1])
    pad = geometry.hardware_pad(layer)[1]
    padded = layer.in_dim[1] + 2 * pad
    window = rows * padded + pad + 2 * columns
    if before is None:
        is_plain = layer.pool_stride[0] == layer.pool[0] == 1
        start = columns if is_plain else window
        return start + columns + (layer.pool_stride[1] - 1) * padded
    more = (passes - 1) * (rows * layer.in_dim[1] + pad + columns)
    return pad * padded + window + more + columns
