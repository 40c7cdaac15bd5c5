"""Writes a graph as a `.tflite` file, without TensorFlow and its converter.

Float, int8, int16 activations with int8 weights (int64 or int32 biases), and kernels of
4 bits, packed. Scales and integers reach the file as they stand in the graph, so that
what quantization-aware training learned is what runs.
"""

import numpy as np
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from export.tflite import int4_kernels, limits, lowering, operators, packing
from tfpipeline.ir import graph

# The schema's version: TFLITE_SCHEMA_VERSION, tensorflow/lite/version.h.
SCHEMA_VERSION = 3

# Operators from this one on do not fit into the one-byte field that readers before
# schema 3a know, which then holds it: PLACEHOLDER_FOR_GREATER_OP_CODES.
_GREATER_CODES = 127


def to_bytes(g: graph.Graph, *, description: str = "tfpipeline") -> bytes:
    """Writes `g` for TFLite and TensorFlow Lite Micro.

    Tensors keep their names and their order in `g.tensors`, by which TFLite Micro's
    planner decides between buffers of one size. What `from_tflite.read` makes of the
    file equals `lowering.lower(g)`, but that kernels of fewer bits come back as those
    of 4 bits where they are packed, else of 8, and that layers are named by the reader,
    after the tensors that they write.

    Args:
        g: a verified graph.
        description: of the file.

    Raises:
        ExportError: naming every layer that TFLite cannot express or TFLite Micro
            does not compute, and why.
    """
    lowered = lowering.lower(g)
    limits.require_writable(lowered)
    writer = _Writer(lowered)
    for layer in lowered.layers:
        writer.add(layer)
    return packing.pack(writer.model(description))


class _Writer:
    """The parts of the file, which refer to each other by position."""

    def __init__(self, g: graph.Graph):
        self._graph = g
        self._int4 = int4_kernels.stored(g)
        # By definition the first buffer is empty, for tensors without data.
        self._buffers = {b"": 0}
        self._codes: dict[tuple[str, int], int] = {}
        self._tensors: list[schema.TensorT] = []
        self._operators: list[schema.OperatorT] = []
        self._states = {n for layer in g.layers for n in graph.state_names(layer)}
        used = set(graph.tensor_names(g))
        self._indices = {
            name: self._add_tensor(tensor)
            for name, tensor in g.tensors.items()
            if name in used
        }

    def add(self, layer: graph.Layer) -> None:
        """Adds the operator of `layer`."""
        operator = operators.operator(self._graph, layer)
        is_int4 = isinstance(layer, graph.Weighted) and layer.weights in self._int4
        version = operators.version(self._graph, layer, operator.name, is_int4=is_int4)
        written = schema.OperatorT(
            opcodeIndex=self._codes.setdefault(
                (operator.name, version), len(self._codes)
            ),
            inputs=[self._operand(each, layer.name) for each in operator.operands],
            outputs=[self._indices[name] for name in graph.written_names(layer)],
        )
        if isinstance(layer, graph.Lstm):
            written.intermediates = self._intermediates(layer)
        if operator.options is not None:
            table = type(operator.options).__name__.removesuffix("T")
            written.builtinOptionsType = getattr(schema.BuiltinOptions, table)
            written.builtinOptions = operator.options
        self._operators.append(written)

    def model(self, description: str) -> schema.ModelT:
        """All that was added, as the schema's object."""
        subgraph = schema.SubGraphT(
            name=b"main",
            tensors=self._tensors,
            operators=self._operators,
            inputs=[self._indices[name] for name in self._graph.inputs],
            outputs=[self._indices[name] for name in self._graph.outputs],
        )
        return schema.ModelT(
            version=SCHEMA_VERSION,
            description=description,
            operatorCodes=[_code(*key) for key in self._codes],
            subgraphs=[subgraph],
            buffers=[packing.Buffer(data) for data in self._buffers],
        )

    def _intermediates(self, layer: graph.Lstm) -> list[int]:
        """Five tensors without values, of which TFLite reads the last one's scale.

        lstm.cc, PopulateQuantizedLstmParams8x8_16; TFLite Micro does not read them.
        """
        first = len(self._tensors)
        for position in range(5):
            is_hidden = position == 4
            hidden = self._graph.tensors[layer.states[0]]
            dtype = hidden.dtype if is_hidden else "float32"
            self._tensors.append(
                schema.TensorT(
                    name=f"{layer.name}/intermediate{position}",
                    shape=np.array([0], np.int32),
                    type=getattr(schema.TensorType, dtype.upper()),
                    buffer=0,
                    quantization=_quantization(hidden.quant) if is_hidden else None,
                    hasRank=True,
                )
            )
        return list(range(first, first + 5))

    def _operand(self, operand: operators.Operand, layer: str) -> int:
        if operand is None:
            return -1
        if isinstance(operand, str):
            return self._indices[operand]
        self._tensors.append(
            schema.TensorT(
                name=f"{layer}/operand",
                shape=np.array(operand.shape, np.int32),
                type=schema.TensorType.INT32,
                buffer=self._buffer(operand),
                hasRank=True,
            )
        )
        return len(self._tensors) - 1

    def _add_tensor(self, tensor: graph.Tensor) -> int:
        is_int4 = tensor.name in self._int4
        values = self._graph.constants.get(tensor.name)
        if values is not None and is_int4:
            values = _packed(values)
        self._tensors.append(
            schema.TensorT(
                name=tensor.name,
                shape=np.array(tensor.shape, np.int32),
                type=getattr(
                    schema.TensorType, "INT4" if is_int4 else tensor.dtype.upper()
                ),
                buffer=0 if values is None else self._buffer(values),
                quantization=_quantization(tensor.quant),
                isVariable=tensor.name in self._states,
                hasRank=True,
            )
        )
        return len(self._tensors) - 1

    def _buffer(self, values: graph.Array) -> int:
        """The position of the data, shared by all constants of the same bytes."""
        data = values.astype(values.dtype.newbyteorder("<")).tobytes()
        return self._buffers.setdefault(data, len(self._buffers))


def _code(name: str, version: int) -> schema.OperatorCodeT:
    code = getattr(schema.BuiltinOperator, name)
    return schema.OperatorCodeT(
        builtinCode=code,
        deprecatedBuiltinCode=min(code, _GREATER_CODES),
        version=version,
    )


def _quantization(
    quant: graph.QuantParams | None,
) -> schema.QuantizationParametersT | None:
    if quant is None:
        return None
    return schema.QuantizationParametersT(
        scale=np.array(quant.scale, np.float32),
        zeroPoint=np.array(quant.zero_point, np.int64),
        quantizedDimension=quant.axis or 0,
    )


def _packed(values: graph.Array) -> graph.Array:
    """Two values from -8 to 7 in a byte, the first one in the low half."""
    flat = values.ravel()
    nibbles = np.append(flat, [0] * (flat.size % 2)).astype(np.int8).view(np.uint8)
    packed: graph.Array = (nibbles[::2] & 0xF) | (nibbles[1::2] << 4)
    return packed
