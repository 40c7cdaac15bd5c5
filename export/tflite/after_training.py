"""A float network as an integer `.tflite`, quantized after training."""

import dataclasses

import numpy as np

from export.tflite import from_graph
from tfpipeline.cost import macs
from tfpipeline.ir import graph
from tfpipeline.numerics import affine
from tfpipeline.post_training import float_network, loss, tflite
from tfpipeline.precision import formats
from tfpipeline.precision import options as options_lib
from tfpipeline.simulate import execution, vector_kernels

Array = graph.Array


@dataclasses.dataclass(frozen=True, eq=False)
class File:
    """A network in integers.

    Attributes:
        data: of the `.tflite` file.
        cost: what the integers cost.
        float_graph: the network that they are of, equalized where that is asked for.
    """

    data: bytes
    cost: loss.Loss
    float_graph: graph.Graph


def make(
    network: float_network.FloatNetwork,
    form: formats.Format,
    name: str,
    options: options_lib.Options = options_lib.PLAIN,
) -> File:
    """Quantizes a float network, and measures what that costs.

    Args:
        network: float, with calibration data.
        form: the number format.
        name: of the form, for the user.
        options: what is done beyond rounding.

    Raises:
        ExportError: naming every layer that TensorFlow Lite Micro does not compute.
        GraphError: a layer that cannot be quantized.
    """
    g, integers, data = _quantized(network, form, options)
    return File(data, cost(network, g, integers, name), g)


def _quantized(
    network: float_network.FloatNetwork,
    form: formats.Format,
    options: options_lib.Options,
) -> tuple[graph.Graph, graph.Graph, bytes]:
    """The float graph, its integers, and the file of these."""
    g, integers = tflite.quantized(network, form, options)
    return g, integers, from_graph.to_bytes(integers)


def cost(
    network: float_network.FloatNetwork,
    g: graph.Graph,
    integers: graph.Graph,
    name: str,
) -> loss.Loss:
    """What integers cost on the calibration data.

    Args:
        network: float, with calibration data.
        g: the graph that the integers are of.
        integers: the same network, with tensors of the same names where it has the
            same; outputs in the same order.
        name: of the form, for the user.
    """

    def compute(inputs: Array) -> dict[str, Array]:
        values = reals(integers, inputs)
        own = zip(g.outputs, integers.outputs, strict=True)
        return {**values, **{name: values[other] for name, other in own}}

    compared = loss.Form(
        name=name,
        reference=g,
        inputs=network.inputs,
        run=network.run,
        compute=compute,
        outputs=g.outputs,
        says_classes=network.says_classes,
    )
    return loss.measure(compared, macs.graph_count(g).macs)


def made(
    network: float_network.FloatNetwork,
    recipe: str,
    options: options_lib.Options = options_lib.PLAIN,
) -> bytes:
    """The `.tflite` of a number format, not measured.

    Args:
        network: float, with calibration data.
        recipe: name of the format, `wi8_ai8`.
        options: what is done beyond rounding.
    """
    *_, data = _quantized(network, formats.named(recipe), options)
    return data


def reals(g: graph.Graph, inputs: Array) -> dict[str, Array]:
    """What an integer graph computes of real inputs `[N, ...]`, as real numbers."""
    source = g.tensors[g.inputs[0]]
    assert source.quant is not None
    integers = affine.quantized_float32(
        inputs, source.quant.scale[0], source.quant.zero_point[0], source.dtype
    )
    values = execution.activations(g, [integers], vector_kernels.KERNELS)
    return {name: _real(g.tensors[name], each) for name, each in values.items()}


def _real(tensor: graph.Tensor, values: Array) -> Array:
    if tensor.quant is None:  # A position is what it is.
        return values.astype(np.float64)
    return affine.dequantized(values, tensor.quant)
