"""A graph on the disk: `graph.json` beside one `.npz` of its constants.

Scales, bounds and every other real number are written by `float.hex()`, because decimal
text may lose the last bit. The `.npz` is named by its own digest and written before
`graph.json`, which names it: a crash between the two leaves the old graph whole.

An outline is one JSON file without the values of the constants, which no cost depends
on; its graph has ones in their place.
"""

import dataclasses
import hashlib
import io
import os
import pathlib
import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tfpipeline import atomic_files, errors
from tfpipeline.ir import graph, verify
from tfpipeline.untrusted import arrays, content

FORMAT = "tfpipeline-graph"
VERSION = 1
FILE_NAME = "graph.json"

# Of one constant; 4 GiB of it fit no microcontroller.
MAX_OUTLINE_VALUES = 2**32

_ARRAYS_NAME = re.compile(r"constants-[0-9a-f]{16}\.npz")
_KINDS = {kind.__name__: kind for kind in graph.LAYER_KINDS}


def write(g: graph.Graph, folder: str | os.PathLike[str]) -> pathlib.Path:
    """Writes a well-formed graph into `folder`, in place of one that we wrote there.

    Returns:
        The path of `graph.json`.

    Raises:
        GraphError: the graph is not well formed.
        ForeignFileError: another program wrote the graph that is there.
        StorageError: the folder cannot be written.
    """
    verify.require(g)
    target = pathlib.Path(folder)
    keys = {name: f"c{i}" for i, name in enumerate(g.constants)}
    stream = io.BytesIO()
    values: dict[str, Any] = {keys[name]: g.constants[name] for name in keys}
    np.savez_compressed(stream, **values)
    data = stream.getvalue()
    digest = hashlib.sha256(data).hexdigest()
    arrays_name = _arrays_name(digest)
    atomic_files.write_bytes(target / arrays_name, data)
    constants = {"file": arrays_name, "sha256": digest, "keys": keys}
    atomic_files.write_json(target / FILE_NAME, _value(g, constants))
    for stale in target.glob("constants-*.npz"):
        if stale.name != arrays_name and _is_named_by_its_digest(stale):
            stale.unlink(missing_ok=True)
    return target / FILE_NAME


def write_outline(g: graph.Graph, path: str | os.PathLike[str]) -> None:
    """Writes a well-formed graph without the values of its constants to one file.

    Raises:
        GraphError: the graph is not well formed.
        StorageError: the file cannot be written.
    """
    verify.require(g)
    value = _value(g, {"ones": list(g.constants)})
    atomic_files.write_json(path, value, is_ours=_is_graph)


def read(path: str | os.PathLike[str]) -> graph.Graph:
    """Reads a graph from its folder, its `graph.json` or an outline; verifies it.

    Raises:
        StorageError: a file is absent or cannot be read.
        GraphError: the files are not a graph of this version, damaged, or of two
            different graphs.
    """
    file = pathlib.Path(path)
    file = file / FILE_NAME if file.is_dir() else file
    value = atomic_files.read_json(file)
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        raise errors.GraphError(f"{file} is not a graph: it lacks the format {FORMAT}")
    if value.get("version") != VERSION:
        raise errors.GraphError(
            f"{file} is a graph of version {errors.brief(value.get('version'))}; this "
            f"program reads version {VERSION}. Write it again."
        )
    try:
        result = _graph(value, file.parent)
    except errors.DamagedFileError as error:
        raise errors.GraphError(f"{file} is damaged: {error}") from error
    except (AttributeError, LookupError, TypeError, ValueError, OverflowError) as error:
        raise errors.GraphError(
            f"{file} is damaged: {errors.brief(error)}. Write it again."
        ) from error
    return verify.require(result)


def _is_named_by_its_digest(path: pathlib.Path) -> bool:
    """Whether this program wrote `path`, which holds a graph's constants."""
    if not _ARRAYS_NAME.fullmatch(path.name) or path.is_symlink():
        return False
    try:
        data = content.read(path)
    except errors.StorageError:
        return False
    return path.name == _arrays_name(hashlib.sha256(data).hexdigest())


def _arrays_name(digest: str) -> str:
    return f"constants-{digest[:16]}.npz"


def _is_graph(path: pathlib.Path) -> bool:
    value = atomic_files.read_json(path)
    return isinstance(value, dict) and value.get("format") == FORMAT


def _value(g: graph.Graph, constants: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "version": VERSION,
        "name": g.name,
        "inputs": list(g.inputs),
        "outputs": list(g.outputs),
        "tensors": [_tensor_value(tensor) for tensor in g.tensors.values()],
        "layers": [_layer_value(layer) for layer in g.layers],
        "constants": dict(constants),
    }


def _tensor_value(tensor: graph.Tensor) -> dict[str, Any]:
    value: dict[str, Any] = {
        "name": tensor.name,
        "shape": list(tensor.shape),
        "dtype": tensor.dtype,
    }
    if tensor.quant is not None:
        value["quant"] = {
            "scale": [scale.hex() for scale in tensor.quant.scale],
            "zero_point": list(tensor.quant.zero_point),
            "num_bits": tensor.quant.num_bits,
            "axis": tensor.quant.axis,
        }
    return value


