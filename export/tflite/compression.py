"""Weights of few different values, stored as indices into tables of their values.

TensorFlow Lite Micro's own compression: a tensor becomes indices of 1 to 7 bits and a
table, and an operator TFLM_DECODE in front of each that reads it writes the values into
the arena (tensorflow/lite/micro/compression, of the package tflite-micro). The results
cannot change; the file shrinks, the arena grows by the decoded tensors.

There is one table for a tensor of one scale, and one a channel for a tensor of several.
The package would write one for all channels too, but its interpreter takes the number
of tables from the number of scales (measured, 0.dev20261023182759): the second channel
then reads behind the table.

Files with TFLM_DECODE run in TensorFlow Lite Micro only.
"""

import contextlib
import dataclasses
import io
import warnings
from collections.abc import Iterator

import numpy as np
from tflite_micro import compression
from tflite_micro.tensorflow.lite.micro.compression import compressor, spec
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from export.tflite import offline_plan, packing
from tfpipeline import errors
from tfpipeline.ir import graph, tflite_file, tflite_names, tflite_operation

# Bits of an index, and entries of a table: LutAncillaryData of the package's lut.py.
MAX_INDEX_BITS = 7
MAX_TABLE_LENGTH = 2**MAX_INDEX_BITS
# Bytes in front of the tables: decode.py, DecodeCommonMetadata.
HEADER_BYTES = 16

# The custom operator: decode_insert.py.
DECODE = "TFLM_DECODE"

# Operands that are weights or biases. Their kernels read them in each run; others are
# read when the interpreter prepares itself, before anything is decoded.
OPERANDS = {
    "CONV_2D": (1, 2),
    "DEPTHWISE_CONV_2D": (1, 2),
    "FULLY_CONNECTED": (1, 2),
    "TRANSPOSE_CONV": (1, 3),
}
# Types whose tables the package writes from the stored bytes as they are.
TYPES = ("int8", "int16", "int32", "int64")


@dataclasses.dataclass(frozen=True)
class Table:
    """How a tensor is stored: `axis` is `None` for one table.

    Attributes:
        tensor: position in the file.
        name: of the tensor.
        index_bits: of an index.
        axis: along which there is a table a slice.
        stored_bytes: indices, header and tables.
        original_bytes: the values.
    """

    tensor: int
    name: str
    index_bits: int
    axis: int | None
    stored_bytes: int
    original_bytes: int


@dataclasses.dataclass(frozen=True)
class Compressed:
    """A file and which tensors in it are compressed; none where nothing is gained."""

    model: bytes
    tables: tuple[Table, ...]


def compress(model: bytes) -> Compressed:
    """Compresses the weights and biases of a `.tflite` that the file shrinks by.

    A tensor takes part if the file with it alone is smaller: description and operator
    cost about 200 bytes a tensor, scales not included, which only move.

    Args:
        model: a `.tflite` without compressed tensors.

    Raises:
        GraphError: not a TFLite file, or damaged.
        ExportError: it is compressed already, or the package fails.
    """
    program = tflite_file.parse(model)
    if any(DECODE in operator.name for operator in program.operators):
        raise errors.ExportError("the network is compressed already")
    parsed = schema.ModelT.InitFromPackedBuf(model)
    if any(e.name == offline_plan.METADATA.encode() for e in parsed.metadata or ()):
        raise errors.ExportError(
            "the file brings a plan of its arena, which decoded tensors are not in; "
            "compress the file without it"
        )
    tables = tuple(
        each
        for each in _candidates(program)
        if len(_written(model, (each,))) < len(model)
    )
    if not tables:
        return Compressed(model, ())
    result = _written(model, tables)
    if len(result) >= len(model):
        return Compressed(model, ())
    return Compressed(result, tables)


def table(
    tensor: int, name: str, values: graph.Array, axis: int | None
) -> Table | None:
    """How `values` are stored; `None` where too many are different.

    Args:
        tensor: position in the file.
        name: of the tensor.
        values: the tensor.
        axis: the first or the last one, for a table a slice of it; `None` for one.
    """
    slices = [values] if axis is None else list(np.moveaxis(values, axis, 0))
    length = max(len(np.unique(part)) for part in slices)
    if length > MAX_TABLE_LENGTH:
        return None
    bits = max((length - 1).bit_length(), 1)
    indices = -(-values.size * bits // 8)
    tables = len(slices) * length * values.itemsize
    return Table(
        tensor=tensor,
        name=name,
        index_bits=bits,
        axis=axis,
        stored_bytes=indices + HEADER_BYTES + tables,
        original_bytes=values.nbytes,
    )


def _candidates(program: tflite_file.Program) -> Iterator[Table]:
    """Constants that only weights and biases are read as, with less to store."""
    names = tflite_names.tensor_names(program.tensors)
    wanted: set[int] = set()
    others: set[int] = {*program.outputs}
    for operator in program.operators:
        positions = OPERANDS.get(operator.name, ())
        for position, index in enumerate(operator.inputs):
            (wanted if position in positions else others).add(index)
    for index in sorted(wanted - others - {-1}):
        tensor = program.tensors[index]
        if tensor.data is None or tensor.dtype not in TYPES:
            continue
        values = tflite_operation.constant(tensor)
        axis = tensor.axis if len(tensor.scales) > 1 else None
        if axis not in (None, 0, values.ndim - 1):
            continue
        found = table(index, names[index], values, axis)
        if found is not None and found.stored_bytes < found.original_bytes:
            yield found


def _written(model: bytes, tables: tuple[Table, ...]) -> bytes:
    """The file with these tensors compressed."""
    builder = compression.SpecBuilder()
    for each in tables:
        mode = spec.PerTensor() if each.axis is None else spec.PerChannel(each.axis)
        builder.add_tensor(subgraph=0, tensor=each.tensor).with_lut(
            index_bitwidth=each.index_bits, mode=mode
        )
    try:
        # It says on stderr and by warnings what the sizes say as well.
        with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            return _repacked(bytes(compression.compress(model, builder.build())))
    except compressor.CompressionError as error:
        raise errors.ExportError(f"compression failed: {error}") from error


def _repacked(model: bytes) -> bytes:
    """The file with both fields of operator codes set, as readers expect.

    The package leaves out the older one for TFLM_DECODE, whose code of 32 must stand in
    both: readers that know the older one alone take the operator for an ADD.
    """
    parsed = schema.ModelT.InitFromPackedBuf(model)
    for code in parsed.operatorCodes:
        if code.customCode is not None:
            code.deprecatedBuiltinCode = code.builtinCode
    parsed.buffers = [
        packing.Buffer(b"" if each.data is None else bytes(each.data))
        for each in parsed.buffers
    ]
    return packing.pack(parsed)
