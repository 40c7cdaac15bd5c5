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
    own = 0 if is_last else schedule(layers, index, spec).rollover
    before = schedule(layers, index - 1, spec).rollover if index else 0
    return max(own, before) + 1


@dataclasses.dataclass(frozen=True, kw_only=True)
class Schedule:
    """When a layer that streams goes on, and its buffer: what the tool configures.

    Attributes:
        start: words that must have come before the layer begins.
        column_step: words more for each pixel of a row ("delta 1").
        row_step: words more for each row ("delta 2").
        rollover: words behind which the buffer begins again at its start.
        lag: passes of the layers in front ("invol").
    """

    start: int
    column_step: int
    row_step: int
    rollover: int
    lag: int = 0

    def fits(self, spec: specs.Spec) -> bool:
        """Whether the device's registers hold the numbers."""
        return (
            self.start < 1 << spec.stream_start_bits
            and self.column_step < 1 << specs.STREAM_COLUMN_BITS
            and self.row_step < 1 << spec.stream_row_bits
            and self.rollover < 1 << spec.stream_rollover_bits
            and self.lag < 1 << specs.STREAM_LAG_BITS
        )


def are_possible(layers: Layers, spec: specs.Spec) -> bool:
    """Whether the device's registers hold the numbers of all layers that stream.

    Args:
        layers: as the device runs them (`accelerator_layer.emulate_streaming`).
        spec: the device.
    """
    return all(
        schedule(layers, index, spec).fits(spec) for index in range(count(layers))
    )


def schedule(layers: Layers, index: int, spec: specs.Spec) -> Schedule:
    """The tool's numbers of a layer that streams.

    Its rules have more terms than these: for several operands, for inputs of a channel
    an instance and for reading ahead, none of which `streamed` makes.

    Args:
        layers: as the device runs them (`accelerator_layer.emulate_streaming`).
        index: of a layer that streams.
        spec: the device.
    """
    if spec.streams_with_bias:
        found = _newer_schedule(layers, index, spec)
    else:
        found = _older_schedule(layers, index)
    passes = geometry.passes(layers[index].in_channels, spec)
    return dataclasses.replace(
        found,
        lag=sum(geometry.passes(each.in_channels, spec) for each in layers[:index]),
        rollover=geometry.round_up(found.rollover, passes),
    )


def _older_schedule(layers: Layers, index: int) -> Schedule:
    """Of the MAX78000, before the rollover is rounded to whole passes."""
    layer, columns = layers[index], layers[index].in_dim[1]
    pool_rows, pool_columns = layer.pool
    if index == 0:
        start = ((pool_rows - 1) * columns + pool_columns) * pool_rows
        column_step = layer.pool_stride[1] - 1
        row_step = (pool_rows - 1) * columns
    else:
        before = layers[index - 1]
        width = before.pooled_dim[1] + 2 * geometry.hardware_pad(before)[1]
        kernel_rows, kernel_columns = geometry.hardware_kernel(before)
        start = width * (kernel_rows - 1 + pool_rows - 1)
        start += kernel_columns - 1 + pool_columns + _INCREASE
        column_step = layer.pool_stride[1]
        row_step = (layer.pool_stride[0] - 1) * width + pool_columns
    widest = max(layer.stride[1], layer.pool_stride[1], pool_columns)
    rollover = start + (pool_rows - 1) * columns + widest
    return Schedule(
        start=start, column_step=column_step, row_step=row_step, rollover=rollover
    )


def _newer_schedule(layers: Layers, index: int, spec: specs.Spec) -> Schedule:
    """Of the MAX78002, before the rollover is rounded.

    With the tool's --debug-new-streaming, which is its default, whatever its help says.
    """
    layer, columns = layers[index], layers[index].in_dim[1]
    (pool_rows, pool_columns), (down, across) = layer.pool, layer.pool_stride
    rows = max(pool_rows * layer.pool_dilation[0], down)
    step = max(pool_columns * layer.pool_dilation[1], across)
    pad = geometry.hardware_pad(layer)[1]
    padded = columns + 2 * pad
    window = rows * padded + pad + 2 * step
    if index == 0:
        is_plain = down == pool_rows == 1
        start = step if is_plain else window
        windows = columns // across
        windows -= windows * across + pool_columns - 1 > columns
        skipped = max(0, columns - windows * across)
        column_step = across - is_plain
        row_step = column_step + skipped
        if down > 1:
            row_step = (down - 1) * columns + skipped + pool_columns - 1
        # One more for the pipeline, which the tool turns on.
        row_step += row_step > 0
        rollover = start + step + (across - 1) * padded
    else:
        windows = columns // step
        windows -= windows * across + pool_columns > columns
        left = 0 if step == 1 else columns - windows * step
        is_last = index + 1 == len(layers) or not layers[index + 1].streaming
        start = (pad or down) * padded + window + is_last * left * across
        column_step = across
        row_step = left + (across if down == 1 else (down - 1) * columns)
        later_passes = geometry.passes(layer.in_channels, spec) - 1
        rollover = start + step + later_passes * (rows * columns + pad + step)
    return Schedule(
        start=start, column_step=column_step, row_step=row_step, rollover=rollover
    )
