"""Biases that make up for what the rounding of kernels does on average.

Rounded weights are off by a constant: what a layer writes is shifted by the product of
that and what it reads. Where inputs do not lie around zero, as behind a ReLU, the shift
has a mean, and the bias takes it off. (Nagel et al., arXiv:1906.04721, section 4.2,
with the mean measured on calibration inputs instead of derived.)
"""

import dataclasses

import numpy as np

from tfpipeline.ir import graph, verify
from tfpipeline.numerics import affine
from tfpipeline.precision import matching, ranges
from tfpipeline.simulate import float_execution

Array = graph.Array


def corrected(
    g: graph.Graph,
    integers: graph.Graph,
    images: Array,
    run: ranges.Runner = float_execution.batches,
) -> graph.Graph:
    """The integer graph with biases that suit its kernels.

    Args:
        g: a verified float graph with one input.
        integers: the same, quantized.
        images: calibration inputs, `[N, ...]` as the network reads them.
        run: what runs a float graph.

    Returns:
        A verified graph of the same layers and kernels, and a bias where a layer had
        none.

    Raises:
        GraphError: the graphs are not of one network, or a layer is not supported.
        UsageError: `images` do not fit the input.
    """
    shifts = _means(g, integers, images, run)
    tensors, constants = dict(integers.tensors), dict(integers.constants)
    changed: dict[str, graph.Layer] = {}
    for layer, own in matching.match(g, integers):
        if not isinstance(layer, graph.Weighted):
            continue
        assert isinstance(own, graph.Weighted)
        real = 0.0 if layer.bias is None else g.constants[layer.bias]
        source, kernel = (tensors[n].quant for n in (own.inputs[0], own.weights))
        assert source is not None
        assert kernel is not None
        values, quant = affine.bias_integers(
            real - shifts[layer.name], source.scale[0], kernel.scale, source.num_bits
        )
        # A name of its own: layers may share a bias.
        name = _free(f"{own.name}/corrected_bias", tensors)
        constants[name] = values
        tensors[name] = graph.Tensor(name, values.shape, values.dtype.name, quant)
        changed[own.name] = dataclasses.replace(own, bias=name)
    layers = tuple(changed.get(layer.name, layer) for layer in integers.layers)
    used = {name for layer in layers for name in graph.read_names(layer)}
    unused = constants.keys() - used
    return verify.require(
        dataclasses.replace(
            integers,
            layers=layers,
            tensors={n: t for n, t in tensors.items() if n not in unused},
            constants={n: c for n, c in constants.items() if n not in unused},
        )
    )


def _means(
    g: graph.Graph, integers: graph.Graph, images: Array, run: ranges.Runner
) -> dict[str, Array]:
    """Layer -> mean of what the rounding of its kernel adds, `[channels]`."""
    probed, shifts = _with_shifts(g, integers)
    sums: dict[str, Array] = {}
    for values in run(probed, images):
        for layer, name in shifts.items():
            shift = values[name]
            mean = shift.reshape(len(shift), -1, shift.shape[-1]).mean(axis=1)
            sums[layer] = sums.get(layer, 0.0) + mean.sum(axis=0)
    return {layer: total / len(images) for layer, total in sums.items()}


def _with_shifts(
    g: graph.Graph, integers: graph.Graph
) -> tuple[graph.Graph, dict[str, str]]:
    """`g`, beside each layer with weights one of what their rounding adds.

    Returns:
        The graph, and layer -> tensor of what is added.
    """
    tensors, constants = dict(g.tensors), dict(g.constants)
    layers: list[graph.Layer] = []
    shifts: dict[str, str] = {}
    for layer, own in matching.match(g, integers):
        layers.append(layer)
        if not isinstance(layer, graph.Weighted):
            continue
        assert isinstance(own, graph.Weighted)
        quant = integers.tensors[own.weights].quant
        assert quant is not None
        rounded = affine.dequantized(integers.constants[own.weights], quant)
        kernel = _free(f"{layer.name}/rounding", tensors)
        constants[kernel] = (rounded - g.constants[layer.weights]).astype(np.float32)
        tensors[kernel] = dataclasses.replace(tensors[layer.weights], name=kernel)
        # Zeros, which TensorFlow Lite insists on in a convolution.
        zeros = _free(f"{layer.name}/zeros", tensors)
        channels = tensors[layer.output].shape[-1:]
        constants[zeros] = np.zeros(channels, np.float32)
        tensors[zeros] = graph.Tensor(zeros, channels, "float32")
        shift = _free(f"{layer.name}/shift", tensors)
        tensors[shift] = dataclasses.replace(tensors[layer.output], name=shift)
        layers.append(
            dataclasses.replace(
                layer,
                name=shift,
                output=shift,
                weights=kernel,
                bias=zeros,
                clamp=graph.NO_CLAMP,
            )
        )
        shifts[layer.name] = shift
    outputs = (*g.outputs, *shifts.values())
    probed = dataclasses.replace(
        g, tensors=tensors, constants=constants, layers=tuple(layers), outputs=outputs
    )
    return probed, shifts


def _free(name: str, taken: dict[str, graph.Tensor]) -> str:
    while name in taken:
        name += "_"
    return name
