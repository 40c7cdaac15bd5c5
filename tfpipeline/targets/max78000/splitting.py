"""Kernels that the device has not, as several 3x3 in a row: only on request.

Two 3x3 kernels see the pixels of a 5x5, three those of a 7x7, with fewer weights and a
ReLU in between. That is how the CIFAR study made its network of the CIFAR-10 network of
CMSIS-NN. It loses what was trained: the weights here are ones, to be trained anew.
"""

import dataclasses

import numpy as np

from tfpipeline import errors
from tfpipeline.ir import graph, verify

_SIZE = (3, 3)
_PADDING = ((1, 1), (1, 1))


def split(g: graph.Graph) -> graph.Graph:
    """A float graph with 3x3 kernels in place of larger odd ones; others stay.

    A kernel of k x k pixels, stride 1 and padding k // 2 becomes (k - 1) / 2 kernels of
    as many output channels each; the last one has the layer's name and activation.

    Raises:
        GraphError: the graph is quantized: its weights would be lost unnoticed.
    """
    if any(tensor.quant is not None for tensor in g.tensors.values()):
        raise errors.GraphError(
            f"graph '{g.name}' is quantized; split the kernels of the float network "
            "and train it again"
        )
    tensors, constants = dict(g.tensors), dict(g.constants)
    layers: list[graph.Layer] = []
    for layer in g.layers:
        if isinstance(layer, graph.Conv2D) and _is_large(g, layer):
            layers += _steps(layer, tensors, constants)
        else:
            layers.append(layer)
    used = set(graph.tensor_names(dataclasses.replace(g, layers=tuple(layers))))
    return verify.require(
        dataclasses.replace(
            g,
            layers=tuple(layers),
            tensors={name: tensors[name] for name in tensors if name in used},
            constants={name: constants[name] for name in constants if name in used},
        )
    )


def _is_large(g: graph.Graph, layer: graph.Conv2D) -> bool:
    _, rows, columns, inputs = g.tensors[layer.weights].shape
    half = rows // 2
    return (
        rows == columns
        and rows % 2 == 1
        and rows > _SIZE[0]
        and inputs == g.tensors[layer.inputs[0]].shape[-1]
        and layer.padding == ((half, half), (half, half))
        and (layer.strides, layer.dilation) == ((1, 1), (1, 1))
    )


def _steps(
    layer: graph.Conv2D,
    tensors: dict[str, graph.Tensor],
    constants: dict[str, graph.Array],
) -> list[graph.Layer]:
    """Adds the kernels and the results in between; returns the layers."""
    result, kernel = tensors[layer.output], tensors[layer.weights]
    outputs = kernel.shape[0]
    count = (kernel.shape[1] - 1) // 2
    source, channels = layer.inputs[0], kernel.shape[-1]
    steps: list[graph.Layer] = []
    for index in range(1, count + 1):
        is_last = index == count
        name = layer.name if is_last else f"{layer.name}/split{index}"
        output = result.name if is_last else f"{name}/output"
        weights = f"{layer.name}/split{index}/kernel"
        shape = (outputs, *_SIZE, channels)
        tensors[weights] = graph.Tensor(weights, shape, kernel.dtype)
        constants[weights] = np.broadcast_to(np.ones((), kernel.dtype), shape)
        tensors[output] = dataclasses.replace(result, name=output)
        steps.append(
            dataclasses.replace(
                layer,
                name=name,
                inputs=(source,),
                output=output,
                weights=weights,
                clamp=layer.clamp if is_last else graph.RELU,
                padding=_PADDING,
                bias=_bias(layer, is_last, f"{name}/bias", tensors, constants),
            )
        )
        source, channels = output, outputs
    return steps


def _bias(
    layer: graph.Conv2D,
    is_last: bool,
    name: str,
    tensors: dict[str, graph.Tensor],
    constants: dict[str, graph.Array],
) -> str | None:
    """The last step has the layer's bias, the others one of ones where it has any."""
    if layer.bias is None or is_last:
        return layer.bias
    own = tensors[layer.bias]
    tensors[name] = dataclasses.replace(own, name=name)
    constants[name] = np.broadcast_to(np.ones((), own.dtype), own.shape)
    return name
