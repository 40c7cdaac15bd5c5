"""Where the input and every layer's output lie in the data memory.

Four processors share a memory instance; a word of it holds a byte of each. A tensor
takes the same words in all instances of its processors: of pixel p and pass s, word
p * passes + s (32-bit outputs: four words each). A layer can leave words free between
those it writes, so that the operands of an element-wise operation interleave:

    word = (pixel * passes + pass) * operands + operand

and so do the parts of a concatenation of several passes, a part a pass. Where pixels
are concatenated, the words of a part come behind those of another. Other layers
cannot read data with gaps, which is what the copies of `joins` are for.

Where nothing else fits, a layer writes over what it has read (`overlap`), or the first
layers stream (`streams`): their inputs are buffers, all of them needed at once.

Source: ai8x-synthesis ab4f4c0, izer/backend/max7800x.py, load.py and unload.py.
"""

import collections
import dataclasses
import itertools
import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from tfpipeline import errors
from tfpipeline.targets.max78000 import (
    accelerator_layer,
    geometry,
    overlap,
    shortage,
    streams,
)
from tfpipeline.targets.max78000 import spec as specs

# The index that stands for the network's input, among those of layers.
INPUT = shortage.INPUT

WORD_BYTES = 4

Layers = Sequence[accelerator_layer.AcceleratorLayer]
# For each layer, for each operand, the layers whose outputs are its channels, or, if
# each has as many channels as are read, its pixels.
Operands = Sequence[Sequence[Sequence[int]]]


@dataclasses.dataclass(frozen=True)
class Region:
    """A tensor in the data memory; bytes count from the start of each instance.

    Attributes:
        processors: bit map of those whose memory holds it.
        offset: its first byte.
        write_gap: words that are left free behind each word of it.
        first_byte: the first that is written, which may lie in front of `offset`.
        end_byte: behind the last that is written.
    """

    processors: int
    offset: int
    write_gap: int
    first_byte: int
    end_byte: int


@dataclasses.dataclass(frozen=True)
class Plan:
    """Regions of all tensors.

    Attributes:
        input: region of the network's input.
        outputs: region of each layer's output.
        in_offsets: where each layer begins to read.
        shortages: the tensor that reaches farthest, where that is beyond the memory.
        overlaps: whether a layer writes over what it has read.
    """

    input: Region
    outputs: tuple[Region, ...]
    in_offsets: tuple[int, ...]
    shortages: tuple[shortage.Shortage, ...]
    overlaps: bool


def plan(
    layers: Layers,
    operands: Operands,
    outputs: Collection[int],
    *,
    input_format: str = "HWC",
    spec: specs.Spec = specs.MAX78000,
) -> Plan:
    """Places tensors so that none overwrites another that is still needed.

    Args:
        layers: at least one, with their processors.
        operands: what each layer reads.
        outputs: layers whose results the host takes at the end.
        input_format: `HWC` or `CHW`.
        spec: the device.

    Raises:
        GraphError: a tensor that two layers would have to find in different places.
    """
    tensors = _tensors(layers, operands, outputs, input_format, spec)
    blocks = _blocks(tensors, _slots(layers, operands, spec))
    margins = _margins(layers, operands, tensors, blocks, input_format, spec)

    # The first that fits; if none does, the one that comes closest.
    def excess(tried: tuple[_Margins, _Order]) -> int:
        reach = _reach(_place(blocks, *tried).values())
        return max(spec.memory_instance_bytes, reach)

    choices: list[tuple[_Margins, _Order]] = [({}, order) for order in _ORDERS]
    fits = any(excess(each) == spec.memory_instance_bytes for each in choices)
    if margins and not fits:
        # The last ways may move an input of several passes from 0, see `_by_size`.
        choices += [(margins, order) for order in (*_ORDERS, *_UPWARDS)]
    chosen = min(choices, key=excess)
    regions = _place(blocks, *chosen)
    farthest = max(regions, key=lambda index: regions[index].end_byte)
    needed, available = regions[farthest].end_byte, spec.memory_instance_bytes
    too_far = shortage.Shortage(spec.name, shortage.DATA, farthest, needed, available)
    return Plan(
        input=regions[INPUT],
        outputs=tuple(regions[index] for index in range(len(layers))),
        in_offsets=tuple(
            min(regions[part].offset for parts in each for part in parts)
            for each in operands
        ),
        shortages=(too_far,) if needed > available else (),
        overlaps=bool(chosen[0]),
    )


