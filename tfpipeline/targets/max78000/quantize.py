"""A float network as the integers of the accelerator: the rule, stated once.

Activations are int8 in steps of 1/128, from -1 to 127/128. The kernel and the bias of a
layer share one scale, a power of two: with n = 2**(bits - 1) and

    shift = ceil(log2(the largest magnitude of kernel and bias / 2**(8 - bits)))

an integer is clip(floor(value * n / 2**shift + 1/2), -n, n - 1) and stands for
integer * 2**shift / n. A bias that is larger than 2**shift is clipped to -128 and 127
instead, because the device's biases have 8 bits beside weights of any width.
`shift_quantile` below 1 replaces the largest magnitude by that quantile of all
magnitudes, so that larger ones are clipped and the others finer.

Source: the vendor's ai8x-training c3d4eb1 (ai8x.py) and the quantizer of ai8x-synthesis
ab4f4c0 (quantize.py), which write the shift as -floor(log2(1 / magnitude)) and keep a
bias to the width of the weights always, so that a large one makes zeros of them. Here
the shift is taken from the exponent of the float32, so that no rounding of a logarithm
decides; and it keeps within what the register of the device holds, as in quantize.py.

In the quantized graph a bias is int32 at the scale input * kernel, as everywhere: 128
times the integer that the device stores. So scales say all, and shifts follow.
"""

import dataclasses
import math

import numpy as np

from tfpipeline import errors
from tfpipeline.ir import graph, verify
from tfpipeline.targets.max78000 import arithmetic, fusion
from tfpipeline.targets.max78000 import policy as policies
from tfpipeline.targets.max78000 import spec as specs

Array = graph.Array

ACTIVATION_SCALE = 2.0**-arithmetic.FRACTION_BITS
ACTIVATIONS = graph.QuantParams((ACTIVATION_SCALE,), (0,), 8)

# Kinds of layers that integers at one scale pass through, and functions likewise.
_MOVING = (
    graph.Weighted,
    graph.MaxPool,
    graph.AveragePool,
    graph.Mean,
    graph.Add,
    graph.Sub,
    graph.Concat,
    graph.Pad,
    graph.Reshape,
    graph.SpaceToDepth,
)
_FUNCTIONS = ("relu", "abs")
_CLAMPS = (graph.NO_CLAMP, graph.RELU)
# At the end of a network these are left to the host.
_HOST_FUNCTIONS = ("sigmoid", "tanh")


@dataclasses.dataclass(frozen=True, eq=False)
class LayerIntegers:
    """What a layer's kernel and bias become.

    Attributes:
        weights: int8, in the range of `weight_bits`, shaped as the kernel.
        bias: int8 in the same unit, or `None`.
        shift: one of `weights` stands for 2**shift / 2**(weight_bits - 1).
        weight_bits: 1, 2, 4 or 8.
    """

    weights: Array
    bias: Array | None
    shift: int
    weight_bits: int

    @property
    def scale(self) -> float:
        """What a weight of 1 stands for."""
        return 2.0 ** (self.shift - self.weight_bits + 1)


def shift_limits(weight_bits: int) -> tuple[int, int]:
    """Least and largest shift that the register holds with weights of this width.

    Its shift to the left is the layer's plus 8 - weight_bits, see `output_shift`.
    """
    implicit = 8 - weight_bits
    limit = arithmetic.MAX_OUTPUT_SHIFT
    return -limit - implicit, limit - implicit


def quantile_position(count: int, quantile: float) -> tuple[int, int, float]:
    """Indices of the two sorted values around a quantile, and the weight of the second.

    Linear interpolation, as `torch.quantile`.
    """
    position = quantile * (count - 1)
    below = math.floor(position)
    return below, min(below + 1, count - 1), position - below


def quantile_of(magnitudes: Array, quantile: float) -> np.float32:
    """A quantile of float32 values `[count]`, interpolated in float32."""
    below, above, weight = quantile_position(magnitudes.size, quantile)
    ordered = np.partition(magnitudes, (below, above))
    difference = (ordered[above] - ordered[below]) * np.float32(weight)
    return np.float32(ordered[below] + difference)


def bias_reach(weight_bits: int) -> float:
    """How many times as far as weights of this width a bias of 8 bits reaches."""
    return 2.0 ** (arithmetic.BIAS_BITS - weight_bits)


