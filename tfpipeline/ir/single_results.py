"""Networks for chips whose layers have one result each, which nothing outlasts.

MAX78000's accelerator and GAP8's kernels are such: what they are told of a network is
a list of layers and what each reads.
"""

from tfpipeline import errors
from tfpipeline.ir import graph


def reasons(g: graph.Graph) -> tuple[str, ...]:
    """One line for each layer that has no form on such a chip; empty if all may have.

    Args:
        g: a well-formed graph.
    """
    return tuple(
        f"{layer.kind} '{layer.name}': {reason}"
        for layer in g.layers
        if (reason := _reason(layer)) is not None
    )


def require(g: graph.Graph, chip: str) -> None:
    """Checks that every layer may have a form on such a chip.

    Raises:
        TargetError: naming the layers that have none.
    """
    found = reasons(g)
    if found:
        raise errors.TargetError(errors.told(f"{chip} cannot run it: ", found))


def _reason(layer: graph.Layer) -> str | None:
    if isinstance(layer, graph.Unknown):
        return f"the operator {layer.operator} is not supported"
    if isinstance(layer, graph.Stateful):
        return "no layer of this chip keeps a state from run to run"
    if isinstance(layer, graph.Several):
        return "there is no layer of several results on this chip"
    if isinstance(layer, graph.Pack):
        return "no layer of this chip stacks tensors along a new axis"
    return None