def live_bytes(
    layers: Layers,
    operands: Operands,
    outputs: Collection[int],
    *,
    input_format: str = "HWC",
    spec: specs.Spec = specs.MAX78000,
) -> int:
    """The most bytes that tensors take at one time, wherever `plan` places them.

    Words count in all instances of a tensor's processors. Arguments as those of `plan`.
    """
    changes: collections.Counter[int] = collections.Counter()
    for tensor in _tensors(layers, operands, outputs, input_format, spec):
        size = WORD_BYTES * tensor.words * len(tensor.instances)
        changes[tensor.first_step] += size
        changes[tensor.last_step + 1] -= size
    return max(itertools.accumulate(changes[step] for step in sorted(changes)))


def lives(
    layers: Layers,
    operands: Operands,
    outputs: Collection[int],
    *,
    input_format: str = "HWC",
    spec: specs.Spec = specs.MAX78000,
) -> tuple[tuple[int, int], ...]:
    """The layer that writes and the last that reads: of the input, of each output.

    -1 is before the first layer, the number of layers behind the last. Arguments as
    those of `plan`.
    """
    return tuple(
        (tensor.first_step, tensor.last_step)
        for tensor in _tensors(layers, operands, outputs, input_format, spec)
    )


@dataclasses.dataclass(frozen=True)
class _Tensor:
    """A tensor before it has a place.

    `lead` and `trail` are words that are written in front of its own and behind them.
    `first_step` is the layer that writes it, `last_step` the last that reads it. It
    begins at a multiple of `align` bytes.
    """

    index: int
    processors: int
    instances: frozenset[int]
    words: int
    lead: int
    trail: int
    first_step: int
    last_step: int
    align: int = WORD_BYTES

    def meets(self, other: "_Tensor") -> bool:
        """Whether both are needed at once, in the same memory instance.

        A layer writes while it reads.
        """
        if self.first_step > other.last_step or other.first_step > self.last_step:
            return False
        return bool(self.instances & other.instances)


@dataclasses.dataclass(frozen=True)
class _Slot:
    """Which word of each group of `gap + 1` a tensor takes; without gaps, the first."""

    number: int
    gap: int


# Tensors whose places are tied together.
_Block = Sequence[tuple[_Tensor, _Slot]]
_Placed = list[tuple[_Tensor, Region]]
# By the layer that writes over what it reads and the index of that, the bytes by which
# its output must begin before it.
_Margins = Mapping[tuple[int, int], int]


def _tensors(
    layers: Layers,
    operands: Operands,
    outputs: Collection[int],
    input_format: str,
    spec: specs.Spec,
) -> list[_Tensor]:
    """The input and all outputs, each at its index + 1."""
    last_steps = {index: index for index in range(INPUT, len(layers))}
    for step, each in enumerate(operands):
        last_steps |= dict.fromkeys(itertools.chain.from_iterable(each), step)
    last_steps |= dict.fromkeys(outputs, len(layers))

    streaming = streams.count(layers)

    def tensor(
        index: int, processors: int, words: int, around: tuple[int, int]
    ) -> None:
        instances = _instances(processors, spec)
        first_step = index
        if index + 1 < streaming:
            words = streams.buffer_words(layers, index + 1, spec)
            last_steps[index] = streaming - 1
        elif index + 1 == streaming > 0:
            # The tool wants what follows apart from its buffers.
            words = max(words + 1, streams.buffer_words(layers, index + 1, spec))
        if index < streaming:
            first_step = INPUT
        found.append(
            _Tensor(
                *(index, processors, instances, words, *around),
                *(first_step, last_steps[index]),
                # The tool loads the words of later passes as if it began at 0, which
                # are those of the first unless it lies so.
                WORD_BYTES * (passes if index == INPUT else 1),
            )
        )

    found: list[_Tensor] = []
    first = layers[0]
    passes = geometry.passes(first.in_channels, spec)
    words = math.prod(first.in_dim) * passes
    if input_format == "CHW":
        # A channel an instance, and so four pixels a word.
        words = math.ceil(words / WORD_BYTES)
    tensor(INPUT, first.processors, words, (0, 0))
    for index, layer in enumerate(layers):
        size = geometry.passes(layer.out_channels, spec) * layer.output_width // 8
        lead, trail = _overhang(layer)
        words = math.prod(layer.out_dim) * size
        tensor(index, layer.output_processors, words, (lead * size, trail * size))
    return found


