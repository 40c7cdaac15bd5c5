"""A float network in the GAP8's fixed point after training."""

from tfpipeline.ir import graph
from tfpipeline.post_training import float_network, input_range
from tfpipeline.targets.gap8 import calibrate, lowering, program, quantize


def quantized(
    network: float_network.FloatNetwork, num_bits: int
) -> tuple[graph.Graph, program.Program]:
    """The float graph that the chip runs, and its integers.

    Args:
        network: float, batch normalizations folded, with inputs. Those of 0 to 255 are
            taken as they are, without a format.
        num_bits: 16 or 8, of data and weights.

    Raises:
        TargetError: the chip cannot run the network.
        QuantizationError: formats that cannot be.
    """
    g = network.graph
    lowering.require_runnable(g, num_bits)
    magnitudes = calibrate.calibrate(g, network.inputs, network.run)
    raw = network.input_range == input_range.NAMED[input_range.PIXELS]
    return g, quantize.quantize(g, magnitudes, num_bits=num_bits, raw_input=raw)
