"""Largest magnitudes of a float graph's tensors over calibration images.

They are taken where the tool takes them: the input, and every layer with weights before
its ReLU. Sums of two tensors are measured too, which the tool does not.
"""

import dataclasses
from collections.abc import Callable, Iterator, Mapping

import numpy as np

from tfpipeline.ir import graph, verify
from tfpipeline.simulate import float_execution
from tfpipeline.targets.gap8 import quantize

Array = graph.Array
# (graph, images) -> all activations by name, in batches.
Run = Callable[[graph.Graph, Array], Iterator[Mapping[str, Array]]]


def calibrate(
    g: graph.Graph, images: Array, run: Run = float_execution.batches
) -> dict[str, float]:
    """What `quantize.quantize` takes as `ranges`.

    Args:
        g: a well-formed float graph with its weights.
        images: float `[N, ...]` of the input's shape, N >= 1, from the training split,
            normalized as in training, or 0 to 255 for raw input.
        run: what runs the graph.

    Raises:
        GraphError: layers that cannot be executed.
        UsageError: images that do not fit the input.
    """
    names = quantize.measured(g)
    split = unclamped(g, names)
    found = dict.fromkeys(names, 0.0)
    writers = {layer.output for layer in split.layers}
    for values in run(split, images):
        for name in names:
            source = _unclamped_name(name)
            measured = values[source if source in writers else name]
            # Not max(), which loses what is not a number.
            found[name] = float(np.maximum(found[name], np.abs(measured).max()))
    return found


def unclamped(g: graph.Graph, names: tuple[str, ...]) -> graph.Graph:
    """The graph with the ReLUs of the layers that write `names` as layers of their own.

    What such a layer writes before its ReLU is called `NAME/unclamped`.
    """
    tensors = dict(g.tensors)
    layers: list[graph.Layer] = []
    for layer in g.layers:
        kinds = (graph.Weighted, graph.Elementwise)
        if (
            not isinstance(layer, kinds)
            or layer.output not in names
            or layer.clamp == graph.NO_CLAMP
        ):
            layers.append(layer)
            continue
        before = _unclamped_name(layer.output)
        tensor = tensors[layer.output]
        tensors[before] = dataclasses.replace(tensor, name=before)
        layers.append(dataclasses.replace(layer, output=before, clamp=graph.NO_CLAMP))
        layers.append(
            graph.Activation(
                name=f"{layer.name}/relu",
                inputs=(before,),
                output=layer.output,
                function="relu",
            )
        )
    return verify.require(dataclasses.replace(g, tensors=tensors, layers=tuple(layers)))


def _unclamped_name(name: str) -> str:
    return f"{name}/unclamped"
