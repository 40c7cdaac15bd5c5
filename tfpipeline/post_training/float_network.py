"""A float network with calibration data, which every quantization here reads."""

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt

from tfpipeline import errors
from tfpipeline.ir import graph
from tfpipeline.post_training import calibration, input_range
from tfpipeline.precision import ranges
from tfpipeline.simulate import float_execution

Array = npt.NDArray[np.float32]

# Keras layers in front that make what a network reads of pixels.
_SCALING_LAYERS = ("Rescaling", "Normalization")


@dataclasses.dataclass(frozen=True, eq=False)
class FloatNetwork:
    """What is quantized.

    Attributes:
        graph: the network, of one input.
        inputs: float32 `[N, ...]`, as it reads them.
        input_range: the values that its input is to hold.
        model: the same network in Keras (`keras.Model`), where there is one: schemes
            that rescale weights do so there.
        run: what runs `graph` on inputs.
        notes: what was found out when it was read, one line each.
        says_classes: whether its output is known to be of classes.
    """

    graph: graph.Graph
    inputs: Array
    input_range: input_range.InputRange
    model: Any = None
    run: ranges.Runner = float_execution.batches
    notes: tuple[str, ...] = ()
    says_classes: bool = False


def make(
    g: graph.Graph,
    source: calibration.Source,
    range_text: str,
    *,
    model: Any = None,
    run: ranges.Runner = float_execution.batches,
    notes: tuple[str, ...] = (),
) -> FloatNetwork:
    """Reads the calibration data of a network.

    Args:
        g: the network.
        source: of --calibration.
        range_text: of --input_range.
        model: as the attribute.
        run: likewise.
        notes: likewise.

    Raises:
        UsageError: what the flags say cannot be.
        DataError: as the source's `read`; or values that are not in the range.
        GraphError: the graph is not float, or has several inputs.
    """
    float_execution.require_float(g)
    declared = input_range.parse(range_text)
    shape = g.tensors[g.inputs[0]].shape[1:]
    pixels = pixels_of(range_text, g, model)
    if source.are_pictures:
        declared = pixels = pixels.of_whole_steps()
    inputs = source.read(shape, pixels)
    if declared is None:
        declared = input_range.of_values(inputs)
    low, high = float(inputs.min()), float(inputs.max())
    if low < declared.low or high > declared.high:
        raise errors.DataError(
            f"{source.title} has values from {low:g} to {high:g}, beyond the "
            f"{declared.low:g} to {declared.high:g} of --input_range"
        )
    return FloatNetwork(g, inputs, declared, model, run, notes)


def pixels_of(
    range_text: str, g: graph.Graph, model: Any = None
) -> input_range.InputRange:
    """What a network reads of a picture's pixels.

    Args:
        range_text: of --input_range.
        g: the network.
        model: the same in Keras, where there is one.

    Raises:
        UsageError: a text that is no range.
    """
    return input_range.parse(range_text) or _of_pictures(g, model)


def _of_pictures(g: graph.Graph, model: Any) -> input_range.InputRange:
    """What a network reads of pictures, where nobody says."""
    scales = _scales_its_input(g) if model is None else begins_scaled(model)
    return input_range.NAMED[input_range.PIXELS if scales else input_range.SIGNED]


def begins_scaled(model: Any) -> bool:
    """Whether a Keras network begins with a layer that makes values of pixels.

    A graph of it may have that in its first kernel.
    """
    kinds = [type(layer).__name__ for layer in model.layers]
    first = next((kind for kind in kinds if kind != "InputLayer"), "")
    return first in _SCALING_LAYERS


def _scales_its_input(g: graph.Graph) -> bool:
    """Whether a network begins with a scaling by constants: it takes pixels."""
    readers = [layer for layer in g.layers if g.inputs[0] in layer.inputs]
    return all(
        isinstance(layer, graph.Elementwise)
        and any(name in g.constants for name in layer.inputs)
        for layer in readers
    )
