"""What TensorFlow Lite Micro derives from the scales of an LSTM and of an SVDF."""

import dataclasses
import functools
import math

import numpy as np

from tfpipeline.ir import graph
from tfpipeline.simulate import activation_functions, derived, fixed_point

Array = graph.Array

# What the gates' functions read, Q3.12, and write, Q0.15: lstm_eval_common.cc,
# PrepareGateParametersInteger.
GATE_SCALE, FUNCTION_SCALE = 2.0**-12, 2.0**-15


@dataclasses.dataclass(frozen=True)
class Gate:
    """Both products of a gate: kernels without zero points, factors, and the bias."""

    input_kernel: Array
    input_factor: derived.Factor
    recurrent_kernel: Array
    recurrent_factor: derived.Factor
    bias: Array


@dataclasses.dataclass(frozen=True)
class Cell:
    """How the states follow from the gates; `clip` is `None` where nothing is clipped.

    `tanh` are the multiplier and the right shift of the cell's integers.
    """

    forget: derived.Factor
    taken_in: derived.Factor
    hidden: derived.Factor
    clip: int | None
    tanh: derived.Factor


def gates(g: graph.Graph, layer: graph.Lstm) -> list[Gate]:
    """The input, forget, cell and output gate."""
    source = derived.scale(g, layer.inputs[0])
    hidden = derived.scale(g, layer.states[0])

    def product(name: str, scale: float) -> tuple[Array, derived.Factor]:
        quant = derived.quant(g, name)
        kernel = g.constants[name].astype(np.int64) - quant.zero_point[0]
        real = scale * quant.scale[0] / GATE_SCALE
        return kernel, fixed_point.quantize_multiplier(real)

    return [
        Gate(
            *product(first, source),
            *product(second, hidden),
            g.constants[bias].astype(np.int64),
        )
        for first, second, bias in zip(
            layer.input_weights, layer.recurrent_weights, layer.biases, strict=True
        )
    ]


def cell(g: graph.Graph, layer: graph.Lstm) -> Cell:
    """CreateInterGateMulParams and CreateLstmCellStateInfo of lstm_eval_common.cc."""
    scale = derived.scale(g, layer.states[1])
    hidden = derived.scale(g, layer.states[0])
    clip = None
    if layer.cell_clip > 0:
        limit = float(np.float32(layer.cell_clip)) / scale
        clip = int(min(max(limit, -32768.0), 32767.0))
    return Cell(
        forget=fixed_point.quantize_multiplier(FUNCTION_SCALE * scale / scale),
        taken_in=fixed_point.quantize_multiplier(FUNCTION_SCALE**2 / scale),
        hidden=fixed_point.quantize_multiplier(FUNCTION_SCALE**2 / hidden),
        clip=clip,
        tanh=tanh_factor(scale),
    )


def cell_power(scale: float) -> int | None:
    """`n` where a scale is `2**n`; the interpreter rounds others to one."""
    fraction, exponent = math.frexp(scale)
    return exponent - 1 if fraction == 0.5 else None


def tanh_factor(scale: float) -> derived.Factor:
    """Of a cell's integers: `Tanh` of lstm_eval.cc."""
    power = cell_power(scale)
    assert power is not None, "support.py refuses it"
    shift = power + 12
    return (3, -shift) if shift < 0 else (3 << shift, 0)


@functools.cache
def sigmoid_table() -> Array:
    """The sigmoid of each gate's integer from -32768 on, int64."""
    quant = graph.QuantParams((GATE_SCALE,), (0,), 16)
    return _table(activation_functions.function("sigmoid", quant, quant))


@functools.cache
def tanh_table(multiplier: int, shift: int) -> Array:
    """The hyperbolic tangent, likewise."""
    return _table(activation_functions.tanh16(multiplier, shift))


def _table(function: activation_functions.Function) -> Array:
    return np.array([function(value) for value in range(-(2**15), 2**15)], np.int64)


def svdf_factors(
    g: graph.Graph, layer: graph.Svdf
) -> tuple[derived.Factor, derived.Factor]:
    """Into the state, and out of it: PrepareSvdf, whose products are float32."""
    source, kernel, time, state, result = (
        np.float32(derived.scale(g, name))
        for name in (
            *(layer.inputs[0], layer.weights, layer.time_weights),
            *(layer.states[0], layer.output),
        )
    )
    reals = (source * kernel / state, state * time / result)
    first, second = (fixed_point.quantize_multiplier(float(real)) for real in reals)
    return first, second
