"""What no placement can mend: a network, or a tensor in it, that is too large."""

import math
from collections.abc import Iterator, Sequence

from tfpipeline.targets.max78000 import accelerator_layer, geometry
from tfpipeline.targets.max78000 import spec as specs


def violations(
    layers: Sequence[accelerator_layer.AcceleratorLayer], spec: specs.Spec
) -> tuple[str, ...]:
    """Limits of the device that the network exceeds, one line each."""
    found = []
    if len(layers) > spec.max_layers:
        found.append(f"{spec.name} runs {spec.max_layers} layers; found {len(layers)}")
    for index, layer in enumerate(layers):
        is_last = index == len(layers) - 1
        found += [
            f"layer {index}: {what} must be at most {limit}; found {value}"
            for what, limit, value in _sizes(layer, is_last, spec)
            if value > limit
        ]
    return tuple(found)


def output_instance_bytes(
    layer: accelerator_layer.AcceleratorLayer, spec: specs.Spec
) -> int:
    """Bytes that the output takes in each memory instance it touches.

    An instance holds a byte of each of its processors for every pixel and pass, and
    four for 32-bit outputs (tool: backend/max7800x.py).
    """
    pixels = math.prod(layer.out_dim) * geometry.passes(layer.out_channels, spec)
    return pixels * spec.processors_per_memory * layer.output_width // 8


def _sizes(
    layer: accelerator_layer.AcceleratorLayer, is_last: bool, spec: specs.Spec
) -> Iterator[tuple[str, int, int]]:
    yield "input channels", spec.max_channels, layer.in_channels
    yield "output channels", spec.max_channels, layer.out_channels
    yield "rows and columns", spec.max_dim, max(*layer.in_dim, *layer.out_dim)
    if layer.flatten:
        pixels = math.prod(layer.pooled_dim)
        yield "flattened pixels", spec.max_flatten_pixels, pixels
    # A layer that streams hands its output on before it is complete.
    if is_last or not layer.streaming:
        size = output_instance_bytes(layer, spec)
        yield "output bytes a memory instance", spec.memory_instance_bytes, size
