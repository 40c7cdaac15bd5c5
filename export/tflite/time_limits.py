"""How long an interpreter may take for a file of unknown origin.

One that loops must end; a large network on a machine that does other things must not.
"""

from tfpipeline import errors
from tfpipeline.cost import macs
from tfpipeline.ir import from_tflite

SECONDS = 120.0
# What an interpreter does in a second at least: a tenth of what it does here alone.
_SLOWEST_MACS = 10**7
_MOST_SECONDS = 3600.0


def products(model: bytes) -> int | None:
    """Multiply-accumulates of an inference; `None` where the graph has not all of it.

    Args:
        model: a `.tflite` file.
    """
    try:
        g = from_tflite.read(model)
    except errors.GraphError:
        # An operator that a graph has not; the interpreters may have it.
        return None
    return sum(macs.layer_count(g, layer).macs for layer in g.layers)


def of(model: bytes, images: int = 1) -> float:
    """Seconds for some images through one interpreter."""
    needed = (products(model) or 0) * images / _SLOWEST_MACS
    return min(SECONDS + needed, _MOST_SECONDS)
