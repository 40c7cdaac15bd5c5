"""Metadata in a `.tflite`: the entry TFLITE_METADATA, as TensorFlow defined it.

The entry names a buffer, which holds a flatbuffer of its own: a ModelMetadata of
tensorflow_lite_support/metadata/metadata_schema.fbs (TFLite Support 0.4; identifier
M001). Its standard fields say the names of input and output, what the input is (a
picture and its colors), how it is normalized and its range, for whatever reads such
files. Its description is our own value as JSON, which says more.
"""

import json
import struct
from typing import Any

import flatbuffers
from flatbuffers import encode, packer
from flatbuffers import table as tables

from tfpipeline import errors
from tfpipeline.metadata import model_metadata
from tfpipeline.untrusted import json_values

# MetadataPopulator.METADATA_BUFFER_NAME.
NAME = "TFLITE_METADATA"
IDENTIFIER = b"M001"
# The version that has all fields which are written.
_PARSER = "1.0.0"
_IMAGE, _NORMALIZATION = 2, 1  # Of the unions.
_RGB, _GRAY = 1, 2


def to_bytes(
    found: model_metadata.Metadata,
    name: str,
    input_shape: tuple[int, ...],
) -> bytes:
    """The content of the entry's buffer.

    Args:
        found: the metadata.
        name: of the network.
        input_shape: of the input, with the batch.
    """
    builder = flatbuffers.Builder(1024)
    text = json.dumps(found.to_json(), separators=(",", ":"), ensure_ascii=False)
    description, title = builder.CreateString(text), builder.CreateString(name)
    ends = [_input(builder, found, input_shape), _output(builder)]
    vectors = [_vector(builder, [end]) for end in ends]
    subgraph = _table(builder, 7, {2: vectors[0], 3: vectors[1]})
    subgraphs = _vector(builder, [subgraph])
    parser = builder.CreateString(_PARSER)
    slots = {0: title, 1: description, 3: subgraphs, 7: parser}
    builder.Finish(_table(builder, 8, slots), IDENTIFIER)
    return bytes(builder.Output())


def from_bytes(data: bytes, what: str) -> model_metadata.Metadata | None:
    """The metadata in the entry's buffer; None of another program's.

    Args:
        data: of the buffer; nothing is taken on trust.
        what: names the file in an error.

    Raises:
        DamagedFileError: it is ours and damaged.
    """
    try:
        if data[4:8] != IDENTIFIER:
            return None
        start = encode.Get(packer.uoffset, data, 0)
        table = tables.Table(bytearray(data), start)
        place = table.Offset(6)
        text = table.String(table.Pos + place).decode() if place else ""
    except (IndexError, TypeError, ValueError, struct.error):
        return None
    if f'"format":"{model_metadata.FORMAT}"' not in text:
        return None
    try:
        values = json_values.parse(text, what)
    except errors.DamagedFileError as error:
        raise errors.DamagedFileError(f"{what}: metadata: {error}") from error
    return model_metadata.from_json(values, what)


def _input(builder: Any, found: model_metadata.Metadata, shape: tuple[int, ...]) -> int:
    slots: dict[int, int] = {0: builder.CreateString("input")}
    if found.is_of_pixels and len(shape) == 4:
        colors = {1: _GRAY, 3: _RGB}.get(shape[3], 0)
        image = _table(builder, 2, {}, {0: colors})
        slots[3] = _table(builder, 3, {1: image}, {0: _IMAGE})
        read = found.preprocessing
        mean, deviation = _floats(builder, read.zero), _floats(builder, 1 / read.scale)
        options = _table(builder, 2, {0: mean, 1: deviation})
        unit = _table(builder, 2, {1: options}, {0: _NORMALIZATION})
        slots[4] = _vector(builder, [unit])
    ends = found.preprocessing
    high, low = _floats(builder, ends.high), _floats(builder, ends.low)
    slots[5] = _table(builder, 2, {0: high, 1: low})
    return _table(builder, 7, slots)


def _output(builder: Any) -> int:
    return _table(builder, 7, {0: builder.CreateString("output")})


def _table(
    builder: Any,
    size: int,
    slots: dict[int, int],
    numbers: dict[int, int] | None = None,
) -> int:
    """A table of offsets, and of bytes, by their places in the schema."""
    builder.StartObject(size)
    for slot, value in slots.items():
        builder.PrependUOffsetTRelativeSlot(slot, value, 0)
    for slot, value in (numbers or {}).items():
        builder.PrependByteSlot(slot, value, 0)
    return int(builder.EndObject())


def _vector(builder: Any, offsets: list[int]) -> int:
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return int(builder.EndVector())


def _floats(builder: Any, value: float) -> int:
    builder.StartVector(4, 1, 4)
    builder.PrependFloat32(value)
    return int(builder.EndVector())
