"""Whether a placement is right, told by following every word through the memories.

This knows the device's addresses and nothing of how a place was found: the host writes
the input, each layer in turn must find its operands' words where it will read them, and
then writes its own. Layers that stream are one writer, whose buffers must lie apart
from one another and from its output. Whatever was overwritten too early, or lies
elsewhere than the reader expects, is a word of another tensor, pixel, pass or
processor.

A layer that is given several operands reads, of pixel p, pass s and operand o, word
`(p * passes + s) * operands + o` behind its offset. Source: ai8x-synthesis ab4f4c0,
izer/load.py and unload.py, and README.md of the same.
"""

import itertools
import math
from collections.abc import Iterator, Sequence

from tfpipeline.targets.max78000 import accelerator_layer, lowering, placement

# A word of a tensor: its index, pixel, pass, instance counted from its first one. Of
# results of 32 bits, the last is the processor's.
_Word = tuple[int, int, int, int]


def violations(
    lowered: lowering.Lowered, placed: placement.Placement
) -> tuple[str, ...]:
    """Everything that is wrong, one line each."""
    return (
        *_data(lowered, placed),
        *_kernels(lowered, placed),
        *_biases(lowered, placed),
    )


def _data(lowered: lowering.Lowered, placed: placement.Placement) -> Iterator[str]:
    memory: dict[tuple[int, int], _Word] = {}
    size = lowered.spec.memory_instance_bytes
    streaming = sum(step.layer.streaming for step in lowered.steps)
    yield from _streams(placed, streaming, size)
    if not streaming:
        loads = list(_loaded(lowered, placed))
        yield from _outside("input", loads, size)
        memory |= dict(loads)
    for index, step in enumerate(lowered.steps):
        if index < streaming - 1:
            continue
        reads = list(_read(lowered, placed, index)) if index >= streaming else []
        for place, word, _ in reads:
            if memory.get(place) != word:
                yield f"{step.name}: reads {memory.get(place)} at {place}, not {word}"
                break
        writes = list(_written(lowered, placed, index))
        yield from _outside(step.name, writes, size)
        lasts = last_uses(step.layer)
        read = {place: lasts[pixel] for place, _, pixel in reads}
        if not placed.data.overlaps:
            read = dict.fromkeys(read, math.prod(step.layer.out_dim))
        if any(place in read and read[place] >= word[1] for place, word in writes):
            yield f"{step.name}: overwrites what it reads"
        memory |= dict(writes)
    for index in lowered.outputs:
        writes = list(_written(lowered, placed, index))
        if any(memory[place] != word for place, word in writes):
            yield f"{lowered.steps[index].name}: an output that does not last"


def _streams(placed: placement.Placement, count: int, size: int) -> Iterator[str]:
    """Buffers of the layers that stream, and the output of the last, all at once."""
    regions = (placed.data.input, *placed.data.outputs)[: count + 1] if count else ()
    for one, other in itertools.combinations(regions, 2):
        shared = {*_instances(one.processors)} & {*_instances(other.processors)}
        apart = one.end_byte <= other.offset or other.end_byte <= one.offset
        if shared and not apart:
            yield f"buffers of a stream over one another: {one} and {other}"
    if any(region.end_byte > size for region in regions):
        yield "a buffer beyond the memory"


# What lies where.
_Words = Iterator[tuple[tuple[int, int], _Word]]


def _outside(
    name: str, words: Sequence[tuple[tuple[int, int], _Word]], size: int
) -> Iterator[str]:
    addresses = [address for (_, address), _ in words]
    if min(addresses) < 0 or 4 * max(addresses) + 4 > size:
        yield f"{name}: beyond the memory"
    if len({place for place, _ in words}) < len(words):
        yield f"{name}: a word in the place of another"


def last_uses(layer: accelerator_layer.AcceleratorLayer) -> list[int]:
    """For each pixel (or word of pixels) of the input, the last output made of it."""
    end = math.prod(layer.out_dim)
    if layer.operands > 1 or layer.flatten or layer.operator == "convtranspose2d":
        return [end] * math.prod(layer.in_dim)
    lasts = [-1] * math.prod(layer.in_dim)
    (_, columns), (height, width) = layer.out_dim, layer.pooled_dim
    for output in range(end):
        place = divmod(output, columns)
        for tap in itertools.product(*map(range, layer.kernel)):
            row, column = (
                place[i] - layer.pad[i] + tap[i] * layer.dilation[i] for i in (0, 1)
            )
            if not (0 <= row < height and 0 <= column < width):
                continue
            for inside in itertools.product(*map(range, layer.pool)):
                down, across = (
                    (row, column)[i] * layer.pool_stride[i] + inside[i] for i in (0, 1)
                )
                pixel = down * layer.in_dim[1] + across
                lasts[pixel] = max(lasts[pixel], output)
    return lasts


def _processors(bits: int) -> list[int]:
    return [i for i in range(bits.bit_length()) if bits >> i & 1]


