"""Weights of fewer bits in an int8 network, without training: `wi4_ai8` and others.

Each kernel is quantized anew, symmetric and narrow, by the rules of
`numerics.layer_weights`. There is a scale an output channel, but one a kernel for dense
layers where they are to be read in 4 bits, as the runtime insists. Activations keep
their integers. Biases are rounded to the scale of the new sums.

The weights come from the float network, where it is given, else from the integers of 8
bits, whose rounding then comes on top.
"""

import dataclasses
from collections.abc import Mapping

import numpy as np

from export.tflite import int4_kernels, lowering
from tfpipeline import errors
from tfpipeline.ir import graph, layer_rules, verify
from tfpipeline.numerics import affine, layer_weights


@dataclasses.dataclass(frozen=True)
class Narrowed:
    """A network with narrow weights.

    Attributes:
        graph: the network.
        narrowed: names of the layers whose kernels have fewer bits.
        kept: name and reason of each layer whose kernel keeps its 8 bits.
    """

    graph: graph.Graph
    narrowed: tuple[str, ...]
    kept: tuple[tuple[str, str], ...]


def narrow(
    g: graph.Graph,
    num_bits: int,
    *,
    packed: bool = True,
    float_graph: graph.Graph | None = None,
) -> Narrowed:
    """Quantizes the kernels of an int8 network to `num_bits`.

    Args:
        g: a verified graph of int8 activations and weights.
        num_bits: 2 to 7.
        packed: the kernels are to be stored as the runtime reads them, which it does
            in 4 bits only and in the kinds of `int4_kernels`; else they stay int8 with
            few different values, for `compression`, whatever the kind.
        float_graph: the float network that `g` was quantized from, for its weights.

    Raises:
        ExportError: `g` is no int8 network, the width is not possible, no kernel can
            be narrowed, or `float_graph` is of another network.
    """
    if num_bits not in ((4,) if packed else range(2, 8)):
        raise errors.ExportError(
            "TensorFlow Lite Micro reads weights of 4 or 8 bits; found "
            f"{num_bits}. Compression stores 2 to 7 bits"
            if packed
            else f"weights for compression must have 2 to 7 bits; found {num_bits}"
        )
    g = lowering.lower(g)
    _require_int8(g)
    real = _real_kernels(g)
    biases = _real_biases(g)
    if float_graph is not None:
        real, biases = _of_float(g, lowering.lower(float_graph), real)
    possible = int4_kernels.readable(g) if packed else set(real)
    tensors, constants = dict(g.tensors), dict(g.constants)
    narrowed, kept = [], []
    for layer in _weighted(g):
        if layer.weights not in possible:
            kept.append((layer.name, f"{layer.kind} is not read in {num_bits} bits"))
            continue
        narrowed.append(layer.name)
        name, bias = layer.weights, layer.bias
        (kernel, kernel_quant), new_bias = layer_weights.quantized(
            real[name],
            biases.get(layer.name),
            _quant(tensors, layer.inputs[0]).scale[0],
            num_bits=num_bits,
            axis=layer_rules.channel_axis(layer, real[name].shape),
            one_scale=packed and isinstance(layer, graph.Dense),
        )
        tensors[name] = dataclasses.replace(tensors[name], quant=kernel_quant)
        constants[name] = kernel
        if bias is not None and new_bias is not None:
            constants[bias], bias_quant = new_bias
            tensors[bias] = dataclasses.replace(tensors[bias], quant=bias_quant)
    if not narrowed:
        raise errors.ExportError(
            errors.told(
                f"'{g.name[:60]}' has no kernel that can have {num_bits} bits: ",
                [f"'{name}' {reason}" for name, reason in kept] or ["it has none"],
            )
        )
    result = dataclasses.replace(g, tensors=tensors, constants=constants)
    if not packed:
        result = unpacked(result)
    return Narrowed(verify.require(result), tuple(narrowed), tuple(kept))


