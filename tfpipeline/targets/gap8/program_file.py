"""The file of a GAP8 program: one `.npz` with all of its integers.

The array `program` holds UTF-8 JSON with everything but weights and biases; those are
the arrays `weights/N` and `bias/N` of layer N. Reading builds the frozen values of
`program`, whose checks a damaged file does not pass.
"""

import dataclasses
import hashlib
import io
import json
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from tfpipeline import atomic_files, errors
from tfpipeline.targets.gap8 import fixed_point, program
from tfpipeline.untrusted import arrays, content, damage, json_values

Array = program.Array

FILE_NAME = "program.npz"
_FORMAT = "tfpipeline GAP8 program"
_VERSION = 1
_HEADER = "program"
_ARRAYS = ("weights", "bias")
_KINDS = {kind.__name__: kind for kind in program.LAYER_KINDS}


def write(path: str | os.PathLike[str], p: program.Program) -> None:
    """Writes a program; the file appears whole or not at all.

    Raises:
        StorageError: it cannot be written.
    """
    atomic_files.write_bytes(path, to_bytes(p))


def read(path: str | os.PathLike[str]) -> program.Program:
    """Reads a program.

    Raises:
        StorageError: no file, or not one of a program.
    """
    data = content.read(path)
    try:
        return from_bytes(data)
    except errors.DamagedFileError as error:
        raise errors.DamagedFileError(
            f"{path} is not a GAP8 program, or damaged: {error}"
        ) from error


def fingerprint(p: program.Program) -> str:
    """SHA-256 (hex) over all that decides what the program computes."""
    digest = hashlib.sha256()
    for name, array in _content(p).items():
        digest.update(name.encode("utf-8"))
        digest.update(array.tobytes())
    return digest.hexdigest()


def to_bytes(p: program.Program) -> bytes:
    """The file's bytes."""
    stream = io.BytesIO()
    np.savez_compressed(stream, allow_pickle=False, **_content(p))
    return stream.getvalue()


def _content(p: program.Program) -> dict[str, Array]:
    header = {
        "format": _FORMAT,
        "version": _VERSION,
        "name": p.name,
        "num_bits": p.num_bits,
        "tensors": [dataclasses.asdict(tensor) for tensor in p.tensors.values()],
        "layers": [_layer_fields(layer) for layer in p.layers],
        "inputs": p.inputs,
        "outputs": p.outputs,
        "notes": p.notes,
    }
    text = json.dumps(header).encode("utf-8")
    result: dict[str, Array] = {_HEADER: np.frombuffer(text, np.uint8)}
    for index, layer in enumerate(p.layers):
        if isinstance(layer, program.Weighted):
            result |= {f"{name}/{index}": getattr(layer, name) for name in _ARRAYS}
    return result


def from_bytes(data: bytes) -> program.Program:
    """The program of a file's bytes.

    Raises:
        DamagedFileError: they are not one of a program.
    """
    stored = arrays.parse_npz(data, "it")
    try:
        with damage.reported("it", "what was written"):
            header = json_values.parse(stored.pop(_HEADER).tobytes(), _HEADER)
            return _program(header, stored)
    except errors.GraphError as error:
        raise errors.DamagedFileError(str(error)) from error


def _program(header: Mapping[str, Any], stored: Mapping[str, Array]) -> program.Program:
    if (header["format"], header["version"]) != (_FORMAT, _VERSION):
        raise ValueError(f"version {header['version']} of {header['format']}")
    tensors = [
        program.Tensor(**{**fields, "shape": tuple(fields["shape"])})
        for fields in header["tensors"]
    ]
    return program.Program(
        name=header["name"],
        num_bits=header["num_bits"],
        tensors={tensor.name: tensor for tensor in tensors},
        layers=tuple(
            _layer(fields, index, stored)
            for index, fields in enumerate(header["layers"])
        ),
        inputs=tuple(header["inputs"]),
        outputs=tuple(header["outputs"]),
        notes=tuple(header["notes"]),
    )


def _layer_fields(layer: program.Layer) -> dict[str, Any]:
    fields = dataclasses.asdict(layer)
    for name in _ARRAYS:
        fields.pop(name, None)
    return {"kind": layer.kind, **fields}


def _layer(
    fields: Mapping[str, Any], index: int, stored: Mapping[str, Array]
) -> program.Layer:
    kind = _KINDS[fields["kind"]]
    values = {name: _frozen(value) for name, value in fields.items() if name != "kind"}
    if issubclass(kind, program.Weighted):
        values |= {name: stored[f"{name}/{index}"] for name in _ARRAYS}
        values["format"] = fixed_point.Format(**fields["format"])
    for name in ("pool", "window"):
        if isinstance(fields.get(name), dict):
            window = {key: _frozen(value) for key, value in fields[name].items()}
            values[name] = program.Window(**window)
    return kind(**values)


def _frozen(value: Any) -> Any:
    return tuple(_frozen(each) for each in value) if isinstance(value, list) else value
