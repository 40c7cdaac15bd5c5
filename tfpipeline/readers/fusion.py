"""What TensorFlow's converter makes of single steps: fewer, larger layers.

A layer that alone reads the result of the one before it, which training did not round,
is joined with it, in one pass from first to last, by these rules (their arithmetic is
float32, step by step):

* Mul and Add by a constant a channel, so also a batch normalization, go into the kernel
  and the bias of the layer with weights before: `kernel * scale`, `bias * scale`,
  `bias + offset`.
* Otherwise they go into the Dense layer behind; into a convolution behind only where
  all channels have the same constant, and an Add only where nothing is padded.
* ReLU, ReLU6 and the like become the clamp of the layer before, even where training
  rounded in between (but for a pool).
* A Pad goes into the convolution behind where the result is "SAME" padding.
* A Reshape goes into the Reshape behind, and into the Dense layer behind where it keeps
  the last axis, because Dense flattens its input itself.

The joined layer has the name of the one with weights and the last one's place. Equal
constants become one, and so do layers that compute the same.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from tfpipeline.ir import geometry, graph
from tfpipeline.readers import draft as draft_lib

Draft = draft_lib.Draft

CLAMPS = {
    "relu": graph.RELU,
    "relu6": graph.RELU6,
    "relu_0_to_1": graph.Clamp(0.0, 1.0),
}
# Layers without a bias in a file where it would be all zeros; others always have one.
WITHOUT_ZEROS = (graph.Dense, graph.TransposeConv2D)
_CLAMPED = (graph.Weighted, graph.Pool, graph.Elementwise)


def fuse(draft: Draft, outputs: tuple[str, ...], *, kept: tuple[str, ...] = ()) -> None:
    """Joins the layers of `draft` in place, for the sake of `outputs` alone.

    What writes one of the tensors `kept` is not joined with what reads it.
    """
    draft.layers = _needed(draft, outputs)
    readers = _readers(draft, (*outputs, *kept))
    joined: dict[str, graph.Layer] = {}
    for layer in draft.layers:
        while (before := joined.get(layer.inputs[0])) and readers[before.output] == 1:
            rules = (_clamp,) if before.output in draft.ranges else _RULES
            results = (rule(draft, before, layer) for rule in rules)
            result = next(filter(None, results), None)
            if result is None:
                break
            del joined[before.output]
            layer = result
        joined[layer.output] = layer
    draft.layers = list(joined.values())


def scaled_inputs(draft: Draft, inputs: tuple[str, ...]) -> tuple[str, ...]:
    """Tensors that scale or shift an input by constants, and nothing else."""
    reached = list(inputs)
    for layer in draft.layers:
        if isinstance(layer, (graph.Mul, graph.Add)):
            source, *others = layer.inputs
            if source in reached and all(x in draft.constants for x in others):
                reached.append(layer.output)
    return tuple(reached[len(inputs) :])


def _needed(draft: Draft, outputs: tuple[str, ...]) -> list[graph.Layer]:
    """The layers that `outputs` depend on."""
    needed = set(outputs)
    layers = []
    for layer in reversed(draft.layers):
        if not needed.isdisjoint(graph.written_names(layer)):
            needed.update(layer.inputs)
            layers.append(layer)
    return layers[::-1]


def store_biases(draft: Draft) -> None:
    """Gives `draft` the biases of a float `.tflite` of the same network, in place.

    A convolution without bias gets one of zeros; a Dense layer or a transposed
    convolution whose bias is all zeros has none.
    """
    for index, layer in enumerate(draft.layers):
        if not isinstance(layer, graph.Weighted):
            continue
        bias = layer.bias
        if isinstance(layer, WITHOUT_ZEROS):
            if bias is not None and not draft.constants[bias].any():
                bias = None
        elif bias is None:
            channels = draft.shape(layer.output)[-1]
            bias = draft.constant(f"{layer.name}/bias", np.zeros(channels))
        draft.layers[index] = dataclasses.replace(layer, bias=bias)


def share(draft: Draft, outputs: tuple[str, ...]) -> None:
    """Makes equal constants one, and layers that compute the same, in place."""
    same = _equal_constants(draft)
    computed: dict[tuple[object, ...], tuple[str, ...]] = {}
    layers: list[graph.Layer] = []
    for layer in draft.layers:
        changes: dict[str, Any] = {
            "inputs": tuple(same.get(name, name) for name in layer.inputs)
        }
        if isinstance(layer, graph.Weighted):
            changes["weights"] = same[layer.weights]
            changes["bias"] = None if layer.bias is None else same[layer.bias]
        if isinstance(layer, graph.Lstm):
            for field in ("input_weights", "recurrent_weights", "biases"):
                changes[field] = tuple(same[name] for name in getattr(layer, field))
        names = graph.written_names(layer)
        results = [draft.tensors[name] for name in names]
        unnamed = {**changes, **({"further": ()} if len(names) > 1 else {})}
        what = dataclasses.replace(layer, name="", output="", **unnamed)
        meaning = tuple((each.shape, each.quant) for each in results)
        first = computed.setdefault((what, meaning), names)
        if first == names or not set(names).isdisjoint(outputs):
            layers.append(dataclasses.replace(layer, **changes))
        else:
            same |= zip(names, first, strict=True)
    draft.layers = layers


def _equal_constants(draft: Draft) -> dict[str, str]:
    """Constant -> the first one of the same values and meaning."""
    first: dict[tuple[object, ...], str] = {}
    same: dict[str, str] = {}
    for name, values in draft.constants.items():
        quant = draft.tensors[name].quant
        key = (values.shape, values.dtype.str, values.tobytes(), quant)
        same[name] = first.setdefault(key, name)
    return same


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
    last = values.shape[-1] if values.ndim else 1
    if last not in (1, channels) or values.size != last:
        return None
    return np.broadcast_to(values.reshape(-1), (channels,))


def _clamp(draft: Draft, before: graph.Layer, layer: graph.Layer) -> graph.Layer | None:
    if not isinstance(layer, graph.Activation) or not isinstance(before, _CLAMPED):
        return None
    if layer.function not in CLAMPS or before.clamp != graph.NO_CLAMP:
        return None
    if isinstance(before, graph.Pool) and before.output in draft.ranges:
        return None
    clamp = CLAMPS[layer.function]
    return dataclasses.replace(before, output=layer.output, clamp=clamp)


def _scale_behind(
    draft: Draft, before: graph.Layer, layer: graph.Layer
) -> graph.Layer | None:
    if not isinstance(before, graph.Mul):
        return None
    factor = _constant_before(draft, before, layer)
    if factor is None:
        return None
    assert isinstance(layer, graph.Weighted)
    kernel = draft.constants[layer.weights] * factor
    weights = draft.constant(f"{layer.output}/kernel", kernel)
    return dataclasses.replace(layer, inputs=before.inputs[:1], weights=weights)


def _offset_behind(
    draft: Draft, before: graph.Layer, layer: graph.Layer
) -> graph.Layer | None:
    if not isinstance(before, graph.Add):
        return None
    offset = _constant_before(draft, before, layer)
    if offset is None:
        return None
    assert isinstance(layer, graph.Weighted)
    if isinstance(layer, graph.Dense) and layer.bias is None:
        return None
    if any(map(any, getattr(layer, "padding", ()))):
        return None
    kernel = draft.constants[layer.weights]
    first = 0.0 if layer.bias is None else draft.constants[layer.bias]
    terms = kernel * offset
    if isinstance(layer, graph.DepthwiseConv2D):
        terms = np.moveaxis(terms, -1, 0)
    # One after another from the bias on, as the converter adds a constant common to
    # all channels; of others in front of a Dense layer the last bits may differ.
    terms = np.insert(terms.reshape(len(terms), -1), 0, first, axis=1)
    bias = terms.cumsum(axis=1)[:, -1]
    return dataclasses.replace(
        layer,
        inputs=before.inputs[:1],
        bias=draft.constant(f"{layer.output}/bias", bias),
    )


def _constant_before(
    draft: Draft, before: graph.Elementwise, layer: graph.Layer
) -> graph.Array | None:
    """The constant operand of `before`, if `layer` can take it in."""
    values = draft.constants.get(before.inputs[1])
    if values is None or before.clamp != graph.NO_CLAMP:
        return None
    if isinstance(layer, graph.Dense):
        channels = draft.constants[layer.weights].shape[-1]
        return values if values.shape in ((), (channels,)) else None
    if isinstance(layer, (graph.Conv2D, graph.DepthwiseConv2D)):
        return values.reshape(()) if values.size == 1 else None
    return None


def _padded(
    draft: Draft, before: graph.Layer, layer: graph.Layer
) -> graph.Layer | None:
    if not isinstance(before, graph.Pad):
        return None
    if not isinstance(layer, (graph.Conv2D, graph.DepthwiseConv2D)):
        return None
    padding = before.padding[1:-1]
    if any(map(any, (*layer.padding, before.padding[0], before.padding[-1]))):
        return None
    size = draft.shape(before.inputs[0])[1:-1]
    kernel = draft.shape(layer.weights)[1:-1]
    same = geometry.same_padding(size, kernel, layer.strides, layer.dilation)
    if padding != same:
        return None
    return dataclasses.replace(layer, inputs=before.inputs, padding=padding)


def _reshaped(
    draft: Draft, before: graph.Layer, layer: graph.Layer
) -> graph.Layer | None:
    if not isinstance(before, graph.Reshape):
        return None
    if draft.owners.get(before.inputs[0]) == draft.owners[before.output]:
        # The last step of a global maximum, one operator for the converter.
        return None
    source, result = draft.shape(before.inputs[0]), draft.shape(before.output)
    keeps_last = isinstance(layer, graph.Dense) and source[-1] == result[-1]
    if not keeps_last and not isinstance(layer, graph.Reshape):
        return None
    return dataclasses.replace(layer, inputs=before.inputs)


_RULES: tuple[Callable[[Draft, graph.Layer, graph.Layer], graph.Layer | None], ...] = (
    _scale,
    _offset,
    _clamp,
    _scale_behind,
    _offset_behind,
    _padded,
    _reshaped,
)
