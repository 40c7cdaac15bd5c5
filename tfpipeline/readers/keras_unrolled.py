"""GRU and SimpleRNN of Keras, row after row: TensorFlow Lite Micro has no such kernel.

What each row adds to the state is written as the operators that it does have: the
products of all rows with the kernel as one Dense, and for each row one of the state
with the recurrent kernel, whose constants the rows share, sums, products and functions.
In real numbers that is the layer itself
(tf_keras/src/layers/rnn/gru.py, `GRUCell.call`; simple_rnn.py).
"""

import dataclasses
from collections.abc import Callable

import numpy as np

from tfpipeline.ir import graph
from tfpipeline.readers import draft as draft_lib
from tfpipeline.readers import keras_activations, keras_calls

Draft = draft_lib.Draft
Call = keras_calls.Call
Array = graph.Array
# (number of a row, name of the state, `None` while it is zeros) -> of the next state.
_Step = Callable[[int, str | None], str]

# A row of a GRU is eleven operators; more rows are no network for a microcontroller.
MAX_ROWS = 256

_REQUIRED = {
    "return_state": False,
    "stateful": False,
    "time_major": False,
}


def gru(call: Call, draft: Draft) -> str:
    """A gated unit with its reset before or behind the recurrent product.

    Raises:
        GraphError: it keeps a state from call to call, or has too many rows.
    """
    layer, cell, unroll = call.layer, call.layer.cell, _Unrolled.of(call, draft)
    units, both = layer.units, 2 * layer.units
    kernel, recurrent = (x.numpy() for x in (cell.kernel, cell.recurrent_kernel))
    of_input, of_state = np.zeros(3 * units), np.zeros(3 * units)
    if layer.use_bias and layer.reset_after:
        of_input, of_state = cell.bias.numpy()
    elif layer.use_bias:
        of_input = cell.bias.numpy()
    # Of the update and the reset gate, whose biases only add up.
    gates = unroll.products(
        "gates", kernel[:, :both], of_input[:both] + of_state[:both]
    )
    candidates = unroll.products("candidate", kernel[:, both:], of_input[both:])
    of_gates = unroll.constants("state_gates", recurrent[:, :both], None)
    behind = of_state[both:] if layer.reset_after else None
    of_candidate = unroll.constants("state_candidate", recurrent[:, both:], behind)
    no_state = None
    if behind is not None and behind.any():
        no_state = draft.constant(f"{call.name}/no_state", behind[np.newaxis])

    def step(row: int, state: str | None) -> str:
        at = unroll.at(row)
        total = gates[row]
        if state is not None:
            total = at.add(graph.Add, "gates", total, at.dense("u", state, of_gates))
        opened = at.function("gate", total, layer.recurrent_activation)
        update, reset = at.halves("halves", opened)
        if layer.reset_after:
            given = no_state if state is None else at.dense("v", state, of_candidate)
            if given is not None:
                given = at.add(graph.Mul, "reset", reset, given)
        elif state is not None:
            kept = at.add(graph.Mul, "reset", reset, state)
            given = at.dense("v", kept, of_candidate)
        else:
            given = None
        total = candidates[row]
        if given is not None:
            total = at.add(graph.Add, "candidates", total, given)
        candidate = at.function("candidate_value", total, layer.activation)
        if state is None:
            # (1 - update) * candidate.
            taken = at.add(graph.Mul, "taken", update, candidate)
            return at.add(graph.Sub, "state", candidate, taken)
        change = at.add(graph.Sub, "change", state, candidate)
        kept = at.add(graph.Mul, "kept", update, change)
        return at.add(graph.Add, "state", candidate, kept)

    return unroll.run(step)


def simple(call: Call, draft: Draft) -> str:
    """A function of the row's product and the state's.

    Raises:
        GraphError: as `gru`.
    """
    layer, cell, unroll = call.layer, call.layer.cell, _Unrolled.of(call, draft)
    bias = cell.bias.numpy() if layer.use_bias else np.zeros(layer.units)
    rows = unroll.products("products", cell.kernel.numpy(), bias)
    recurrent = unroll.constants("state", cell.recurrent_kernel.numpy(), None)

    def step(row: int, state: str | None) -> str:
        at = unroll.at(row)
        total = rows[row]
        if state is not None:
            total = at.add(graph.Add, "sum", total, at.dense("u", state, recurrent))
        return at.function("state", total, layer.activation)

    return unroll.run(step)


