"""The metadata of a network in a `.tflite`, written, read and taken out."""

import struct
from typing import Any

import tflite
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from export.tflite import packing
from tfpipeline import errors
from tfpipeline.metadata import model_metadata, tflite_metadata

_MAX_ENTRIES = 1024
# Behind the offset of the table, as the schema has it (`file_identifier`).
_IDENTIFIER = b"TFL3"


def added(
    model: bytes, found: model_metadata.Metadata | None, name: str = "network"
) -> bytes:
    """The file with metadata, in place of those that it has.

    Args:
        model: a `.tflite` that was read without fault.
        found: the metadata; without any the file stays as it is.
        name: of the network.
    """
    if found is None:
        return model
    parsed = schema.ModelT.InitFromPackedBuf(model)
    parsed.buffers = packing.buffers(parsed)
    _drop(parsed)
    graph = parsed.subgraphs[0]
    shape = tuple(map(int, graph.tensors[graph.inputs[0]].shape))
    data = tflite_metadata.to_bytes(found, name, shape)
    entry = schema.MetadataT(tflite_metadata.NAME, len(parsed.buffers))
    parsed.buffers.append(packing.Buffer(data))
    parsed.metadata = [*(parsed.metadata or []), entry]
    return packing.pack(parsed)


def without(model: bytes) -> bytes:
    """The file without metadata of inputs and outputs; `model` itself if it has none.

    A microcontroller need not keep them.
    """
    if not any(name == tflite_metadata.NAME for name, _ in _entries(model)):
        return model
    parsed = schema.ModelT.InitFromPackedBuf(model)
    parsed.buffers = packing.buffers(parsed)
    _drop(parsed)
    return packing.pack(parsed)


def read(model: bytes, what: str) -> model_metadata.Metadata | None:
    """The metadata of a file; None where it has none of ours.

    Args:
        model: a `.tflite`; nothing is taken on trust.
        what: names the file in an error.

    Raises:
        DamagedFileError: they are damaged.
    """
    for name, data in _entries(model):
        if name == tflite_metadata.NAME:
            return tflite_metadata.from_bytes(data, what)
    return None


def _drop(parsed: Any) -> None:
    """Takes the entry out of a `schema.ModelT` of `Buffer`s."""
    kept = []
    last = len(parsed.buffers) - 1
    for each in parsed.metadata or []:
        if each.name != tflite_metadata.NAME.encode():
            kept.append(each)
        elif each.buffer == last:
            # No tensor has it, and no other entry behind it is moved.
            parsed.buffers.pop()
        elif 0 <= each.buffer < last:
            parsed.buffers[each.buffer] = packing.Buffer()
    parsed.metadata = kept or None


def _entries(model: bytes) -> list[tuple[str, bytes]]:
    """Names of a file's metadata, and what they hold."""
    if model[4:8] != _IDENTIFIER:  # Of what is no such file its reader has to say.
        return []
    try:
        root = tflite.Model.GetRootAsModel(model, 0)
        found = []
        for place in range(min(root.MetadataLength(), _MAX_ENTRIES)):
            entry = root.Metadata(place)
            name = (entry.Name() or b"").decode(errors="replace")
            data = b""
            if name == tflite_metadata.NAME and entry.Buffer() < root.BuffersLength():
                values = root.Buffers(entry.Buffer()).DataAsNumpy()
                data = b"" if isinstance(values, int) else values.tobytes()
            found.append((name, data))
        return found
    except (AttributeError, LookupError, TypeError, ValueError, struct.error) as error:
        raise errors.GraphError(
            f"damaged TFLite file: its metadata: {error or type(error).__name__}"
        ) from error
