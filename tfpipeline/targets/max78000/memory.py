"""Weight and bias memory: what the vendor's tool reports, and whether it fits.

The reported weight memory is a plain sum of the weights' bits; it says nothing about
whether they fit, because each input processor keeps the kernels of all outputs in its
own memory. `place_kernels` answers that.

Source of the rules: ai8x-synthesis ab4f4c0, izer/stats.py (sum), kbias.py (biases) and
kernels.py (kernels).
"""

import dataclasses
import functools
import math
import operator
from collections.abc import Sequence

from tfpipeline.targets.max78000 import accelerator_layer, geometry, shortage
from tfpipeline.targets.max78000 import spec as specs

Layers = Sequence[accelerator_layer.AcceleratorLayer]

# Kernels start at every fourth word of the weight memory (tool).
KERNEL_ALIGNMENT = 4


@dataclasses.dataclass(frozen=True)
class BiasPlacement:
    """Biases in the quadrants' memories.

    `quadrant_bytes` is the used part of each, the tool's bias memory together;
    `quadrants` names each layer's, None for a layer without bias.
    """

    quadrant_bytes: tuple[int, ...]
    quadrants: tuple[int | None, ...]
    shortages: tuple[shortage.Shortage, ...]

    @property
    def total_bytes(self) -> int:
        """Used bytes of all quadrants."""
        return sum(self.quadrant_bytes)


@dataclasses.dataclass(frozen=True)
class KernelRange:
    """Kernels of a layer in each of its processors' weight memory, in 72-bit words.

    `first_word` and `words` are what the tool prints as kernel offset and length;
    `kernels` its kernel count, the kernels that the hardware steps through, those of
    gaps in the output map included. `searched_words` is the room that the tool looks
    for; a flattened layer can write more than that.
    """

    first_word: int
    words: int
    kernels: int
    searched_words: int


@dataclasses.dataclass(frozen=True)
class KernelPlacement:
    """Kernels of all layers, and why they do not fit."""

    ranges: tuple[KernelRange, ...]
    shortages: tuple[shortage.Shortage, ...]


def weight_count(layer: accelerator_layer.AcceleratorLayer) -> int:
    """Weights as stored, with the zeros of a stretched kernel; 0 for shared weights."""
    if not layer.convolves or layer.weight_source is not None:
        return 0
    inputs = layer.in_channels // layer.groups
    if layer.flatten:
        inputs *= math.prod(layer.pooled_dim)
    return inputs * layer.out_channels * math.prod(geometry.hardware_kernel(layer))


def weight_bytes(layer: accelerator_layer.AcceleratorLayer) -> int:
    """Bytes of the weights, rounded down as the tool does."""
    return weight_count(layer) * layer.weight_bits // 8


def bias_bytes(
    layer: accelerator_layer.AcceleratorLayer,
    *,
    is_first: bool = False,
    spec: specs.Spec = specs.MAX78000,
) -> int:
    """Bytes that a layer's bias takes in its quadrant; 0 without bias.

    An output map that starts within a shared memory costs the skipped processors once a
    pass, a bias of a streaming first layer one byte more.
    """
    if not layer.bias:
        return 0
    skipped = geometry.start_column(layer, spec)
    size = layer.out_channels + skipped * geometry.passes(layer.out_channels, spec)
    works_around = is_first and layer.streaming and not spec.streams_with_bias
    return size + works_around


def place_biases(layers: Layers, spec: specs.Spec = specs.MAX78000) -> BiasPlacement:
    """Assigns each bias to a quadrant, largest first, the emptiest quadrant each.

    Flattened layers come before the others, and then those pinned by `bias_quadrant`.
    Only quadrants that hold data take biases. A bias that does not fit is counted all
    the same.
    """
    sizes = [
        bias_bytes(layer, is_first=index == 0, spec=spec)
        for index, layer in enumerate(layers)
    ]
    used = _data_quadrants(layers, spec)

    def allowed(index: int) -> tuple[int, ...]:
        pinned = layers[index].bias_quadrant
        return used if pinned is None else (pinned,)

    def order(index: int) -> int:
        if layers[index].flatten and spec.places_flattened_biases_first:
            return -1
        if len(allowed(index)) == 1:
            return 0
        return spec.bias_bytes_per_quadrant - sizes[index]

    filled = [0] * spec.quadrants
    quadrants: list[int | None] = [None] * len(layers)
    shortages = []
    for index in sorted((i for i, size in enumerate(sizes) if size), key=order):
        quadrant = min(allowed(index), key=lambda q: filled[q])
        filled[quadrant] += sizes[index]
        quadrants[index] = quadrant
        if filled[quadrant] > spec.bias_bytes_per_quadrant:
            shortages.append(
                shortage.Shortage(
                    spec.name,
                    shortage.BIASES,
                    index,
                    filled[quadrant],
                    spec.bias_bytes_per_quadrant,
                )
            )
    return BiasPlacement(tuple(filled), tuple(quadrants), tuple(shortages))


