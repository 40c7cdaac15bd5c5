"""What TensorFlow's converter makes of single steps: fewer, larger layers.

A layer that alone reads the result of the one before it is joined with it, in one pass
from first to last, by these rules:

* Mul and Add by a constant a channel go into the kernel and the bias of a layer with
  weights: `kernel * scale`, `bias * scale + offset`, in float32, operation by
  operation. So a batch normalization disappears.
* ReLU, ReLU6 and the like become the clamp of the layer before.
* A Reshape in front of a Dense layer goes where it keeps the last axis, because Dense
  flattens its input itself.

The joined layer keeps the first one's name and stands at the last one's place.
"""

import dataclasses
from collections.abc import Callable

import numpy as np

from tfpipeline.ir import graph
from tfpipeline.ir.readers import draft as draft_lib

Draft = draft_lib.Draft

CLAMPS = {
    "relu": graph.RELU,
    "relu6": graph.RELU6,
    "relu_0_to_1": graph.Clamp(0.0, 1.0),
}
_CLAMPED = (graph.Weighted, graph.Pool, graph.Elementwise)


def fuse(draft: Draft, outputs: tuple[str, ...]) -> None:
    """Joins the layers of `draft` in place; tensors in `outputs` stay."""
    readers = _readers(draft, outputs)
    joined: dict[str, graph.Layer] = {}
    for layer in draft.layers:
        for rule in _RULES:
            before = joined.get(layer.inputs[0])
            if before is None or readers[before.output] != 1:
                continue
            result = rule(draft, before, layer)
            if result is not None:
                del joined[before.output]
                layer = result
        joined[layer.output] = layer
    draft.layers = list(joined.values())


def _readers(draft: Draft, outputs: tuple[str, ...]) -> dict[str, int]:
    """How often each tensor is read; an output of the network counts once more."""
    counts = dict.fromkeys(draft.tensors, 0)
    for layer in draft.layers:
        for name in graph.read_names(layer):
            counts[name] += 1
    for name in outputs:
        counts[name] += 1
    return counts


def _scale(draft: Draft, before: graph.Layer, layer: graph.Layer) -> graph.Layer | None:
    if not isinstance(layer, graph.Mul) or not isinstance(before, graph.Weighted):
        return None
    factor = _per_channel(draft, before, layer)
    if factor is None:
        return None
    kernel = draft.constants[before.weights]
    along = (
        factor
        if isinstance(before, graph.DepthwiseConv2D)
        else factor.reshape((-1, *(1 for _ in kernel.shape[1:])))
    )
    bias = before.bias
    if bias is not None:
        bias = draft.constant(f"{layer.output}/bias", draft.constants[bias] * factor)
    return dataclasses.replace(
        before,
        output=layer.output,
        clamp=layer.clamp,
        weights=draft.constant(f"{layer.output}/kernel", kernel * along),
        bias=bias,
    )


def _offset(
    draft: Draft, before: graph.Layer, layer: graph.Layer
) -> graph.Layer | None:
    if not isinstance(layer, graph.Add) or not isinstance(before, graph.Weighted):
        return None
    offset = _per_channel(draft, before, layer)
    if offset is None:
        return None
    if before.bias is not None:
        offset = draft.constants[before.bias] + offset
    bias = draft.constant(f"{layer.output}/bias", offset)
    return dataclasses.replace(
        before, output=layer.output, clamp=layer.clamp, bias=bias
    )


def _per_channel(
    draft: Draft, before: graph.Weighted, layer: graph.Elementwise
) -> graph.Array | None:
    """The constant operand of `layer` as `[channels]`, if it is one."""
    values = draft.constants.get(layer.inputs[1])
    channels = draft.shape(before.output)[-1]
    if values is None or before.clamp != graph.NO_CLAMP:
        return None
    if values.size not in (1, channels) or values.shape[-1:] not in (
        (),
        (1,),
        (channels,),
    ):
        return None
    return np.broadcast_to(values.reshape(-1), (channels,))


def _clamp(draft: Draft, before: graph.Layer, layer: graph.Layer) -> graph.Layer | None:
    if not isinstance(layer, graph.Activation) or not isinstance(before, _CLAMPED):
        return None
    if layer.function not in CLAMPS or before.clamp != graph.NO_CLAMP:
        return None
    clamp = CLAMPS[layer.function]
    return dataclasses.replace(before, output=layer.output, clamp=clamp)


def _flattened(
    draft: Draft, before: graph.Layer, layer: graph.Layer
) -> graph.Layer | None:
    if not isinstance(layer, graph.Dense) or not isinstance(before, graph.Reshape):
        return None
    if draft.shape(before.inputs[0])[-1:] != draft.shape(before.output)[-1:]:
        return None
    return dataclasses.replace(layer, inputs=before.inputs)


_RULES: tuple[Callable[[Draft, graph.Layer, graph.Layer], graph.Layer | None], ...] = (
    _scale,
    _offset,
    _clamp,
    _flattened,
)
