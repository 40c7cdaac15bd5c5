"""The steps of a float graph with their weights: kernel calls without integers.

What is fused, padded and concatenated is decided by `fusion`, and what is refused by
`constraints`, for the estimate, for training and for the export alike. Here each step
becomes the call of `program` that computes it, and its weights get the chip's order: a
`Linear` reads the values of a plane in the order channel, row, column.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from tfpipeline.ir import graph
from tfpipeline.targets.gap8 import (
    constraints,
    fusion,
    l2_plan,
    program,
    program_steps,
    steps,
    violation,
)

Array = graph.Array

_KINDS = {
    operation: kind
    for kind, operations in program_steps.OPERATIONS.items()
    for operation in operations
}

# Layers whose results set formats; the others keep those of their inputs.
MEASURED = (program.Weighted, program.Add)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Step:
    """One call of a kernel, with float weights or none.

    Attributes:
        kind: the class of `program` that it becomes.
        name: of the graph's layer.
        inputs: names of tensors that it reads.
        output: the tensor that it writes, behind what it does besides.
        measured: the graph's tensor whose magnitude before any ReLU sets the format.
        shape: of the output.
        weights: float32, as the program orders them.
        bias: float32 `[outputs]`.
        fields: what else the class takes, but its integers.
    """

    kind: type[program.Layer]
    name: str
    inputs: tuple[str, ...]
    output: str
    measured: str
    shape: program.Shape
    weights: Array | None = None
    bias: Array | None = None
    fields: Mapping[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Draft:
    """The calls of a network, in order; as `program.Program` but for the integers."""

    name: str
    input: str
    input_shape: program.Shape
    steps: tuple[Step, ...]
    outputs: tuple[str, ...]
    notes: tuple[str, ...]

    def readers(self, name: str) -> int:
        """How often a tensor is read, by steps and as a result."""
        reads = sum(step.inputs.count(name) for step in self.steps)
        return reads + self.outputs.count(name)

    def measured(self, name: str) -> tuple[str, ...]:
        """The tensors whose magnitudes decide the format of a tensor."""
        writer = next((step for step in self.steps if step.output == name), None)
        if writer is None:
            return (name,)
        if issubclass(writer.kind, MEASURED):
            return (writer.measured,)
        return tuple(each for source in writer.inputs for each in self.measured(source))


def require_runnable(g: graph.Graph, num_bits: int) -> steps.Network:
    """Checks that the chip can run a graph.

    Args:
        g: well-formed, batch normalizations folded.
        num_bits: 16 or 8, of data and weights.

    Returns:
        Its steps.

    Raises:
        TargetError: it breaks a constraint.
    """
    net = fusion.fuse(g)
    plan = l2_plan.plan(net, bits=num_bits)
    constraints.require_runnable(violation.Case(graph=g, plan=plan))
    return net


def lower(g: graph.Graph, num_bits: int) -> Draft:
    """The kernel calls of a well-formed float graph with batch normalizations folded.

    Args:
        g: the graph.
        num_bits: 16 or 8, of data and weights.

    Raises:
        TargetError: it breaks a constraint.
    """
    net = require_runnable(g, num_bits)
    # What is copied into a concatenation is part of it.
    computed = [step for step in net.steps if step.operation != steps.COPY]
    calls = []
    for time in range(len(computed) + 1):
        calls += [_concat(net, join) for join in net.joins if join.time == time]
        calls += [_call(g, step) for step in computed[time : time + 1]]
    return Draft(
        name=net.name,
        input=net.inputs[0],
        input_shape=net.shapes[net.inputs[0]],
        steps=tuple(calls),
        outputs=net.outputs,
        notes=net.notes,
    )


def _concat(net: steps.Network, join: steps.Join) -> Step:
    return Step(
        kind=program.Concat,
        name=join.name,
        inputs=join.parts,
        output=join.output,
        measured=join.output,
        shape=net.shapes[join.output],
    )


def _call(g: graph.Graph, step: steps.Step) -> Step:
    fields: dict[str, Any] = {"relu": "relu" in step.activations}
    weights: Array | None = None
    bias: Array | None = None
    if step.operation in (steps.CONV, steps.DEPTHWISE):
        assert step.window is not None
        fields |= {
            "strides": step.window.strides,
            "padding": step.window.padding,
            "dilation": step.window.dilation,
            "groups": step.groups,
            "pool": None if step.pool is None else _window(step.pool.window),
        }
    elif step.window is not None:
        fields["window"] = _window(step.window)
    if isinstance(step.layer, graph.Weighted):
        weights = _weights(g, step, step.layer)
        bias = np.zeros(step.bias_elements, np.float32)
        if step.layer.bias is not None:
            bias = g.constants[step.layer.bias].reshape(-1)
    return Step(
        kind=_KINDS[step.operation],
        name=step.name,
        inputs=step.inputs,
        output=step.output,
        measured=step.measured,
        shape=step.result,
        weights=weights,
        bias=bias,
        fields=fields,
    )


def _window(window: steps.Window) -> program.Window:
    return program.Window(window.size, window.strides, window.padding)


def _weights(g: graph.Graph, step: steps.Step, layer: graph.Weighted) -> Array:
    """The kernel: outputs, inputs of a group, rows, columns; outputs, inputs."""
    kernel = g.constants[layer.weights]
    if step.operation == steps.LINEAR:
        channels, rows, columns = step.source
        planes = kernel.reshape(-1, rows, columns, channels).transpose(0, 3, 1, 2)
        return planes.reshape(len(kernel), -1)
    if isinstance(layer, graph.DepthwiseConv2D):
        # [1, rows, columns, outputs]
        return kernel.transpose(3, 0, 1, 2)
    if isinstance(layer, graph.Dense):
        return kernel[:, :, None, None]
    if isinstance(layer, graph.Conv1D):
        kernel = kernel[:, None]
    return kernel.transpose(0, 3, 1, 2)
