"""What a run's network costs, in the number format that it is deployed in."""

from collections.abc import Mapping, Sequence

from tfpipeline import number_formats
from tfpipeline.cost import estimate
from tfpipeline.ir import graph
from tfpipeline.report import costs
from tfpipeline.targets import catalog as targets


def of_format(
    g: graph.Graph,
    name: str,
    weight_bits: int | None = None,
    among: Sequence[str] = targets.SURVEYED,
    *,
    layer_bits: Mapping[str, int] | None = None,
) -> list[estimate.Estimate]:
    """A network on the targets that run its integers; on all for a float graph.

    Args:
        g: of it.
        name: of its number format.
        weight_bits: of a network that has no integers yet.
        among: names of the targets that are asked for.
        layer_bits: of layers whose weights have another width.
    """
    if name == number_formats.FLOAT:
        return targets.estimate_all(g, among, estimate.Options())
    number_format = number_formats.named(name)
    options = estimate.Options(
        activation_bits=number_format.activation_bits,
        weight_bits=weight_bits,
        layer_bits=layer_bits or {},
    )
    names = tuple(
        each
        for each in among
        if not number_format.targets
        or targets.TARGETS[each].integers in number_format.targets
    )
    return targets.estimate_all(g, names, options) if names else []


def text(estimates: Sequence[estimate.Estimate]) -> str:
    """The comparison of the targets, and what must be known of int16."""
    notes = {note: None for each in estimates for note in each.notes if "int16" in note}
    return "\n".join([costs.comparison(estimates), *notes])