@dataclasses.dataclass(frozen=True)
class _Kernel:
    """Names of constants, `[outputs, inputs]` and `[outputs]`."""

    weights: str
    bias: str | None


@dataclasses.dataclass(frozen=True)
class _Row:
    """Writes the layers of one row, whose names have its number."""

    call: Call
    draft: Draft
    name: str

    def add(self, kind: type[graph.Layer], part: str, *inputs: str) -> str:
        shape = self.draft.shape(inputs[0])
        return self.draft.add(kind, f"{self.name}/{part}", inputs, shape)

    def dense(self, part: str, source: str, kernel: _Kernel) -> str:
        shape = (1, self.draft.shape(kernel.weights)[0])
        return self.draft.add(
            graph.Dense,
            f"{self.name}/{part}",
            (source,),
            shape,
            weights=kernel.weights,
            bias=kernel.bias,
        )

    def function(self, part: str, source: str, activation: object) -> str:
        named = dataclasses.replace(self.call, name=f"{self.name}/{part}")
        return keras_activations.activate(named, self.draft, source, activation)

    def halves(self, part: str, source: str) -> tuple[str, ...]:
        batch, both = self.draft.shape(source)
        return self.draft.several(
            graph.Split,
            f"{self.name}/{part}",
            (source,),
            ((batch, both // 2),) * 2,
            axis=1,
        )


@dataclasses.dataclass(frozen=True)
class _Unrolled:
    """A layer that goes from row to row."""

    call: Call
    draft: Draft
    source: str
    rows: int

    @classmethod
    def of(cls, call: Call, draft: Draft) -> "_Unrolled":
        for name, value in _REQUIRED.items():
            if getattr(call.layer, name, value) != value:
                raise call.error(f"{name}={getattr(call.layer, name)} must be {value}")
        if len(call.inputs) != 1:
            raise call.error("it must begin with a state of zeros; found another one")
        (source,) = call.inputs
        _, rows, _ = draft.shape(source)
        if rows > MAX_ROWS:
            raise call.error(
                f"it is written out row by row, for {MAX_ROWS} rows at most; found "
                f"{rows}: give it fewer (strides, AveragePooling1D), or use an LSTM, "
                "for which TensorFlow Lite Micro has a kernel"
            )
        return cls(call, draft, source, rows)

    def at(self, row: int) -> _Row:
        """What writes the layers of a row."""
        return _Row(self.call, self.draft, f"{self.call.name}/{row}")

    def constants(self, part: str, kernel: Array, bias: Array | None) -> _Kernel:
        """A kernel `[inputs, outputs]`; a bias of zeros is none."""
        name = f"{self.call.name}/{part}"
        weights = self.draft.constant(f"{name}/kernel", kernel.T)
        if bias is None or not bias.any():
            return _Kernel(weights, None)
        return _Kernel(weights, self.draft.constant(f"{name}/bias", bias))

    def products(self, part: str, kernel: Array, bias: Array) -> tuple[str, ...]:
        """The products of all rows, each `[1, outputs]`."""
        made, outputs = self.constants(part, kernel, bias), kernel.shape[-1]
        name = f"{self.call.name}/{part}"
        product = self.draft.add(
            graph.Dense,
            name,
            (self.source,),
            (1, self.rows, outputs),
            weights=made.weights,
            bias=made.bias,
        )
        shapes = ((1, outputs),) * self.rows
        return self.draft.several(
            graph.Unpack, f"{name}/rows", (product,), shapes, axis=1
        )

    def run(self, step: _Step) -> str:
        """All rows; the last state, or where the layer returns sequences all."""
        layer, states = self.call.layer, []
        order = range(self.rows)
        state: str | None = None
        for row in reversed(order) if layer.go_backwards else order:
            state = step(row, state)
            states.append(state)
        assert state is not None
        if layer.return_sequences:
            shape = (1, self.rows, layer.units)
            return self.draft.add(
                graph.Pack, self.call.name, tuple(states), shape, axis=1
            )
        return state
