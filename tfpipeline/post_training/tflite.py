"""A float network in TFLite's integers: int8, int16x8, kernels of 4 bits.

The rules are those of `precision.quantize`, which are TFLite's: a scale an output
channel, or one a kernel where that is asked for, and the ranges that the calibration
inputs show. What comes out is a graph, which `export` writes; TensorFlow's converter
has no part in it.
"""

from tfpipeline.ir import global_pools, graph
from tfpipeline.post_training import float_network
from tfpipeline.precision import (
    bias_correction,
    equalization,
    formats,
    quantize,
    ranges,
)
from tfpipeline.precision import options as options_lib


def quantized(
    network: float_network.FloatNetwork,
    form: formats.Format,
    options: options_lib.Options = options_lib.PLAIN,
) -> tuple[graph.Graph, graph.Graph]:
    """The integers of a network.

    Args:
        network: float, with inputs.
        form: the number format.
        options: what is done beyond rounding.

    Returns:
        The float graph as the format takes it, equalized where that is asked for, and
        the same in integers: their layers and tensors have the same names, but for
        biases that were corrected.

    Raises:
        GraphError: a layer that keeps a state, or that no real numbers run.
    """
    g, inputs, run = network.graph, network.inputs, network.run
    if form.activation_bits == 16:
        # TFLite Micro has no REDUCE_MAX of int16; a pool is the same.
        g = global_pools.as_pools(g)
    if options.equalize:
        g = equalization.equalized(g, inputs, run, per_tensor=options.per_tensor)
    observed = {
        **ranges.observe(g, inputs, run, options.ranges, form.activation_bits),
        g.inputs[0]: network.input_range.for_format(form),
    }
    integers = quantize.quantize(g, observed, form, per_tensor=options.per_tensor)
    if options.bias_correction:
        integers = bias_correction.corrected(g, integers, inputs, run)
    return g, integers