def _layer_value(layer: graph.Layer) -> dict[str, Any]:
    value: dict[str, Any] = {"kind": layer.kind}
    for field in dataclasses.fields(layer):
        held = getattr(layer, field.name)
        if isinstance(held, graph.Clamp):
            held = [held.minimum.hex(), held.maximum.hex()]
        elif isinstance(held, float):
            held = held.hex()
        value[field.name] = held
    return value


def _integer(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"an integer is expected, found {errors.brief(value)}")
    return value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"true or false is expected, found {errors.brief(value)}")
    return value


def _integers(value: Any) -> tuple[int, ...]:
    return tuple(_integer(v) for v in _list(value))


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"a text is expected, found {errors.brief(value)}")
    return value


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(_text(v) for v in _list(value))


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError(f"a list is expected, found {errors.brief(value)}")
    return value


def _real(value: Any) -> float:
    return float.fromhex(_text(value))


def _truth(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"true or false is expected, found {value!r}")
    return value


def _pairs(value: Any) -> graph.Padding:
    return tuple((_integer(a), _integer(b)) for a, b in _list(value))


def _clamp(value: Any) -> graph.Clamp:
    minimum, maximum = _list(value)
    return graph.Clamp(_real(minimum), _real(maximum))


# Field of a layer -> how its JSON value is read.
_FIELDS: dict[str, Callable[[Any], Any]] = {
    "name": _text,
    "inputs": _texts,
    "output": _text,
    "further": _texts,
    "weights": _text,
    "bias": lambda value: None if value is None else _text(value),
    "clamp": _clamp,
    "strides": _integers,
    "padding": _pairs,
    "dilation": _integers,
    "kernel_size": _integers,
    "axes": _integers,
    "axis": _integer,
    "begin": _integers,
    "size": _integers,
    "steps": _integers,
    "permutation": _integers,
    "mode": _text,
    "align_corners": _truth,
    "half_pixel_centers": _truth,
    "alpha": _real,
    "block_size": _integer,
    "beta": _real,
    "states": _texts,
    "input_weights": _texts,
    "recurrent_weights": _texts,
    "biases": _texts,
    "time_weights": _text,
    "rank": _integer,
    "cell_clip": _real,
    "time_major": _flag,
    "function": _text,
}


def _layer(value: Mapping[str, Any]) -> graph.Layer:
    fields = dict(value)
    kind = _KINDS[fields.pop("kind")]
    return kind(**{name: _FIELDS[name](stored) for name, stored in fields.items()})


def _tensor(value: Mapping[str, Any]) -> graph.Tensor:
    quant = None
    if "quant" in value:
        stored = value["quant"]
        quant = graph.QuantParams(
            scale=tuple(_real(scale) for scale in _list(stored["scale"])),
            zero_point=_integers(stored["zero_point"]),
            num_bits=_integer(stored["num_bits"]),
            axis=None if stored["axis"] is None else _integer(stored["axis"]),
        )
    return graph.Tensor(
        _text(value["name"]), _integers(value["shape"]), _text(value["dtype"]), quant
    )


def _graph(value: Mapping[str, Any], folder: pathlib.Path) -> graph.Graph:
    listed = [_tensor(tensor) for tensor in _list(value["tensors"])]
    tensors = {tensor.name: tensor for tensor in listed}
    stored = value["constants"]
    return graph.Graph(
        name=_text(value["name"]),
        tensors=tensors,
        constants=_ones(stored, tensors)
        if "ones" in stored
        else _constants(stored, folder),
        layers=tuple(_layer(layer) for layer in _list(value["layers"])),
        inputs=_texts(value["inputs"]),
        outputs=_texts(value["outputs"]),
    )


def _ones(
    value: Mapping[str, Any], tensors: Mapping[str, graph.Tensor]
) -> dict[str, graph.Array]:
    named = [tensors[name] for name in _texts(value["ones"])]
    for tensor in named:
        if tensor.num_elements > MAX_OUTLINE_VALUES:
            raise ValueError(f"'{tensor.name}' has the shape {tensor.shape}")
    # A view of a single one each: an outline costs no memory.
    return {t.name: np.broadcast_to(np.ones((), t.dtype), t.shape) for t in named}


def _constants(
    value: Mapping[str, Any], folder: pathlib.Path
) -> dict[str, graph.Array]:
    name = _text(value["file"])
    if not _ARRAYS_NAME.fullmatch(name):
        raise ValueError(f"{errors.brief(name)} is not the name of a file of constants")
    data = content.read(folder / name)
    if hashlib.sha256(data).hexdigest() != value["sha256"]:
        raise ValueError(f"{name} is not the file that was written with it")
    stored = arrays.parse_npz(data, name)
    return {_text(n): stored[key] for n, key in value["keys"].items()}