def _overhang(layer: accelerator_layer.AcceleratorLayer) -> tuple[int, int]:
    """Pixels that are written in front of the output and behind it.

    A long dilated conv1d runs in two dimensions and writes whole rows; with three taps,
    the first row is no part of the output.
    """
    if not geometry.is_folded_1d(layer):
        return 0, 0
    rows, columns = geometry.convolution_output(layer)
    lead = columns if layer.kernel[0] == specs.MAX_DILATED_KERNEL_1D else 0
    return lead, rows * columns - layer.out_dim[0]


def _instances(processors: int, spec: specs.Spec) -> frozenset[int]:
    return frozenset(
        processor // spec.processors_per_memory
        for processor in range(spec.processors)
        if processors >> processor & 1
    )


def _slots(
    layers: Layers, operands: Operands, spec: specs.Spec
) -> list[dict[int, _Slot]]:
    """For each layer, which words the tensors that it reads take."""
    result = []
    for layer, each in zip(layers, operands, strict=True):
        passes = geometry.passes(layer.in_channels, spec)
        slots: dict[int, _Slot] = {}
        for operand, parts in enumerate(each):
            if are_pixels(layers, layer, parts):
                slots |= _behind_one_another(layers, parts, passes)
                continue
            interleaved = passes if len(parts) > 1 else 1
            for position, index in enumerate(parts):
                number = position * len(each) if interleaved > 1 else 0
                slot = _Slot(number + operand, interleaved * len(each) - 1)
                if slots.setdefault(index, slot) != slot:
                    raise _error(index, index)
        result.append(slots)
    return result


def are_pixels(
    layers: Layers, reader: accelerator_layer.AcceleratorLayer, parts: Sequence[int]
) -> bool:
    """Whether the parts of what a layer reads are pixels of it, not channels."""
    is_whole = INPUT in parts or len(parts) == 1
    return not is_whole and layers[parts[0]].out_channels == reader.in_channels


def _behind_one_another(
    layers: Layers, parts: Sequence[int], passes: int
) -> dict[int, _Slot]:
    sizes = [math.prod(layers[part].out_dim) * passes for part in parts]
    firsts = itertools.accumulate(sizes[:-1], initial=0)
    return {part: _Slot(first, 0) for part, first in zip(parts, firsts, strict=True)}


def _blocks(
    tensors: Sequence[_Tensor], together: Iterable[Mapping[int, _Slot]]
) -> list[_Block]:
    slots: dict[int, _Slot] = {}
    blocks = {tensor.index: {tensor.index} for tensor in tensors}
    for found in together:
        for index, slot in found.items():
            if slots.setdefault(index, slot) != slot:
                raise _error(index, index)
        joined: set[int] = set().union(*(blocks[index] for index in found))
        blocks |= dict.fromkeys(joined, joined)
    alone = _Slot(0, 0)
    result: list[_Block] = []
    for block in {id(each): each for each in blocks.values()}.values():
        members = [(tensors[i + 1], slots.get(i, alone)) for i in sorted(block)]
        for (one, a), (other, b) in itertools.combinations(members, 2):
            is_interleaved = a.gap == b.gap and a.number != b.number
            if one.meets(other) and not is_interleaved:
                raise _error(one.index, other.index)
        result.append(members)
    return result


def _error(one: int, other: int) -> errors.GraphError:
    names = " and ".join(f"layer {index}" for index in sorted({one, other}))
    return errors.GraphError(
        f"the readers of {names} want the data in different places; put a copy in "
        "front of one of them"
    )


