"""What the integers of a network have lost: kernels of zeros, biases cut off.

A bias has the scale of its layer's input times that of its kernel. Where that scale was
chosen by the kernel alone, a bias may not fit its integers, and where by the bias
alone, all weights may be 0. Neither shows in a comparison of interpreters.
"""

from collections.abc import Iterator

import numpy as np

from tfpipeline import errors
from tfpipeline.ir import graph, layer_rules, tflite_file, tflite_operation
from tfpipeline.numerics import affine

# Operator -> positions of its kernel and of its bias, and the kernel's channel axis.
_OPERANDS = {
    "CONV_2D": (1, 2, 0),
    "DEPTHWISE_CONV_2D": (1, 2, -1),
    "FULLY_CONNECTED": (1, 2, 0),
    "TRANSPOSE_CONV": (1, 3, 0),
}
_INTEGERS = ("int4", "int8", "int16", "int32", "int64")


def notes(g: graph.Graph) -> tuple[str, ...]:
    """One line for each loss of a layer of an integer graph; none of a float one."""
    return tuple(
        f"{layer.kind} '{layer.name}': {loss}"
        for layer in g.layers
        if isinstance(layer, graph.Weighted)
        and g.tensors[layer.weights].dtype in _INTEGERS
        for loss in _losses(
            g.constants[layer.weights],
            layer_rules.channel_axis(layer, g.tensors[layer.weights].shape),
            None if layer.bias is None else g.constants[layer.bias],
        )
    )


def notes_of_file(program: tflite_file.Program) -> tuple[str, ...]:
    """As `notes`, of any `.tflite`, whatever other operators it has."""
    lines = []
    for operator in program.operators:
        if operator.name not in _OPERANDS:
            continue
        at_kernel, at_bias, axis = _OPERANDS[operator.name]
        kernel = _constant(program, operator, at_kernel)
        bias = _constant(program, operator, at_bias)
        if kernel is None or not kernel.ndim:
            continue
        lines += [
            f"operator {operator.index} {operator.name}: {loss}"
            for loss in _losses(kernel, axis % kernel.ndim, bias)
        ]
    return tuple(lines)


def _constant(
    program: tflite_file.Program, operator: tflite_file.Operator, position: int
) -> graph.Array | None:
    """The integers of an operand; `None` where it has none."""
    if position >= len(operator.inputs) or operator.inputs[position] < 0:
        return None
    tensor = program.tensors[operator.inputs[position]]
    if tensor.data is None or tensor.dtype not in _INTEGERS:
        return None
    try:
        return tflite_operation.constant(tensor)
    except errors.GraphError:
        # Indices into tables, in a file of which TFLite Micro decodes the weights.
        return None


def _losses(kernel: graph.Array, axis: int, bias: graph.Array | None) -> Iterator[str]:
    others = tuple(i for i in range(kernel.ndim) if i != axis)
    alive = kernel.any(axis=others)
    if not alive.any():
        yield "all its weights are 0, so its output is the same for every image"
    elif dead := int((~alive).sum()):
        yield (
            f"the weights of {dead} of its {alive.size} channels are all 0, so what "
            "they write is the same for every image"
        )
    if bias is not None and (count := saturated(bias)):
        yield (
            f"{count} of its {bias.size} biases are cut off at the ends of "
            f"{bias.dtype}, as the scale of its weights leaves no room for them; what "
            "was trained is lost"
        )


def saturated(bias: graph.Array) -> int:
    """How many integers lie at or beyond the ends of what sums may hold."""
    if bias.dtype not in (np.int32, np.int64):
        return 0
    end = affine.sum_end(bias.dtype.name)
    return int(((bias <= -end) | (bias >= end - 1)).sum())
