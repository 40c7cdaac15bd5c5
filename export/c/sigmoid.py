"""What sigmoid and tanh of int16 multiply by before they look into the table."""

from tfpipeline.ir import graph
from tfpipeline.simulate import activation_functions, derived

# Function -> exponents, plus 12, of the scales that are exact.
POWERS = {"sigmoid": (0,), "tanh": (0, 1)}


def factor(g: graph.Graph, layer: graph.Activation) -> derived.Factor:
    """Multiplier and shift to the right."""
    return activation_functions.table_factor(
        derived.scale(g, layer.inputs[0]), POWERS[layer.function]
    )
