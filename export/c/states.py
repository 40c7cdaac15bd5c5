"""What layers keep from run to run, in C: a static struct beside the arena."""

import dataclasses
from collections.abc import Iterable, Mapping

import numpy as np

from tfpipeline.ir import graph

# The member that says whether the others hold what they begin with: all is zeros until
# the first run, and the zero points of int8 are none.
_BEGUN = "begun"


@dataclasses.dataclass(frozen=True)
class State:
    """A state: its tensor, and the member of the struct that holds it."""

    member: str
    tensor: graph.Tensor

    @property
    def pointer(self) -> str:
        """The expression of C that a kernel is given."""
        return f"kept.{self.member}"


def find(g: graph.Graph, labels: Mapping[str, str]) -> dict[str, State]:
    """All states by the names of their tensors; `labels` are those of layers in C."""
    return {
        name: State(f"{labels[layer.name]}_state{i}", g.tensors[name])
        for layer in g.layers
        for i, name in enumerate(graph.state_names(layer), start=1)
    }


def num_bytes(g: graph.Graph) -> int:
    """Bytes of the struct; 0 where no layer keeps anything."""
    tensors = [g.tensors[n] for layer in g.layers for n in graph.state_names(layer)]
    if not tensors:
        return 0
    total = 1 + sum(tensor.num_elements * _width(tensor) for tensor in tensors)
    align = max(map(_width, tensors))
    return -(-total // align) * align


def declared(states: Iterable[State]) -> str:
    """Members of the struct, wide ones first, so that none is filled up to another."""
    members = sorted(states, key=lambda state: -_width(state.tensor))
    if not members:
        return ""
    rows = [
        f"    {state.tensor.dtype}_t {state.member}[{state.tensor.num_elements}];\n"
        for state in members
    ]
    return "".join(rows) + f"    int8_t {_BEGUN};\n"


def reset(name: str, states: Iterable[State]) -> list[str]:
    """The function that lets a network begin anew, if it keeps anything.

    Bytes are set, as by TFLite Micro: the zero points of 16 bits are 0.
    """
    rows = [
        f"    memset({state.pointer}, {_first(state)}, sizeof {state.pointer});\n"
        for state in states
    ]
    if not rows:
        return []
    text = f"void {name}_reset(void)\n{{\n{''.join(rows)}    kept.{_BEGUN} = 1;\n}}\n"
    return [text]


def begun(name: str) -> list[str]:
    """What a run begins with: states that were never set are."""
    return [f"    if (!kept.{_BEGUN}) {{", f"        {name}_reset();", "    }"]


def _first(state: State) -> int:
    quant = state.tensor.quant
    return 0 if quant is None else quant.zero_point[0]


def _width(tensor: graph.Tensor) -> int:
    return np.dtype(tensor.dtype).itemsize