def weight_shift(
    kernel: Array,
    bias: Array | None,
    shift_quantile: float = 1.0,
    *,
    weight_bits: int = 8,
    bias_bits: int = arithmetic.BIAS_BITS,
) -> int:
    """Binary places by which a layer's weights reach beyond [-1, 1], negative inside.

    Args:
        kernel: float32 of any shape.
        bias: float32, or `None`.
        shift_quantile: 1.0 for the largest magnitude.
        weight_bits: decides what the device's register leaves room for.
        bias_bits: those that the bias may take, 8 or as many as weights.
    """
    parts = [np.ravel(kernel).astype(np.float32)]
    if bias is not None:
        reach = np.float32(2.0 ** (bias_bits - weight_bits))
        parts.append(np.ravel(bias).astype(np.float32) / reach)
    largest = quantile_of(np.abs(np.concatenate(parts)), shift_quantile)
    least, most = shift_limits(weight_bits)
    if not largest > 0:
        return least
    mantissa, exponent = np.frexp(largest)
    # A power of two is its own ceiling.
    shift = int(exponent) - (1 if mantissa == 0.5 else 0)
    return min(max(shift, least), most)


def quantize_layer(
    kernel: Array,
    bias: Array | None,
    weight_bits: int,
    shift_quantile: float = 1.0,
) -> LayerIntegers:
    """The integers of one layer; arguments as those of `weight_shift`."""
    shift, as_weights = (
        weight_shift(
            *(kernel, bias, shift_quantile), weight_bits=weight_bits, bias_bits=bits
        )
        for bits in (arithmetic.BIAS_BITS, weight_bits)
    )
    bias_bits = weight_bits if shift == as_weights else arithmetic.BIAS_BITS
    unit = np.float32(2.0 ** (shift - weight_bits + 1))

    def rounded(values: Array, num_bits: int) -> Array:
        # In float32, as the vendor's tools and the fake quantizer compute it.
        steps = np.floor(values.astype(np.float32) / unit + np.float32(0.5))
        ends = arithmetic.weight_range(num_bits)
        result: Array = np.clip(steps, *ends).astype(np.int8)
        return result

    return LayerIntegers(
        rounded(kernel, weight_bits),
        None if bias is None else rounded(bias, bias_bits),
        shift,
        weight_bits,
    )


def quantize_activations(values: Array) -> Array:
    """Int8 of real values: to the nearest 1/128, halves upwards, saturated."""
    steps = np.floor(values * np.float32(1 / ACTIVATION_SCALE) + np.float32(0.5))
    limits = (arithmetic.MIN_VALUE, arithmetic.MAX_VALUE)
    result: Array = np.clip(steps, *limits).astype(np.int8)
    return result


def quantize(
    g: graph.Graph,
    policy: policies.Policy | None = None,
    *,
    wide_output: bool = True,
) -> graph.Graph:
    """A float graph as a graph of the accelerator's integers.

    Args:
        g: well-formed, batch normalizations folded, activations within [-1, 127/128]
            (others saturate).
        policy: bits of the weights; 8 everywhere if `None`.
        wide_output: whether the last layer writes int32 where `lowering` can do so.

    Returns:
        Layers, names and shapes as in `g`; a softmax or the like at the end, which is
        the host's, is left out.

    Raises:
        QuantizationError: naming the layers that have no such form.
        UsageError: the policy names a layer that the graph does not have.
    """
    policy = policy or policies.Policy()
    g = _on_device(g)
    _check(g, policy)
    wide = _wide_tensors(g) if wide_output else ()
    activations = {
        name: dataclasses.replace(tensor, dtype="int8", quant=ACTIVATIONS)
        for name, tensor in g.tensors.items()
        if name not in g.constants
    }
    state = _State(g, policy, activations)
    layers = tuple(state.layer(layer, wide) for layer in g.layers)
    shell = dataclasses.replace(g, layers=layers)
    used = list(graph.tensor_names(shell))
    return verify.require(
        dataclasses.replace(
            shell,
            tensors={name: state.tensors[name] for name in used},
            constants={n: state.constants[n] for n in used if n in state.constants},
        )
    )


def output_shift(g: graph.Graph, layer: graph.Weighted) -> int:
    """What the register of a layer holds, from the scales of a quantized graph.

    The network description and the checkpoint have it without 8 - weight_bits; there
    it is 0 for an output of 32 bits, to which nothing is applied.

    Raises:
        GraphError: scales that are not of this scheme.
    """
    source, kernel, result = (
        g.tensors[name] for name in (layer.inputs[0], layer.weights, layer.output)
    )
    scales = kernel.quant.scale if kernel.quant is not None else ()
    mantissa, exponent = math.frexp(scales[0]) if len(scales) == 1 else (0.0, 0)
    is_result = result.dtype == "int32" or result.quant == ACTIVATIONS
    if source.quant != ACTIVATIONS or not is_result or mantissa != 0.5:
        raise errors.GraphError(
            f"{layer.kind} '{layer.name}' is not quantized for the MAX78000: its data "
            "must be int8 in steps of 1/128 and its kernel have one scale, a power of "
            "two; use targets.max78000.quantize"
        )
    if result.dtype == "int32":
        return 8 - kernel.num_bits
    return exponent - 1 + arithmetic.FRACTION_BITS


