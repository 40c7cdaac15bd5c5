"""Runs a float graph with TensorFlow's TFLite: all activations, quickly.

Some ten times as fast as `simulate.float_execution`, whose float64 it equals but for
the rounding of float32; what TFLite does not take runs there.
"""

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

from export.tflite import from_graph
from tfpipeline import errors
from tfpipeline.ir import graph
from tfpipeline.simulate import execution, float_execution

Array = graph.Array


def batches(g: graph.Graph, images: Array) -> Iterator[dict[str, Array]]:
    """All activations by name, of up to `float_execution.BATCH_SIZE` images at a time.

    Of one where the first axis is not the batch throughout.

    Args:
        g: a verified float graph with one input.
        images: float32 `[N, ...]` of the input's shape, N >= 1.

    Raises:
        GraphError: a layer is not supported.
        UsageError: `images` do not fit the input.
    """
    runner = _interpreter(g)
    if runner is None or images.shape[1:] != g.tensors[g.inputs[0]].shape[1:]:
        yield from float_execution.batches(g, images)
        return
    wanted = set(g.inputs) | {n for x in g.layers for n in graph.written_names(x)}
    places = {
        each["name"]: each["index"]
        for each in runner.get_tensor_details()
        if each["name"] in wanted
    }
    source = runner.get_input_details()[0]["index"]
    size = float_execution.BATCH_SIZE if execution.keeps_batch(g) else 1
    for start in range(0, len(images), size):
        rows = []
        for image in images[start : start + size]:
            runner.set_tensor(source, image[np.newaxis])
            runner.invoke()
            rows.append([runner.get_tensor(index) for index in places.values()])
        columns = (np.concatenate(each) for each in zip(*rows, strict=True))
        yield dict(zip(places, columns, strict=True))


def _interpreter(g: graph.Graph) -> Any:
    """A `tf.lite.Interpreter`; `None` where the graph has no file that it takes."""
    if any(isinstance(layer, graph.Stateful) for layer in g.layers):
        # What it keeps would go from one image to the next.
        return None
    # Seconds of imports that nobody else should wait for. Not ai_edge_litert's, the
    # same code once more, which crashes or hangs beside TensorFlow in one process.
    from tfpipeline.compat import tf

    resolvers = tf.lite.experimental.OpResolverType
    try:
        model = from_graph.to_bytes(g)
        with warnings.catch_warnings():
            # That keeping all tensors takes memory, and that there is another package.
            warnings.simplefilter("ignore")
            runner = tf.lite.Interpreter(
                model_content=model,
                num_threads=1,
                # With XNNPACK not all tensors are kept.
                experimental_op_resolver_type=(
                    resolvers.BUILTIN_WITHOUT_DEFAULT_DELEGATES
                ),
                experimental_preserve_all_tensors=True,
            )
        runner.allocate_tensors()
    except (errors.ExportError, RuntimeError, ValueError):
        return None
    return runner