def _instances(bits: int) -> list[int]:
    return sorted({processor // 4 for processor in _processors(bits)})


def _passes(channels: int) -> int:
    return math.ceil(channels / 64)


def _loaded(lowered: lowering.Lowered, placed: placement.Placement) -> _Words:
    first, base = lowered.steps[0].layer, placed.data.input.offset // 4
    pixels, passes = math.prod(first.in_dim), _passes(first.in_channels)
    if lowered.input_format == "CHW":
        # Four pixels a word, which the first reader takes byte by byte.
        for order, instance in enumerate(_instances(first.processors)):
            for word in range(math.ceil(pixels / 4)):
                yield (instance, base + word), (lowering.INPUT, word, 0, order)
        return
    for pixel, step in itertools.product(range(pixels), range(passes)):
        for order, instance in enumerate(_instances(first.processors)):
            address = base + pixel * passes + step
            yield (instance, address), (lowering.INPUT, pixel, step, order)


# A place, what is wanted there, and which pixel (or word of pixels) of the layer it is.
_Reads = Iterator[tuple[tuple[int, int], _Word, int]]


def _read(lowered: lowering.Lowered, placed: placement.Placement, index: int) -> _Reads:
    step, base = lowered.steps[index], placed.data.in_offsets[index] // 4
    layer = step.layer
    instances = _instances(layer.processors)
    if lowered.input_format == "CHW" and step.operands == ((lowering.INPUT,),):
        for order, instance in enumerate(instances):
            for word in range(math.ceil(math.prod(layer.in_dim) / 4)):
                yield (instance, base + word), (lowering.INPUT, word, 0, order), word
        return
    passes = _passes(layer.in_channels)
    wide = len(_processors(layer.processors)) if passes > 1 else layer.in_channels
    for operand, parts in enumerate(step.operands):
        for pixel, of_part, chosen in _pixels(lowered, layer, parts):
            sources = list(_sources(lowered, chosen))
            for turn in range(passes):
                address = (pixel * passes + turn) * len(step.operands) + operand
                # Four channels a word; the first of each says whose word it is.
                for order, instance in enumerate(instances):
                    channel = turn * wide + 4 * order
                    if 4 * order < wide and channel < layer.in_channels:
                        source, part_turn, part_order = sources[channel]
                        yield (
                            (instance, base + address),
                            (source, of_part, part_turn, part_order),
                            pixel,
                        )


def _pixels(
    lowered: lowering.Lowered,
    layer: accelerator_layer.AcceleratorLayer,
    parts: Sequence[int],
) -> Iterator[tuple[int, int, Sequence[int]]]:
    """Each pixel of an operand, which it is in the parts, and which parts these are.

    Parts that have all channels of the operand follow each other pixel by pixel.
    """
    if len(parts) > 1:
        layers = [lowered.steps[part].layer for part in parts]
        if layers[0].out_channels == layer.in_channels:
            pixel = 0
            for part, each in zip(parts, layers, strict=True):
                for of_part in range(math.prod(each.out_dim)):
                    yield pixel, of_part, (part,)
                    pixel += 1
            return
    for pixel in range(math.prod(layer.in_dim)):
        yield pixel, pixel, parts


def _sources(
    lowered: lowering.Lowered, parts: Sequence[int]
) -> Iterator[tuple[int, int, int]]:
    """For each channel: the tensor, and its pass and instance in it."""
    for part in parts:
        if part == lowering.INPUT:
            layer = lowered.steps[0].layer
            channels, bits = layer.in_channels, layer.processors
        else:
            layer = lowered.steps[part].layer
            channels, bits = layer.out_channels, layer.output_processors
        wide = len(_processors(bits))
        for channel in range(channels):
            yield part, channel // wide, channel % wide // 4


def _written(
    lowered: lowering.Lowered, placed: placement.Placement, index: int
) -> _Words:
    layer, region = lowered.steps[index].layer, placed.data.outputs[index]
    base, passes = region.offset // 4, _passes(layer.out_channels)
    values = layer.output_width // 8
    for pixel in range(math.prod(layer.out_dim)):
        for turn in range(passes):
            first = (pixel * passes + turn) * values * (region.write_gap + 1)
            for order, instance in enumerate(_instances(layer.output_processors)):
                for value in range(values):
                    word = (index, pixel, turn, order * values + value)
                    yield (instance, base + first + value), word
    yield from _around(layer, index, base, passes, region.write_gap + 1)


def _around(
    layer: accelerator_layer.AcceleratorLayer,
    index: int,
    base: int,
    passes: int,
    stride: int,
) -> _Words:
    """Rubbish of a dilated conv1d that runs in two dimensions, in whole rows."""
    rate = layer.dilation[0]
    if layer.operator != "conv1d" or (layer.kernel[0] - 1) * rate < 9:
        return
    length = layer.out_dim[0]
    pixels = [*range(length, math.ceil(layer.in_dim[0] / rate) * rate)]
    if layer.kernel[0] == 3:
        pixels += range(-rate, 0)
    for pixel, turn in itertools.product(pixels, range(passes)):
        for instance in _instances(layer.output_processors):
            address = base + (pixel * passes + turn) * stride
            yield (instance, address), (index, pixel, turn, instance)


def _kernels(lowered: lowering.Lowered, placed: placement.Placement) -> Iterator[str]:
    taken: dict[tuple[int, int], int] = {}
    for index, step in enumerate(lowered.steps):
        layer, found = step.layer, placed.kernels.ranges[index]
        if not layer.convolves or layer.weight_source is not None:
            continue
        if found.first_word % 4:
            yield f"{step.name}: kernels from word {found.first_word}"
        for processor in _processors(layer.processors):
            for word in range(found.first_word, found.first_word + found.words):
                if word >= lowered.spec.columns_of(processor):
                    yield f"{step.name}: kernels beyond the weight memory"
                    return
                if taken.setdefault((processor, word), index) != index:
                    yield f"{step.name}: kernels over those of another layer"
                    return


def _biases(lowered: lowering.Lowered, placed: placement.Placement) -> Iterator[str]:
    filled = [0] * lowered.spec.quadrants
    for step, quadrant in zip(lowered.steps, placed.biases.quadrants, strict=True):
        if step.layer.bias != (quadrant is not None):
            yield f"{step.name}: a bias without a quadrant, or the reverse"
        if quadrant is not None:
            filled[quadrant] += step.layer.out_channels
    if max(filled) > lowered.spec.bias_bytes_per_quadrant:
        yield "biases beyond their memory"