class _State:
    """The integer graph in the making."""

    def __init__(
        self,
        g: graph.Graph,
        policy: policies.Policy,
        tensors: dict[str, graph.Tensor],
    ):
        self._g = g
        self._policy = policy
        self.tensors = tensors
        self.constants: dict[str, Array] = {}

    def layer(self, layer: graph.Layer, wide: tuple[str, ...]) -> graph.Layer:
        """The layer with its constants, which it may have shared with others."""
        if not isinstance(layer, graph.Weighted):
            source = self.tensors[layer.inputs[0]]
            if source.dtype == "int32":
                self._set_type(layer.output, source.dtype, source.quant)
            return layer
        bits = self._policy.bits(layer.name)
        found = quantize_layer(
            self._g.constants[layer.weights],
            None if layer.bias is None else self._g.constants[layer.bias],
            bits,
            self._policy.shift_quantile,
        )
        kernel = graph.QuantParams((found.scale,), (0,), bits)
        sums = graph.QuantParams((found.scale * ACTIVATION_SCALE,), (0,), 32)
        if layer.output in wide:
            self._set_type(layer.output, "int32", sums)
        weights = self._constant(layer.weights, found.weights, kernel)
        bias = None
        if layer.bias is not None:
            assert found.bias is not None
            scaled = found.bias.astype(np.int32) << arithmetic.FRACTION_BITS
            bias = self._constant(layer.bias, scaled, sums)
        return dataclasses.replace(layer, weights=weights, bias=bias)

    def _set_type(self, name: str, dtype: str, quant: graph.QuantParams | None) -> None:
        tensor = self.tensors[name]
        self.tensors[name] = dataclasses.replace(tensor, dtype=dtype, quant=quant)

    def _constant(self, name: str, values: Array, quant: graph.QuantParams) -> str:
        number, free = 0, name
        while free in self.tensors:
            same = self.tensors[free].quant == quant
            if same and np.array_equal(self.constants[free], values):
                return free
            number += 1
            free = f"{name}#{number}"
        self.tensors[free] = graph.Tensor(free, values.shape, values.dtype.name, quant)
        self.constants[free] = values
        return free


def _on_device(g: graph.Graph) -> graph.Graph:
    """The graph without what the host does behind the last layer of the device."""
    layers, outputs = list(g.layers), list(g.outputs)
    while layers and _is_for_host(layers[-1]) and layers[-1].output in outputs:
        last = layers.pop()
        outputs[outputs.index(last.output)] = last.inputs[0]
    shell = dataclasses.replace(g, layers=tuple(layers), outputs=tuple(outputs))
    used = set(graph.tensor_names(shell))
    return dataclasses.replace(
        shell,
        tensors={name: t for name, t in g.tensors.items() if name in used},
        constants={name: c for name, c in g.constants.items() if name in used},
    )


def _is_for_host(layer: graph.Layer) -> bool:
    if isinstance(layer, graph.Activation):
        return layer.function in _HOST_FUNCTIONS
    return isinstance(layer, (graph.Softmax, graph.Position))


def _wide_tensors(g: graph.Graph) -> tuple[str, ...]:
    network = fusion.draft_network(g, specs.MAX78000, wide_output=True)
    return tuple(each.output for each in network.layers if each.output_width == 32)


def _check(g: graph.Graph, policy: policies.Policy) -> None:
    names = [layer.name for layer in g.layers if isinstance(layer, graph.Weighted)]
    policy.check_names(tuple(names), g.name)
    floats = {tensor.dtype for tensor in g.tensors.values()} == {"float32"}
    if not floats or not g.layers:
        raise errors.QuantizationError(
            f"graph '{g.name}' must be float32 and have layers to be quantized"
        )
    faults = [fault for layer in g.layers if (fault := _fault(g, layer))]
    if faults:
        raise errors.QuantizationError(errors.told("", faults))


def _fault(g: graph.Graph, layer: graph.Layer) -> str:
    """Why a layer has no integers of this scheme; empty if it has."""
    clamp = getattr(layer, "clamp", graph.NO_CLAMP)
    subject = f"{layer.kind} '{layer.name}'"
    if isinstance(layer, graph.Activation):
        if layer.function in _FUNCTIONS:
            return ""
        return f"{subject}: {layer.function} must be one of {', '.join(_FUNCTIONS)}"
    if not isinstance(layer, _MOVING):
        names = ", ".join(kind.__name__ for kind in _MOVING[1:])
        return f"{subject}: no layer of the MAX78000; use a convolution, Dense, {names}"
    if clamp not in _CLAMPS:
        limits = f"{clamp.minimum:g}..{clamp.maximum:g}"
        return f"{subject}: a clamp to {limits} must be a plain ReLU"
    if not isinstance(layer, graph.Weighted):
        constant = [name for name in layer.inputs if name in g.constants]
        return f"{subject}: the constant operand '{constant[0]}'" if constant else ""
    return ""
