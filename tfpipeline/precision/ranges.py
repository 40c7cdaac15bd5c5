"""The ranges of a float graph's activations on calibration images."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping

from tfpipeline import errors
from tfpipeline.ir import graph
from tfpipeline.precision import histograms
from tfpipeline.simulate import float_execution, float_recurrent

# Tensor -> smallest and largest value.
Ranges = Mapping[str, tuple[float, float]]
# What runs a float graph: (graph, images) -> all activations by name, in batches.
Runner = Callable[[graph.Graph, graph.Array], Iterator[Mapping[str, graph.Array]]]

MINMAX = "minmax"
PERCENTILE = "percentile"
MSE = "mse"
METHODS = (MINMAX, PERCENTILE, MSE)


@dataclasses.dataclass(frozen=True)
class Rule:
    """How the range of an activation follows from its values.

    Attributes:
        method: `minmax`, the extremes; `percentile`, so many percent of the values lie
            below the upper end, and as many above the lower one; `mse`, the range that
            is rounded to integers with the least mean squared error.
        percentile: above 50, up to 100.
    """

    method: str = MINMAX
    percentile: float = 99.99

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise errors.UsageError(
                f"ranges are one of {', '.join(METHODS)}; found "
                f"{errors.brief(self.method)}"
            )
        if not 50 < self.percentile <= 100:
            raise errors.UsageError(
                "the percentile of ranges must be above 50 and at most 100; found "
                f"{self.percentile:g}"
            )


EXTREMES = Rule()


def observe(
    g: graph.Graph,
    images: graph.Array,
    run: Runner = float_execution.batches,
    rule: Rule = EXTREMES,
    num_bits: int = 8,
) -> Ranges:
    """Smallest and largest value of the input, every layer's output and LSTM's states.

    Args:
        g: a verified float graph with one input.
        images: calibration images, `[N, ...]` as the network reads them.
        run: what runs the graph; twice, but for the extremes.
        rule: what of the values counts.
        num_bits: of the integers that `mse` is to suit.

    Raises:
        GraphError: a layer is not supported.
        UsageError: `images` do not fit the input.
    """
    found: dict[str, tuple[float, float]] = {}
    for values in _observed(g, images, run):
        for name, array in values.items():
            low, high = float(array.min()), float(array.max())
            before = found.get(name, (low, high))
            found[name] = min(low, before[0]), max(high, before[1])
    if rule.method == MINMAX:
        return found
    counts = {name: histograms.Histogram(*each) for name, each in found.items()}
    for values in _observed(g, images, run):
        for name, array in values.items():
            counts[name].add(array)
    if rule.method == PERCENTILE:
        return {name: x.between(rule.percentile) for name, x in counts.items()}
    return {name: x.least_error(num_bits) for name, x in counts.items()}


def _observed(
    g: graph.Graph, images: graph.Array, run: Runner
) -> Iterator[Mapping[str, graph.Array]]:
    """All activations, and what layers keep from row to row."""
    keeping = [layer for layer in g.layers if isinstance(layer, graph.Stateful)]
    for values in run(g, images):
        kept: dict[str, graph.Array] = {}
        for layer in keeping:
            kept |= float_recurrent.states(g, layer, [values[n] for n in layer.inputs])
        yield {**values, **kept}
