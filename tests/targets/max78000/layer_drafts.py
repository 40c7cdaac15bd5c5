"""Accelerator layers, as the drafts that they are the answer to."""

import dataclasses
from collections.abc import Sequence

from tfpipeline.targets.max78000 import accelerator_layer, constraints, draft, violation
from tfpipeline.targets.max78000 import spec as specs


def check(
    layers: Sequence[accelerator_layer.AcceleratorLayer], spec: specs.Spec
) -> tuple[violation.Violation, ...]:
    """All breaches in a network that is given as accelerator layers."""
    return constraints.check(of_layers(layers), spec) if layers else ()


def of_layer(layer: accelerator_layer.AcceleratorLayer, index: int) -> draft.Layer:
    """The draft that an accelerator layer is the answer to; its position names it."""
    rows, columns = layer.pad
    padding: draft.Sides = ((rows, rows), (columns, columns))
    if layer.operator == "convtranspose2d":
        # The device cuts `pad` in front and one less behind.
        padding = ((rows, rows - 1), (columns, columns - 1))
    name = f"layer {index}" if layer.name is None else layer.name
    shared = {field.name for field in dataclasses.fields(draft.Layer)} & {
        field.name for field in dataclasses.fields(layer)
    }
    values = {field: getattr(layer, field) for field in shared - {"name", "bias"}}
    return draft.Layer(
        **values
        | {
            "kind": layer.operator,
            "name": name,
            "out_dim": layer.out_dim,
            "padding": padding,
            "bias": "bias" if layer.bias else None,
            "operands": tuple(f"operand {i} of {index}" for i in range(layer.operands)),
            "output": f"output of {index}",
        }
    )


def of_layers(
    layers: Sequence[accelerator_layer.AcceleratorLayer], name: str = ""
) -> draft.Network:
    """The draft of a network given as accelerator layers, at least one."""
    streams = any(layer.streaming for layer in layers)
    drafts = tuple(of_layer(layer, index) for index, layer in enumerate(layers))
    return draft.Network(
        name=name,
        layers=drafts,
        inputs=drafts[0].operands[:1],
        in_channels=layers[0].in_channels,
        in_dim=layers[0].in_dim,
        input_mode="fifo" if streams else "memory",
        maps={
            name: processors
            for asked, layer in zip(drafts, layers, strict=True)
            for name, processors in (
                (asked.operands[0], layer.processors),
                (asked.output, layer.output_processors),
            )
        },
    )
