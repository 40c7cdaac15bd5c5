"""The ranges of a float graph's activations on calibration images."""

from collections.abc import Callable, Iterator, Mapping

from tfpipeline.ir import graph
from tfpipeline.simulate import float_execution

# Tensor -> smallest and largest value.
Ranges = Mapping[str, tuple[float, float]]
# What runs a float graph: (graph, images) -> all activations by name, in batches.
Runner = Callable[[graph.Graph, graph.Array], Iterator[Mapping[str, graph.Array]]]


def observe(
    g: graph.Graph,
    images: graph.Array,
    run: Runner = float_execution.batches,
) -> Ranges:
    """Smallest and largest value of the input and of every layer's output.

    Args:
        g: a verified float graph with one input.
        images: calibration images, `[N, ...]` as the network reads them.
        run: what runs the graph.

    Raises:
        GraphError: a layer is not supported.
        UsageError: `images` do not fit the input.
    """
    found: dict[str, tuple[float, float]] = {}
    for values in run(g, images):
        for name, array in values.items():
            low, high = float(array.min()), float(array.max())
            before = found.get(name, (low, high))
            found[name] = min(low, before[0]), max(high, before[1])
    return found
