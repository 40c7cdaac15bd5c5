"""Accelerator layers and the integers of their graph, put together into a program.

Kernels change from the graph's layout to that of `program`: a 1-D kernel becomes a
column; that of a transposed convolution is turned around, because the device correlates
it with the spread data; the inputs of a dense layer behind a flatten go from the order
row, column, channel to channel, row, column.
"""

import itertools
import math

import numpy as np

from tfpipeline import errors
from tfpipeline.ir import graph
from tfpipeline.targets.max78000 import (
    arithmetic,
    graph_view,
    lowering,
    moves,
    program,
    quantize,
)

Array = graph.Array


def assemble(lowered: lowering.Lowered, g: graph.Graph) -> program.Program:
    """The program that computes what a quantized graph does.

    Args:
        lowered: of `g`, with the `wide_output` that `g` was quantized with.
        g: a graph of integers, as from `quantize.quantize`.

    Raises:
        TargetError: the device cannot run it; all reasons.
        GraphError: `lowered` is of another graph, or `g` not of this scheme.
    """
    if lowered.violations or not lowered.steps:
        reasons = [*map(str, lowered.violations)] or ["it has no layers"]
        raise errors.TargetError(
            errors.told(f"'{g.name[:60]}' cannot run on {lowered.spec.name}: ", reasons)
        )
    numbers = itertools.count()
    layers = tuple(
        _move(step, next(numbers)) if step.kind == moves.KIND else _layer(step, g)
        for step in lowered.steps
    )
    return program.Program(input_shape=_input_shape(g), layers=layers)


def _move(step: lowering.LoweredLayer, number: int) -> program.Layer:
    weights, output_shift = moves.identity(number, step.layer.in_channels)
    return program.Layer(
        hardware=step.layer,
        inputs=tuple(index for operand in step.operands for index in operand),
        weights=weights,
        output_shift=output_shift,
    )


def _layer(step: lowering.LoweredLayer, g: graph.Graph) -> program.Layer:
    inputs = tuple(index for operand in step.operands for index in operand)
    hardware = step.layer
    if not hardware.convolves:
        return program.Layer(hardware=hardware, inputs=inputs)
    layer = next((each for each in g.layers if each.name == step.name), None)
    wide = hardware.output_width == 32
    if not isinstance(layer, graph.Weighted):
        raise errors.GraphError(f"'{step.name}' is no layer with weights of '{g.name}'")
    written = g.tensors[layer.output].dtype
    if wide != (written == "int32"):
        raise errors.GraphError(
            f"{layer.kind} '{layer.name}' writes {written} in the graph and "
            f"{hardware.output_width} bits on the device; lower it with the same "
            "wide_output that it was quantized with"
        )
    shape = (hardware.out_channels, *hardware.kernel, -1)
    return program.Layer(
        hardware=hardware,
        inputs=inputs,
        weights=_kernel(step, layer, g.constants[layer.weights]).reshape(shape),
        bias=None if step.bias is None else _bias(layer, g.constants[step.bias]),
        output_shift=quantize.output_shift(g, layer),
    )


def _kernel(
    step: lowering.LoweredLayer, layer: graph.Weighted, weights: Array
) -> Array:
    if isinstance(layer, graph.DepthwiseConv2D):
        return weights.transpose(3, 1, 2, 0)
    if isinstance(layer, graph.TransposeConv2D):
        return weights[:, ::-1, ::-1]
    if step.flattened is not None:
        return weights.reshape(-1, *step.flattened).transpose(0, 3, 1, 2)
    return weights


def _bias(layer: graph.Weighted, bias: Array) -> Array:
    values = bias.ravel() >> arithmetic.FRACTION_BITS
    stored = values.astype(np.int8)
    if not np.array_equal(
        stored.astype(np.int64) << arithmetic.FRACTION_BITS, bias.ravel()
    ):
        raise errors.GraphError(
            f"{layer.kind} '{layer.name}': the bias must be 128 times an int8"
        )
    return stored


def _input_shape(g: graph.Graph) -> program.Shape:
    """Of what the host loads, behind a folding of the input; lines are columns."""
    shape = g.tensors[graph_view.view(g).inputs[0]].shape
    rows, columns = (*shape[1:-1], 1, 1)[:2]
    return rows, columns, math.prod(shape[1:]) // (rows * columns)