def _at(block: _Block, base: int) -> _Placed:
    """The block's tensors if its first word is at `base`."""
    result = []
    for tensor, slot in block:
        stride = WORD_BYTES * (slot.gap + 1)
        offset = base + WORD_BYTES * slot.number
        last = offset + stride * (tensor.words + tensor.trail - 1)
        region = Region(
            processors=tensor.processors,
            offset=offset,
            write_gap=slot.gap,
            first_byte=offset - stride * tensor.lead,
            end_byte=last + WORD_BYTES,
        )
        result.append((tensor, region))
    return result


def _reach(regions: Iterable[Region]) -> int:
    return max(region.end_byte for region in regions)


def _by_step(block: _Block) -> tuple[int, ...]:
    return (min(tensor.first_step for tensor, _ in block),)


def _by_size(block: _Block) -> tuple[int, ...]:
    # The input first, so that it lies at 0: the tool loads the channels of a second
    # pass there, whatever the offset of the first.
    size = _reach(region for _, region in _at(block, 0))
    step = _by_step(block)
    return (step[0] != INPUT, -size, *step)


def _by_size_alone(block: _Block) -> tuple[int, ...]:
    return _by_size(block)[1:]


def _input_last(block: _Block) -> tuple[int, ...]:
    return (_by_step(block)[0] == INPUT, *_by_size_alone(block))


def _backwards(block: _Block) -> tuple[int, ...]:
    return (-_by_step(block)[0],)


_Order = Callable[[_Block], tuple[int, ...]]
_ORDERS: tuple[_Order, ...] = (_by_size, _by_step)
# Where layers write over what they read, the input may have to lie above others.
_UPWARDS: tuple[_Order, ...] = (_by_size_alone, _backwards, _input_last)


def _margins(
    layers: Layers,
    operands: Operands,
    tensors: Sequence[_Tensor],
    blocks: Iterable[_Block],
    input_format: str,
    spec: specs.Spec,
) -> dict[tuple[int, int], int]:
    """Of the layers that are the only and last readers of a tensor without gaps."""
    alone = {block[0][0].index for block in blocks if len(block) == 1}
    found = {}
    for index, layer in enumerate(layers):
        sources = [part for parts in operands[index] for part in parts]
        source = sources[0]
        is_last = tensors[source + 1].last_step == index
        in_words = source != INPUT or input_format == "HWC"
        if len(sources) > 1 or not {source, index} <= alone or not is_last:
            continue
        if in_words and overlap.is_possible(layer):
            words = overlap.margin_words(layer, spec)
            found[index, source] = WORD_BYTES * words
    return found


def _place(
    blocks: Iterable[_Block], margins: _Margins, order: _Order
) -> dict[int, Region]:
    """Each block in turn at the lowest place that is free while it is needed."""
    placed: _Placed = []
    for block in sorted(blocks, key=order):
        placed += _lowest(block, placed, margins)
    return {tensor.index: region for tensor, region in placed}


def _lowest(block: _Block, placed: _Placed, margins: _Margins) -> _Placed:
    base = -min(region.first_byte for _, region in _at(block, 0))
    align = max(tensor.align for tensor, _ in block)
    while True:
        base = -(-base // align) * align
        found = _at(block, base)
        missing = [
            _missing(tensor.index, region, other.index, taken, margins)
            for tensor, region in found
            for other, taken in placed
            if tensor.meets(other)
        ]
        if max(missing, default=0) == 0:
            return found
        base += max(missing)


def _missing(
    index: int, region: Region, other: int, taken: Region, margins: _Margins
) -> int:
    """Bytes that a region must move up to be free of one that is taken."""
    beside = taken.end_byte - region.first_byte
    if beside <= 0 or taken.first_byte >= region.end_byte:
        return 0
    if (index, other) in margins:
        # What is written must begin before what is taken, or lie beyond.
        before = taken.offset - region.offset >= margins[index, other]
        return 0 if before else beside
    if (other, index) in margins:
        lacking = taken.offset + margins[other, index] - region.offset
        return max(0, min(beside, lacking))
    return beside
