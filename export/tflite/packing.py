"""The bytes of a `.tflite` file from the schema's mutable classes."""

import dataclasses
from typing import Any

import flatbuffers
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from tfpipeline.ir import tflite_file

# Bytes: schema.fbs has `data:[ubyte] (force_align: 16)`, which the Python classes do
# not follow. A microcontroller reads 64-bit biases straight from the file.
ALIGNMENT = 16


@dataclasses.dataclass(frozen=True)
class Buffer:
    """Constant data that start at a multiple of 16 bytes; none in the first buffer."""

    data: bytes = b""

    def Pack(self, builder: Any) -> int:
        """Writes the buffer as `schema.BufferT` does, and aligned."""

        vector = None
        if self.data:
            builder.Prep(ALIGNMENT, len(self.data))
            vector = builder.CreateByteVector(self.data)
        schema.BufferStart(builder)
        if vector is not None:
            schema.BufferAddData(builder, vector)
        return int(schema.BufferEnd(builder))


def buffers(parsed: Any) -> list[Buffer]:
    """The buffers of a `schema.ModelT` that was read from a file."""
    return [
        Buffer(b"" if each.data is None else bytes(each.data))
        for each in parsed.buffers
    ]


def pack(model: Any) -> bytes:
    """The file of a `schema.ModelT`, whose buffers are `Buffer`s."""
    size = sum(len(buffer.data) for buffer in model.buffers)
    builder = flatbuffers.Builder(size + 4096)
    builder.Finish(model.Pack(builder), tflite_file.FILE_IDENTIFIER)
    return bytes(builder.Output())
