"""A float network as an integer `.tflite`, quantized after training."""

import dataclasses

import numpy as np

from export.tflite import from_graph
from tfpipeline.cost import macs
from tfpipeline.ir import graph
from tfpipeline.numerics import affine
from tfpipeline.post_training import float_network, loss, tflite
from tfpipeline.precision import formats
from tfpipeline.simulate import execution, vector_kernels

Array = graph.Array


@dataclasses.dataclass(frozen=True, eq=False)
class File:
    """A network in integers.

    Attributes:
        data: of the `.tflite` file.
        cost: what the integers cost.
        float_graph: the network that they are of.
    """

    data: bytes
    cost: loss.Loss
    float_graph: graph.Graph


def make(
    network: float_network.FloatNetwork,
    form: formats.Format,
    name: str,
    *,
    per_tensor: bool = False,
) -> File:
    """Quantizes a float network, and measures what that costs.

    Args:
        network: float, with calibration data.
        form: the number format.
        name: of the form, for the user.
        per_tensor: one scale a kernel.

    Raises:
        ExportError: naming every layer that TensorFlow Lite Micro does not compute.
        GraphError: a layer that cannot be quantized.
    """
    g, integers = tflite.quantized(network, form, per_tensor=per_tensor)
    data = from_graph.to_bytes(integers)
    compared = loss.Form(
        name=name,
        reference=g,
        inputs=network.inputs,
        run=network.run,
        compute=lambda inputs: reals(integers, inputs),
        outputs=integers.outputs,
        says_classes=network.says_classes,
    )
    return File(data, loss.measure(compared, macs.graph_count(g).macs), g)


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
