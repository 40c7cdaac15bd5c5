"""What tells networks apart, whatever their tensors and layers are called.

The same integers from a run's graph and from its `.tflite` have the same fingerprint.
"""

import dataclasses
import hashlib
import json
from collections.abc import Iterable
from typing import Any

import numpy as np

from tfpipeline.ir import graph

# Bytes of a SHA-256 that are kept: 2^64 networks before two are likely to be taken for
# one another, and short enough for every greeting of a board.
SIZE = 16
# Texts of layers that name no tensor.
_WORDS = frozenset({"mode", "function", "operator"})


def of(g: graph.Graph) -> bytes:
    """The fingerprint of a verified graph: `SIZE` bytes.

    It depends on shapes, types, scales, layers in their order and the values of all
    constants that are used; not on names.
    """
    numbers: dict[str, int] = {}
    described: list[Any] = []
    digest = hashlib.sha256()

    def number(name: str) -> int | None:
        if name not in g.tensors:
            return None  # An optional input that is left out.
        if name not in numbers:
            numbers[name] = len(numbers)
            described.append(_tensor(g.tensors[name]))
            if name in g.constants:
                values = g.constants[name]
                little = values.astype(values.dtype.newbyteorder("<"))
                digest.update(np.ascontiguousarray(little).tobytes())
        return numbers[name]

    described.append([number(name) for name in g.inputs])
    for layer in g.layers:
        described.append([layer.kind, *_fields(layer, number)])
    described.append([number(name) for name in g.outputs])
    digest.update(json.dumps(described).encode())
    return digest.digest()[:SIZE]


def _tensor(tensor: graph.Tensor) -> list[Any]:
    quant = tensor.quant
    stored = None
    if quant is not None:
        scales = [scale.hex() for scale in quant.scale]
        stored = [scales, list(quant.zero_point), quant.num_bits, quant.axis]
    return [list(tensor.shape), tensor.dtype, stored]


def _fields(layer: graph.Layer, number: Any) -> Iterable[Any]:
    for field in dataclasses.fields(layer):
        if field.name != "name":
            value = getattr(layer, field.name)
            yield value if field.name in _WORDS else _value(value, number)


def _value(value: Any, number: Any) -> Any:
    if isinstance(value, str):
        return number(value)
    if isinstance(value, graph.Clamp):
        return [value.minimum.hex(), value.maximum.hex()]
    if isinstance(value, float):
        return value.hex()
    if isinstance(value, tuple):
        return [_value(each, number) for each in value]
    return value
