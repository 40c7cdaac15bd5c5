"""Data memory: tensors that are too large wherever they lie."""

import math
from collections.abc import Iterator, Sequence

from tfpipeline.targets.max78000 import accelerator_layer, geometry, shortage
from tfpipeline.targets.max78000 import spec as specs


def shortages(
    layers: Sequence[accelerator_layer.AcceleratorLayer], spec: specs.Spec
) -> tuple[shortage.Shortage, ...]:
    """The input, operands together, and outputs that exceed a memory instance."""
    return tuple(
        shortage.Shortage(
            spec.name, shortage.DATA, index, size, spec.memory_instance_bytes
        )
        for index, size in _sizes(layers, spec)
        if size > spec.memory_instance_bytes
    )


def output_instance_bytes(
    layer: accelerator_layer.AcceleratorLayer, spec: specs.Spec
) -> int:
    """Bytes that the output takes in each memory instance it touches.

    An instance holds a byte of each of its processors for every pixel and pass, and
    four for 32-bit outputs (tool: backend/max7800x.py).
    """
    pixels = math.prod(layer.out_dim) * geometry.passes(layer.out_channels, spec)
    return pixels * spec.processors_per_memory * layer.output_width // 8


def input_instance_bytes(
    layer: accelerator_layer.AcceleratorLayer, spec: specs.Spec
) -> int:
    """Bytes that a tensor to read takes in each memory instance it touches.

    Channels that have an instance each lie there byte by byte (CHW), others four in a
    word (tool: backend/max7800x.py).
    """
    pixels = math.prod(layer.in_dim) * geometry.passes(layer.in_channels, spec)
    size = spec.processors_per_memory
    instances = {
        processor // size
        for processor in range(spec.processors)
        if layer.processors >> processor & 1
    }
    return pixels if len(instances) == layer.in_channels else pixels * size


def _sizes(
    layers: Sequence[accelerator_layer.AcceleratorLayer], spec: specs.Spec
) -> Iterator[tuple[int, int]]:
    # Layers that stream hand data on before they have all of them.
    if layers and not layers[0].streaming:
        yield shortage.INPUT, input_instance_bytes(layers[0], spec)
    for index, layer in enumerate(layers):
        if layer.operands > 1:
            # They lie interleaved, pixel by pixel.
            yield index, layer.operands * input_instance_bytes(layer, spec)
        if index == len(layers) - 1 or not layer.streaming:
            yield index, output_instance_bytes(layer, spec)
