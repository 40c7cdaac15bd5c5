"""TensorFlow functions that are called on Keras tensors, such as `x * 2 - 1`.

Keras wraps each in a layer of its own class that knows the function's name.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from tfpipeline.compat import tf
from tfpipeline.ir import graph
from tfpipeline.readers import draft as draft_lib
from tfpipeline.readers import keras_calls, keras_moves

Draft = draft_lib.Draft
Call = keras_calls.Call


def is_function(layer: Any) -> bool:
    """Whether `layer` is Keras' wrapper of a function."""
    return type(layer).__name__ in ("TFOpLambda", "SlicingOpLambda")


def read(call: Call, draft: Draft) -> str | tuple[str, ...]:
    """Emits the layer that a function is, and returns what it writes.

    Raises:
        GraphError: the graph has no such function, or not with these arguments.
    """
    reader = READERS.get(call.layer.symbol)
    if reader is None:
        raise call.error(
            f"the function tf.{call.layer.symbol} is not supported; docs/ir.md lists "
            "the functions that are"
        )
    return reader(call, draft)


def _quotient(call: Call, draft: Draft) -> str:
    """A tensor over a constant, as the product with what that is one part of."""
    operands = [*call.arguments]
    operands += [call.keywords[key] for key in ("x", "y") if key in call.keywords]
    if len(operands) != 2 or isinstance(operands[1], keras_calls.Reference):
        raise call.error("a tensor must be divided by a constant")
    divisor = np.asarray(operands[1], np.float64)
    if not divisor.all():
        raise call.error("it divides by zero")
    inverse = dataclasses.replace(
        call, arguments=(operands[0], 1 / divisor), keywords={}
    )
    return _elementwise(inverse, draft, graph.Mul)


def _elementwise(
    call: Call, draft: Draft, kind: type[graph.Elementwise] | type[graph.Extremum]
) -> str:
    operands = [*call.arguments]
    operands += [call.keywords[key] for key in ("x", "y") if key in call.keywords]
    if len(operands) != 2:
        raise call.error(f"two operands are expected; found {len(operands)}")
    names = []
    for value in operands:
        if isinstance(value, keras_calls.Reference):
            names.append(value.name)
        elif tf.is_tensor(value) or np.isscalar(value) or isinstance(value, np.ndarray):
            names.append(draft.constant(f"{call.name}/constant", np.asarray(value)))
        else:
            raise call.error(f"the operand {value!r} is not a number")
    # The constant comes second where the order does not matter.
    if names[0] in draft.constants and kind is not graph.Sub:
        names.reverse()
    shape = np.broadcast_shapes(*(draft.shape(name) for name in names))
    return draft.add(kind, call.name, tuple(names), shape)


def _leaky_relu(call: Call, draft: Draft) -> str:
    (source,) = call.inputs
    given = [*call.arguments[1:2], call.keywords.get("alpha", 0.2)]
    alpha = float(np.float32(given[0]))
    return draft.add(
        graph.LeakyRelu, call.name, (source,), draft.shape(source), alpha=alpha
    )


def _activation(call: Call, draft: Draft, function: str) -> str:
    (source,) = call.inputs
    shape = draft.shape(source)
    return draft.add(graph.Activation, call.name, (source,), shape, function=function)


def _space_to_depth(call: Call, draft: Draft) -> str:
    (source,) = call.inputs
    block = call.keywords.get("block_size")
    size = int(call.arguments[1] if block is None else block)
    batch, height, width, channels = draft.shape(source)
    if call.keywords.get("data_format", "NHWC") != "NHWC":
        raise call.error("data_format must be 'NHWC'")
    shape = (batch, height // size, width // size, channels * size * size)
    return draft.add(graph.SpaceToDepth, call.name, (source,), shape, block_size=size)


READERS: dict[str, Callable[[Call, Draft], str | tuple[str, ...]]] = {
    "__operators__.add": lambda c, d: _elementwise(c, d, graph.Add),
    "__operators__.getitem": keras_moves.item,
    "compat.v1.pad": keras_moves.pad,
    "compat.v1.transpose": keras_moves.transpose,
    "math.argmax": lambda c, d: keras_moves.position(c, d, graph.ArgMax),
    "math.argmin": lambda c, d: keras_moves.position(c, d, graph.ArgMin),
    "math.reduce_max": lambda c, d: keras_moves.reduction(c, d, graph.ReduceMax),
    "math.reduce_min": lambda c, d: keras_moves.reduction(c, d, graph.ReduceMin),
    "slice": keras_moves.cut,
    "split": keras_moves.split,
    "stack": keras_moves.stack,
    "unstack": keras_moves.unstack,
    "math.abs": lambda c, d: _activation(c, d, "abs"),
    "math.add": lambda c, d: _elementwise(c, d, graph.Add),
    "math.divide": lambda c, d: _quotient(c, d),
    "math.maximum": lambda c, d: _elementwise(c, d, graph.Maximum),
    "math.minimum": lambda c, d: _elementwise(c, d, graph.Minimum),
    "math.multiply": lambda c, d: _elementwise(c, d, graph.Mul),
    "math.sigmoid": lambda c, d: _activation(c, d, "sigmoid"),
    "math.subtract": lambda c, d: _elementwise(c, d, graph.Sub),
    "math.tanh": lambda c, d: _activation(c, d, "tanh"),
    "math.truediv": lambda c, d: _quotient(c, d),
    "nn.leaky_relu": _leaky_relu,
    "nn.relu": lambda c, d: _activation(c, d, "relu"),
    "nn.relu6": lambda c, d: _activation(c, d, "relu6"),
    "nn.space_to_depth": _space_to_depth,
}
