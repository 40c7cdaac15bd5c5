"""A float network in TFLite's integers: int8, int16x8, kernels of 4 bits.

The rules are those of `precision.quantize`, which are TFLite's: a scale an output
channel, or one a kernel where that is asked for, and the ranges that the calibration
inputs show. What comes out is a graph, which `export` writes; TensorFlow's converter
has no part in it.
"""

from tfpipeline.ir import global_pools, graph
from tfpipeline.post_training import float_network
from tfpipeline.precision import formats, quantize, ranges


def quantized(
    network: float_network.FloatNetwork,
    form: formats.Format,
    *,
    per_tensor: bool = False,
) -> tuple[graph.Graph, graph.Graph]:
    """The integers of a network.

    Args:
        network: float, with inputs.
        form: the number format.
        per_tensor: one scale a kernel.

    Returns:
        The float graph as the format takes it, and the same in integers: their layers
        and tensors have the same names.

    Raises:
        GraphError: a layer that keeps a state, or that no real numbers run.
    """
    g = network.graph
    if form.activation_bits == 16:
        # TFLite Micro has no REDUCE_MAX of int16; a pool is the same.
        g = global_pools.as_pools(g)
    observed = {
        **ranges.observe(g, network.inputs, network.run),
        g.inputs[0]: network.input_range.for_format(form),
    }
    return g, quantize.quantize(g, observed, form, per_tensor=per_tensor)
