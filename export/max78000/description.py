"""The network description that the vendor's synthesis tool reads (`network.yaml`).

Source of the keys and of what they mean: ai8x-synthesis ab4f4c0, izer/yamlcfg.py and
README.md.
"""

import math
from collections.abc import Iterator, Sequence

from export.c import literals
from tfpipeline.targets.max78000 import (
    accelerator_layer,
    data_memory,
    lowering,
    placement,
    program,
)

_OPERATORS = {"linear": "mlp"}


def text(
    lowered: lowering.Lowered,
    placed: placement.Placement,
    p: program.Program,
    name: str,
) -> str:
    """The file's text.

    Args:
        lowered: the layers.
        placed: where their data lie.
        p: the same layers with their integers.
        name: of network and data set, see `identifier`; the checkpoint has the same.
    """
    lines = [f"# {lowered.name} on the {lowered.spec.name.upper()}", "---"]
    lines += [f"arch: {name}", f"dataset: {name}", "", "layers:"]
    shifts = [layer.output_shift for layer in p.layers]
    for index in range(len(lowered.steps)):
        keys = _keys(lowered, placed, index, shifts[index])
        step = lowered.steps[index]
        comment = literals.plain(", ".join(step.graph_layers) or step.name)
        lines.append(f"  # Layer {index}: {comment}")
        for position, (key, value) in enumerate(keys):
            lines.append(f"  {'- ' if position == 0 else '  '}{key}: {value}")
    return "\n".join(lines) + "\n"


def identifier(name: str) -> str:
    """A network's name as the tool takes it, also in names of files."""
    return literals.words(name)


def _keys(
    lowered: lowering.Lowered, placed: placement.Placement, index: int, shift: int
) -> Iterator[tuple[str, object]]:
    step = lowered.steps[index]
    layer, region = step.layer, placed.data.outputs[index]
    yield "processors", _map(layer.processors)
    yield "output_processors", _map(layer.output_processors)
    yield "in_offset", f"{placed.data.in_offsets[index]:#06x}"
    yield "out_offset", f"{region.offset:#06x}"
    if region.write_gap:
        yield "write_gap", region.write_gap
    if index == 0:
        yield "data_format", lowered.input_format
    if layer.streaming:
        yield "streaming", "true"
    yield from _source_keys(lowered, index)
    yield from _operation_keys(layer)
    if layer.convolves:
        yield "quantization", layer.weight_bits
        yield "output_shift", shift - (8 - layer.weight_bits)
    if layer.output_width != 8:
        yield "output_width", layer.output_width
    if len(lowered.outputs) > 1 and index in lowered.outputs:
        yield "output", "true"


def _source_keys(lowered: lowering.Lowered, index: int) -> Iterator[tuple[str, object]]:
    step = lowered.steps[index]
    sources = [part for parts in step.operands for part in parts]
    if sources != [index - 1]:
        yield "in_sequences", sources
        joins_pixels = any(
            data_memory.are_pixels(lowered.layers, step.layer, parts)
            for parts in step.operands
        )
        if step.layer.flatten:
            # Which the tool does not multiply itself where it is told the sources.
            yield "in_channels", step.layer.in_channels * math.prod(step.layer.in_dim)
        elif joins_pixels:
            # Of which the tool would make as many more as there are parts.
            yield "in_channels", step.layer.in_channels
    first = lowered.steps[0].layer.in_dim
    source = sources[0]
    is_input = source == lowering.INPUT
    written = first if is_input else lowered.steps[source].layer.out_dim
    if written != step.layer.in_dim:
        yield "in_dim", list(step.layer.in_dim)


def _operation_keys(
    layer: accelerator_layer.AcceleratorLayer,
) -> Iterator[tuple[str, object]]:
    yield "op", _OPERATORS.get(layer.operator, layer.operator)
    if layer.eltwise is not None:
        yield "eltwise", layer.eltwise
        if layer.operands > 2:
            yield "operands", layer.operands
        if not layer.pool_first:
            yield "pool_first", "false"
    if layer.window > 1 or layer.pool_stride != (1, 1):
        yield f"{layer.pool_type}_pool", _sides(layer.pool)
        yield "pool_stride", _sides(layer.pool_stride)
    if layer.flatten:
        yield "flatten", "true"
    if layer.operator == "conv1d":
        yield "kernel_size", layer.kernel[0]
        yield "pad", layer.pad[0]
        if layer.dilation[0] > 1:
            yield "dilation", layer.dilation[0]
    elif layer.operator in ("conv2d", "convtranspose2d"):
        yield "kernel_size", f"{layer.kernel[0]}x{layer.kernel[1]}"
        yield "pad", layer.pad[0]
    if layer.groups > 1:
        yield "groups", layer.groups
    if layer.convolves:
        yield "activate", layer.activation


def _sides(pair: Sequence[int]) -> int | list[int]:
    return pair[0] if pair[0] == pair[1] else list(pair)


def _map(processors: int) -> str:
    return f"{processors:#018x}"
