"""What a layer is given to be written as C, and what it becomes."""

import dataclasses
from collections.abc import Mapping

from tfpipeline.ir import graph
from tfpipeline.simulate import derived, fixed_point

Fields = Mapping[str, object]


@dataclasses.dataclass(frozen=True)
class Code:
    """Constants of a layer, the statements that run it, the kernels that they call."""

    tables: tuple[str, ...]
    statements: tuple[str, ...]
    kernels: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Place:
    """A layer in its graph.

    Attributes:
        g: the graph.
        label: what names of the layer's constants begin with.
        inputs: C expressions of pointers to what it reads.
        output: the pointer to what it writes.
        further: those to its other results, of a layer of several.
        scratch: the pointer to its scratch memory; "0", the null pointer, for none.
        states: those to what it keeps from run to run.
    """

    g: graph.Graph
    label: str
    inputs: tuple[str, ...]
    output: str
    scratch: str = "0"
    further: tuple[str, ...] = ()
    states: tuple[str, ...] = ()


def call(kernel: str, *arguments: object) -> str:
    """A statement that calls a function."""
    return f"{kernel}({', '.join(map(str, arguments))});"


def bounds(g: graph.Graph, layer: graph.Layer) -> dict[str, object]:
    """Zero point of the output, and its bounds before that is added.

    They stay int32; what would lie beyond is no bound for a result of 32 bits.
    """
    zero = derived.zero_point(g, layer.output)
    low, high = (fixed_point.saturate(n - zero) for n in derived.bounds(g, layer))
    return {"zero": zero, "low": low, "high": high}