def kernel_range(
    layer: accelerator_layer.AcceleratorLayer, spec: specs.Spec = specs.MAX78000
) -> KernelRange:
    """Size of a layer's kernels in each input processor, placed at word 0."""
    if not layer.convolves:
        return KernelRange(0, 0, 0, 0)
    steps = geometry.passes(layer.in_channels, spec)
    start = geometry.start_column(layer, spec)
    if layer.groups > 1:
        stored, counted = steps, steps * (1 + start)
    else:
        out_passes = geometry.passes(layer.out_channels, spec)
        outputs = geometry.output_span(layer, spec) * out_passes
        skipped = start * out_passes
        if layer.flatten:
            steps *= math.prod(layer.pooled_dim)
            padded = out_passes * layer.output_processors.bit_count()
            outputs -= padded - layer.out_channels
        stored, counted = outputs * steps, (outputs + skipped) * steps
    searched = _words(stored, layer)
    words = searched
    if layer.flatten:
        words = max(_flattened_words(layer, steps, spec), searched + start)
    return KernelRange(0, words, counted, searched)


def place_kernels(layers: Layers, spec: specs.Spec = specs.MAX78000) -> KernelPlacement:
    """Places kernels as the tool does: first the layers that read all processors.

    Each layer takes the first words, from a multiple of four, that are free in all of
    its processors. Kernels that reach beyond the memory are a shortage.
    """
    everything = (1 << spec.processors) - 1
    # Bit i of a processor's number: its word i is taken.
    taken = [0] * spec.processors
    ranges = [kernel_range(layer, spec) for layer in layers]
    shortages = []
    order = sorted(range(len(layers)), key=lambda i: layers[i].processors != everything)
    for index in order:
        layer, size = layers[index], ranges[index]
        if not layer.convolves or layer.weight_source is not None:
            continue
        readers = [p for p in range(spec.processors) if layer.processors >> p & 1]
        anywhere = functools.reduce(operator.or_, (taken[p] for p in readers))
        first = _first_free(anywhere, size.searched_words)
        begin, end = _written(layer, size, spec)
        written = ((1 << end - begin) - 1) << first + begin
        for processor in readers:
            taken[processor] |= written
        columns = min(spec.columns_of(p) for p in readers)
        if first + end > columns:
            shortages.append(
                shortage.Shortage(
                    spec.name, shortage.WEIGHTS, index, first + end, columns
                )
            )
        ranges[index] = dataclasses.replace(size, first_word=first)
    for index, layer in enumerate(layers):
        if layer.weight_source is not None:
            ranges[index] = ranges[layer.weight_source]
    return KernelPlacement(tuple(ranges), tuple(shortages))


def _data_quadrants(layers: Layers, spec: specs.Spec) -> tuple[int, ...]:
    processors = layers[-1].output_processors if layers else 0
    for layer in layers:
        processors |= layer.processors
    return geometry.used_quadrants(processors, spec)


def _words(kernels: int, layer: accelerator_layer.AcceleratorLayer) -> int:
    size = math.prod(geometry.hardware_kernel(layer))
    # Kernels of fewer bits share a byte; the last byte may be filled in part only.
    per_byte = 8 // layer.weight_bits
    rest = kernels % per_byte * size * (per_byte - 1)
    bits = kernels * size * layer.weight_bits + rest
    return math.ceil(bits / specs.KERNEL_WORD_BITS)


def _flattened_words(
    layer: accelerator_layer.AcceleratorLayer, steps: int, spec: specs.Spec
) -> int:
    """Words that the tool writes for a flattened layer of `steps` values a processor.

    Outputs that only pad the last pass take a byte each with 8-bit weights, and nothing
    with smaller ones.
    """
    per_byte = 8 // layer.weight_bits
    outputs, rest = divmod(layer.out_channels, per_byte)
    count = geometry.start_column(layer, spec) // per_byte
    count += outputs * steps + math.ceil(rest * steps / per_byte)
    if per_byte == 1:
        out_passes = geometry.passes(layer.out_channels, spec)
        count += out_passes * layer.output_processors.bit_count() - layer.out_channels
    return math.ceil(8 * count / specs.KERNEL_WORD_BITS)


def _written(
    layer: accelerator_layer.AcceleratorLayer, size: KernelRange, spec: specs.Spec
) -> tuple[int, int]:
    """Words that are written, relative to the first: an unaligned output map skips."""
    if layer.flatten:
        return 0, size.words
    start = geometry.start_column(layer, spec)
    steps = geometry.passes(layer.in_channels, spec)
    kernel_bytes = math.prod(geometry.hardware_kernel(layer))
    skipped_words = start * kernel_bytes * steps * 8 // specs.KERNEL_WORD_BITS
    if geometry.passes(layer.out_channels, spec) == 1:
        return skipped_words, max(skipped_words + size.words, start + size.words)
    return skipped_words, start + size.words


def _first_free(taken: int, words: int) -> int:
    """First aligned word with enough free ones behind it; bits as in `taken`."""
    if not words:
        return 0
    # Behind what is taken, everything is free: here, as many words as may be asked for.
    length = taken.bit_length() + words + KERNEL_ALIGNMENT
    # Bit i: a run of `found` free words begins at word i. Runs double, so that a full
    # memory takes as many steps as `words` has bits, not one a kernel in it.
    free, found = ~taken & ((1 << length) - 1), 1
    while found < words:
        step = min(found, words - found)
        free &= free >> step
        found += step
    groups = -(-length // KERNEL_ALIGNMENT)
    aligned = ((1 << groups * KERNEL_ALIGNMENT) - 1) // ((1 << KERNEL_ALIGNMENT) - 1)
    return geometry.first_processor(free & aligned)
