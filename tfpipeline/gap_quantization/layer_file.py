"""The JSON that gap_quantization writes of each quantized layer.

A convolution has `weight` (outputs, inputs of a group, rows, columns), `bias`, `norm`
and the fraction bits of all three and of its output; a concatenation or a sum has a
`norm` for each input. Integers are written as `673.0`, scalars as lists of one.

`out_frac_bits` and `b_frac_bits` are stale where a concatenation made a layer shift its
result by n places more: `norm` and the bias have the shift, these two are n too high
(four layers of the re-identification demo). So what a layer writes has
`inp_frac_bits + w_frac_bits - norm` fraction bits, whatever else the file says.

Source: xperience-ai/gap_quantization e4f086f, `layer_quantizers.py`, `quantization.py`.
"""

import dataclasses
import os
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from tfpipeline import errors
from tfpipeline.ir import graph
from tfpipeline.untrusted import content, damage, json_values

Array = graph.Array

SUFFIX = ".json"
_KIND = "a layer of gap_quantization"
_CONVOLUTION = ("weight", "bias", "w_frac_bits", "b_frac_bits", "inp_frac_bits")
_JOINED = ("norm", "out_frac_bits")
# Fraction bits beyond these are of no width, magnitude and accumulator of the chip.
_MAX_FRACTION_BITS = 64
_WIDEST = np.iinfo(np.int16)


@dataclasses.dataclass(frozen=True, eq=False)
class Convolution:
    """The integers of a layer with weights.

    Attributes:
        name: of the file, without `.json`: the module's in PyTorch.
        weights: int64 `[outputs, inputs of a group, rows, columns]`.
        bias: int64 `[outputs]`, added to the result of the shift.
        in_q, weight_q: fraction bits of the input and of the weights.
        norm: places that sums of products are shifted right.
        said: fraction bits of bias and output as written, which may be stale.
    """

    name: str
    weights: Array
    bias: Array
    in_q: int
    weight_q: int
    norm: int
    said: tuple[int, int]

    @property
    def out_q(self) -> int:
        """Fraction bits of what the layer writes, and of its bias."""
        return self.in_q + self.weight_q - self.norm

    @property
    def is_bias_off(self) -> bool:
        """Whether the tool adds the bias at another scale than it has.

        It does where it would have to shift left and does not shift at all.
        """
        return self.said[0] != self.said[1]


@dataclasses.dataclass(frozen=True)
class Joined:
    """A concatenation or a sum: how far each input is shifted right."""

    name: str
    norms: tuple[int, ...]


Layer = Convolution | Joined


def is_one(value: Any) -> bool:
    """Whether the value of a JSON file has the keys of a layer."""
    return isinstance(value, Mapping) and all(key in value for key in _JOINED)


def read(path: str | os.PathLike[str]) -> Layer:
    """Reads a file.

    Raises:
        StorageError: it is absent or cannot be read.
        DamagedFileError: it is not one of a layer.
    """
    return of_value(json_values.read(path), pathlib.Path(path))


def of_value(value: Any, path: pathlib.Path) -> Layer:
    """The layer of a file's value.

    Raises:
        DamagedFileError: it is none.
    """
    with damage.reported(str(path), _KIND):
        if not is_one(value):
            raise ValueError(f"it lacks {' or '.join(_JOINED)}")
        name = path.name.removesuffix(SUFFIX)
        norms = tuple(_count(each) for each in _list(value, "norm"))
        if any(norm < 0 for norm in norms):
            raise ValueError("a norm is negative")
        if "weight" not in value:
            return Joined(name, norms)
        missing = [key for key in _CONVOLUTION if key not in value]
        if missing:
            raise ValueError(f"it lacks {missing[0]}")
        weights, bias = _integers(value, "weight", 4), _integers(value, "bias", 1)
        if bias.shape != weights.shape[:1]:
            raise ValueError(f"{len(bias)} biases for {len(weights)} outputs")
        keys = ("inp_frac_bits", "w_frac_bits", "norm")
        in_q, weight_q, norm = (_scalar(value, key) for key in keys)
        said = (_scalar(value, "b_frac_bits"), _scalar(value, "out_frac_bits"))
        return Convolution(name, weights, bias, in_q, weight_q, norm, said)


def is_folder(path: pathlib.Path) -> bool:
    """Whether the first `.json` file of a folder is one of a layer."""
    for file in _files(path)[:1]:
        try:
            return is_one(json_values.read(file))
        except errors.StorageError:
            return False
    return False


def folder(path: pathlib.Path) -> dict[str, Layer]:
    """All layers of a folder, by name.

    Other JSON (of activations, of the network's wiring) is passed over.

    Raises:
        StorageError: a file cannot be read, or there is none.
        DamagedFileError: a file is no JSON, or a damaged layer.
    """
    values = {file: json_values.read(file) for file in _files(path)}
    found = [of_value(value, file) for file, value in values.items() if is_one(value)]
    if not found:
        raise errors.StorageError(f"{path} has no layers of gap_quantization")
    return {layer.name: layer for layer in found}


def _files(path: pathlib.Path) -> list[pathlib.Path]:
    if not content.exists(path) or not path.is_dir():
        return []
    return sorted(file for file in path.glob(f"*{SUFFIX}") if file.is_file())


def _list(value: Mapping[str, Any], key: str) -> list[Any]:
    found = value[key]
    if not isinstance(found, list) or not found:
        raise ValueError(f"{key} is no list of numbers")
    return found


def _scalar(value: Mapping[str, Any], key: str) -> int:
    found = _list(value, key)
    if len(found) != 1:
        raise ValueError(f"{key} has {len(found)} values, not one")
    return _count(found[0])


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{errors.brief(value)} is no number")
    if value != int(value) or abs(value) > _MAX_FRACTION_BITS:
        raise ValueError(f"{errors.brief(value)} is no count of bits")
    return int(value)


def _integers(value: Mapping[str, Any], key: str, rank: int) -> Array:
    """Whole numbers of at most 16 bits."""
    found = np.array(_list(value, key))
    if found.dtype.kind not in "iuf" or found.ndim != rank or not found.size:
        raise ValueError(f"{key} is no array of {rank} axes of numbers")
    if (found != np.floor(found)).any():
        raise ValueError(f"{key} has numbers that are not whole")
    if found.min() < _WIDEST.min or found.max() > _WIDEST.max:
        raise ValueError(f"{key} has numbers of over 16 bits")
    result: Array = found.astype(np.int64)
    return result
