"""Rules of names, order and values: what the rules of layers rely on."""

import collections
import math
from collections.abc import Iterator

import numpy as np

from tfpipeline.ir import graph, rule

MAX_RANK = 8
# 64 MiB of int8 are beyond any microcontroller; what is larger is damage, or would take
# the memory of this machine.
MAX_ELEMENTS = 2**26


def _names(g: graph.Graph) -> Iterator[rule.Breach]:
    for key, tensor in g.tensors.items():
        if key != tensor.name:
            yield f"tensor '{tensor.name}'", f"the key '{key}'"
    used = set(graph.tensor_names(g))
    for name in sorted(used ^ set(g.tensors)):
        found = "no such tensor" if name in used else "a tensor that nothing uses"
        yield f"tensor '{name}'", found
    for name in sorted(set(g.constants) - set(g.tensors)):
        yield f"constant '{name}'", "no tensor of this name"
    counts = collections.Counter(layer.name for layer in g.layers)
    for name, count in counts.items():
        if count > 1:
            yield f"layer '{name}'", f"{count} layers of this name"


def _kinds(g: graph.Graph) -> Iterator[rule.Breach]:
    for layer in g.layers:
        if type(layer) not in (*graph.LAYER_KINDS, graph.Unknown):
            yield rule.subject(layer), layer.kind


def _shapes(g: graph.Graph) -> Iterator[rule.Breach]:
    for tensor in g.tensors.values():
        shape = tensor.shape
        if len(shape) > MAX_RANK or any(size < 1 for size in shape):
            yield f"tensor '{tensor.name}'", str(shape)
        elif math.prod(shape) > MAX_ELEMENTS:
            yield f"tensor '{tensor.name}'", f"{math.prod(shape):,} elements"
    for name in g.inputs:
        if name in g.tensors and g.tensors[name].shape[:1] != (1,):
            yield f"input '{name}'", f"the batch of {g.tensors[name].shape}"


def _types(g: graph.Graph) -> Iterator[rule.Breach]:
    for tensor in g.tensors.values():
        if tensor.dtype not in graph.DTYPES:
            yield f"tensor '{tensor.name}'", tensor.dtype


def _order(g: graph.Graph) -> Iterator[rule.Breach]:
    if not g.inputs or not g.outputs or not g.layers:
        yield f"graph '{g.name}'", "no inputs, no outputs or no layers"
    written = set(g.constants)
    for name in g.inputs:
        if name in written:
            yield f"input '{name}'", "a constant, or an input named twice"
        written.add(name)
    for layer in g.layers:
        for name in graph.read_names(layer):
            if name not in written:
                yield rule.subject(layer), f"'{name}' read before it is written"
        for name in graph.written_names(layer):
            if name in written:
                yield rule.subject(layer), f"'{name}' written again"
            written.add(name)
        for name in graph.state_names(layer):
            if name in written:
                yield rule.subject(layer), f"the state '{name}' used elsewhere"
            written.add(name)
        for name in graph.constant_names(layer):
            if name not in g.constants:
                yield rule.subject(layer), f"'{name}' without a value"
    for name in g.outputs:
        if name not in written:
            yield f"output '{name}'", "a tensor that no layer writes"


def _constants(g: graph.Graph) -> Iterator[rule.Breach]:
    for name, array in g.constants.items():
        tensor = g.tensors.get(name)
        if tensor is None:
            continue
        if array.shape != tensor.shape or array.dtype.name != tensor.dtype:
            yield f"constant '{name}'", f"{array.dtype} {array.shape}"
        elif tensor.dtype == "float32":
            if not np.isfinite(array).all():
                yield f"constant '{name}'", "values that are not finite"
        elif array.size and tensor.num_bits < 8 * array.dtype.itemsize:
            limit = 2 ** (tensor.num_bits - 1)
            low, high = int(array.min()), int(array.max())
            if low < -limit or high >= limit:
                yield f"constant '{name}'", f"{low} to {high} in {tensor.num_bits} bits"


def _quantization(g: graph.Graph) -> Iterator[rule.Breach]:
    for tensor in g.tensors.values():
        for found in _quant_breaches(tensor):
            yield f"tensor '{tensor.name}'", found


def _quant_breaches(tensor: graph.Tensor) -> Iterator[str]:
    quant = tensor.quant
    if quant is None:
        return
    if tensor.dtype not in graph.DTYPES or tensor.dtype == "float32":
        yield f"quantization of {tensor.dtype}"
        return
    storage = np.iinfo(tensor.dtype)
    count = 1
    if quant.axis is not None:
        if not 0 <= quant.axis < len(tensor.shape):
            yield f"axis {quant.axis} of {tensor.shape}"
            return
        count = tensor.shape[quant.axis]
    if (len(quant.scale), len(quant.zero_point)) != (count, count):
        yield f"{len(quant.scale)} scales, {len(quant.zero_point)} zero points"
    if not 1 <= quant.num_bits <= storage.bits:
        yield f"{quant.num_bits} bits in {tensor.dtype}"
    for scale in quant.scale:
        # Constants of zeros alone may have the scale 0 in files of the converter.
        if not 0 <= scale < math.inf or float(np.float32(scale)) != scale:
            yield f"the scale {scale!r}"
            return
    for zero_point in quant.zero_point:
        if not storage.min <= zero_point <= storage.max:
            yield f"the zero point {zero_point}"
            return


RULES = (
    rule.Rule("IR-NAMES", "names must be unique and refer to tensors in use", _names),
    rule.Rule(
        "IR-KINDS",
        f"the kind must be one of the {len(graph.LAYER_KINDS)} in docs/operators.md",
        _kinds,
    ),
    rule.Rule(
        "IR-SHAPES",
        f"shapes must be positive, of at most {MAX_RANK} dimensions and "
        f"{MAX_ELEMENTS:,} elements, with a batch of 1",
        _shapes,
    ),
    rule.Rule("IR-TYPES", f"the type must be one of {', '.join(graph.DTYPES)}", _types),
    rule.Rule(
        "IR-ORDER", "each tensor must be written once, before it is read", _order
    ),
    rule.Rule(
        "IR-CONSTANTS", "arrays must have their tensor's shape, type, width", _constants
    ),
    rule.Rule(
        "IR-QUANT",
        "quantization needs integers, float32 scales and zero points for each slice",
        _quantization,
    ),
)
