"""Runs a `.tflite` with TensorFlow's TFLite for its outputs alone.

Faster than our execution, and than `float_runner`, which keeps every activation. Of
integers TFLite's own kernels are taken, without XNNPACK: those round as the reference
kernels do. `equal` says whether they do so of some inputs.
"""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from tfpipeline.ir import graph

Array = graph.Array
# Stored inputs [N, ...] -> stored outputs, each [N, ...], in the order of the file.
Run = Callable[[Array], tuple[Array, ...]]


def runner(data: bytes, *, integers: bool) -> Run | None:
    """What runs a file, an input at a time; `None` where TFLite does not take it.

    Args:
        data: of a `.tflite` of one input and batch 1 that keeps no state.
        integers: whether its sums are of integers; XNNPACK rounds those otherwise.
    """
    interpreter = _interpreter(data, integers)
    if interpreter is None:
        return None
    source = interpreter.get_input_details()[0]["index"]
    places = [each["index"] for each in interpreter.get_output_details()]

    def run(inputs: Array) -> tuple[Array, ...]:
        rows = []
        for each in inputs:
            interpreter.set_tensor(source, each[np.newaxis])
            interpreter.invoke()
            rows.append([interpreter.get_tensor(place) for place in places])
        return tuple(np.concatenate(column) for column in zip(*rows, strict=True))

    return run


def equal(first: tuple[Array, ...], second: tuple[Array, ...]) -> bool:
    """Whether all outputs are the same bits."""
    return len(first) == len(second) and all(
        np.array_equal(a, b) for a, b in zip(first, second, strict=True)
    )


def _interpreter(data: bytes, integers: bool) -> Any:
    # Seconds of imports that nobody else should wait for. Not ai_edge_litert's, the
    # same code once more, which crashes or hangs beside TensorFlow in one process.
    from tfpipeline.compat import tf

    resolvers = tf.lite.experimental.OpResolverType
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # That there is another package.
            interpreter = tf.lite.Interpreter(
                model_content=data,
                num_threads=1,
                experimental_op_resolver_type=(
                    resolvers.BUILTIN_WITHOUT_DEFAULT_DELEGATES
                    if integers
                    else resolvers.AUTO
                ),
            )
        interpreter.allocate_tensors()
    except (RuntimeError, ValueError):
        return None
    return interpreter