def unpacked(g: graph.Graph) -> graph.Graph:
    """The graph whose kernels of fewer bits are stored as int8, for `compression`."""
    tensors = dict(g.tensors)
    for layer in _weighted(g):
        kernel = tensors[layer.weights]
        if kernel.dtype == "int8" and kernel.quant is not None:
            quant = dataclasses.replace(kernel.quant, num_bits=8)
            tensors[layer.weights] = dataclasses.replace(kernel, quant=quant)
    return dataclasses.replace(g, tensors=tensors)


def _weighted(g: graph.Graph) -> list[graph.Weighted]:
    return [layer for layer in g.layers if isinstance(layer, graph.Weighted)]


def _require_int8(g: graph.Graph) -> None:
    found = [
        f"{layer.kind} '{layer.name}' has {g.tensors[layer.inputs[0]].dtype} "
        f"activations and {g.tensors[layer.weights].dtype} weights"
        for layer in _weighted(g)
        if g.tensors[layer.inputs[0]].dtype != "int8"
        or g.tensors[layer.weights].dtype != "int8"
    ]
    readers: dict[str, int] = {}
    for layer in g.layers:
        for name in set(graph.constant_names(layer)):
            readers[name] = readers.get(name, 0) + 1
    found += [
        f"'{name}' is shared by {n} layers" for name, n in readers.items() if n > 1
    ]
    if found:
        raise errors.ExportError(
            errors.told(
                f"'{g.name[:60]}' cannot have narrow weights, which needs int8 "
                "throughout: ",
                found,
            )
        )


def _quant(tensors: Mapping[str, graph.Tensor], name: str) -> graph.QuantParams:
    """Of a tensor of an integer graph."""
    quant = tensors[name].quant
    assert quant is not None
    return quant


def _dequantized(g: graph.Graph, name: str) -> graph.Array:
    return affine.dequantized(g.constants[name], _quant(g.tensors, name))


def _real_kernels(g: graph.Graph) -> dict[str, graph.Array]:
    return {layer.weights: _dequantized(g, layer.weights) for layer in _weighted(g)}


def _real_biases(g: graph.Graph) -> dict[str, graph.Array]:
    return {
        layer.name: _dequantized(g, layer.bias)
        for layer in _weighted(g)
        if layer.bias is not None
    }


def _of_float(
    g: graph.Graph, float_graph: graph.Graph, real: Mapping[str, graph.Array]
) -> tuple[dict[str, graph.Array], dict[str, graph.Array]]:
    """Kernels by name and biases by layer of the float network, which must be `g`'s.

    Layers are matched in their order. The float weights may lie one step of 8 bits from
    the integers: half a step is rounding, the rest is the float32 arithmetic in which
    batch normalization was folded.
    """
    ours, theirs = _weighted(g), _weighted(float_graph)
    found = []
    if len(ours) != len(theirs):
        found.append(f"{len(theirs)} layers with weights for {len(ours)}")
    kernels, biases = {}, _real_biases(g)
    for layer, other in zip(ours, theirs, strict=False):
        values = float_graph.constants.get(other.weights)
        quant = _quant(g.tensors, layer.weights)
        if values is None or values.dtype != np.float32:
            found.append(f"'{other.name}' has no float weights")
            continue
        if values.shape != real[layer.weights].shape:
            found.append(
                f"'{other.name}' of {values.shape} for '{layer.name}' of "
                f"{real[layer.weights].shape}"
            )
            continue
        step = affine.along(quant.scale, quant.axis, values.ndim)
        far = float((np.abs(values - real[layer.weights]) / step).max())
        if far > 1:
            found.append(
                f"weights of '{other.name}' lie {far:.1f} steps of 8 bits away"
            )
        kernels[layer.weights] = values.astype(np.float64)
        if other.bias is not None and layer.name in biases:
            shape = biases[layer.name].shape
            biases[layer.name] = float_graph.constants[other.bias].reshape(shape)
    if found:
        raise errors.ExportError(
            errors.told(
                f"'{float_graph.name[:60]}' is not the float network of "
                f"'{g.name[:60]}': ",
                found,
            )
        )
    return kernels, biases
