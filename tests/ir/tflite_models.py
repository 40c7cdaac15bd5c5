"""Small `.tflite` files, one operator each, written by the schema's object classes."""

import dataclasses
from typing import Any

import flatbuffers
import numpy as np
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from tfpipeline.ir import tflite_file

TYPES = {
    "float32": schema.TensorType.FLOAT32,
    "int4": schema.TensorType.INT4,
    "int8": schema.TensorType.INT8,
    "uint8": schema.TensorType.UINT8,
    "int16": schema.TensorType.INT16,
    "int32": schema.TensorType.INT32,
    "int64": schema.TensorType.INT64,
}


@dataclasses.dataclass
class Value:
    """A tensor to write; `data` makes it a constant."""

    shape: tuple[int, ...]
    dtype: str = "int8"
    scale: Any = 0.5
    zero_point: Any = 0
    axis: int = 0
    data: Any = None
    name: str | None = None
    signature: tuple[int, ...] | None = None
    is_variable: bool = False


def integers(values: Any) -> Value:
    """A constant of int32, such as a shape or axes."""
    array = np.array(values, np.int32)
    return Value(array.shape, "int32", None, data=array)


def packed_int4(values: np.ndarray) -> np.ndarray:
    """Two values from -8 to 7 in a byte, the first one in the low half."""
    flat = np.asarray(values, np.int8).ravel()
    nibbles = np.append(flat, [0] * (flat.size % 2)).astype(np.uint8) & 0xF
    return nibbles[::2] | nibbles[1::2] << 4


def one_operator(
    name: str,
    inputs: list[Value | None],
    output: Value | list[Value],
    options: Any = None,
) -> bytes:
    """A file of one operator, whose inputs without data are the network's."""
    model = schema.ModelT(version=3, operatorCodes=[], buffers=[schema.BufferT()])
    code = getattr(schema.BuiltinOperator, name)
    model.operatorCodes = [
        schema.OperatorCodeT(builtinCode=code, deprecatedBuiltinCode=min(code, 127))
    ]
    graph = schema.SubGraphT(tensors=[], operators=[], name=b"main")
    indices = [_add(model, graph, value, f"input{i}") for i, value in enumerate(inputs)]
    outputs = output if isinstance(output, list) else [output]
    results = [
        _add(model, graph, value, "net/layer/Output" + (f":{i}" if i else ""))
        for i, value in enumerate(outputs)
    ]
    operator = schema.OperatorT(opcodeIndex=0, inputs=indices, outputs=results)
    if options is not None:
        schema_name = type(options).__name__.removesuffix("T")
        operator.builtinOptionsType = getattr(schema.BuiltinOptions, schema_name)
        operator.builtinOptions = options
    graph.operators = [operator]
    graph.inputs = [
        index
        for index, value in zip(indices, inputs, strict=True)
        if value is not None and value.data is None
    ]
    graph.outputs = results
    model.subgraphs = [graph]
    return pack(model)


def network(
    values: dict[str, Value],
    operators: list[tuple[str, list[str | None], list[str], Any]],
    inputs: list[str],
    outputs: list[str],
) -> bytes:
    """A file of several operators: their name, operands, results and options."""
    model = schema.ModelT(version=3, operatorCodes=[], buffers=[schema.BufferT()])
    graph = schema.SubGraphT(tensors=[], operators=[], name=b"main")
    indices = {name: _add(model, graph, value, name) for name, value in values.items()}
    for name, operands, results, options in operators:
        code = getattr(schema.BuiltinOperator, name)
        operator = schema.OperatorT(
            opcodeIndex=len(model.operatorCodes),
            inputs=[-1 if each is None else indices[each] for each in operands],
            outputs=[indices[each] for each in results],
        )
        model.operatorCodes.append(
            schema.OperatorCodeT(builtinCode=code, deprecatedBuiltinCode=min(code, 127))
        )
        if options is not None:
            schema_name = type(options).__name__.removesuffix("T")
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, schema_name)
            operator.builtinOptions = options
        graph.operators.append(operator)
    graph.inputs = [indices[name] for name in inputs]
    graph.outputs = [indices[name] for name in outputs]
    model.subgraphs = [graph]
    return pack(model)


def pack(model: Any) -> bytes:
    """The bytes of a model of the schema's object classes."""
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), tflite_file.FILE_IDENTIFIER)
    return bytes(builder.Output())


def edited(model: bytes, change: Any) -> bytes:
    """`model` with `change` applied to its mutable form."""
    parsed = schema.ModelT.InitFromPackedBuf(model)
    change(parsed)
    return pack(parsed)


def _add(model: Any, graph: Any, value: Value | None, name: str) -> int:
    if value is None:
        return -1
    buffer = 0
    if value.data is not None:
        raw = np.frombuffer(np.ascontiguousarray(value.data).tobytes(), np.uint8)
        model.buffers.append(schema.BufferT(data=raw))
        buffer = len(model.buffers) - 1
    quantization = None
    if value.scale is not None and value.dtype != "float32":
        scales = np.atleast_1d(np.asarray(value.scale, np.float32))
        zeros = np.broadcast_to(np.asarray(value.zero_point, np.int64), scales.shape)
        quantization = schema.QuantizationParametersT(
            scale=list(scales), zeroPoint=list(zeros), quantizedDimension=value.axis
        )
    graph.tensors.append(
        schema.TensorT(
            shape=list(value.shape),
            shapeSignature=None if value.signature is None else list(value.signature),
            type=TYPES[value.dtype],
            buffer=buffer,
            name=(value.name if value.name is not None else name).encode(),
            quantization=quantization,
            isVariable=value.is_variable,
            hasRank=True,
        )
    )
    return len(graph.tensors) - 1


def with_float_border(model: bytes) -> bytes:
    """An int8 network as the converter writes it by default: float in, float out."""
    return _with_border(model, ("QUANTIZE", "DEQUANTIZE"), "float32", None)


def with_byte_border(model: bytes, zero_point: int | None = None) -> bytes:
    """An int8 network as the converter writes it for uint8: the same reals.

    Args:
        model: with int8 input and output.
        zero_point: of the input's bytes, instead of 128 more than that of the integers.
    """
    return _with_border(model, ("QUANTIZE", "QUANTIZE"), "uint8", zero_point)


def _with_border(
    model: bytes, names: tuple[str, str], dtype: str, zero_point: int | None
) -> bytes:
    value = schema.ModelT.InitFromPackedBuf(model, 0)
    [subgraph] = value.subgraphs
    codes = len(value.operatorCodes)
    for name in names:
        code = getattr(schema.BuiltinOperator, name)
        value.operatorCodes.append(
            schema.OperatorCodeT(builtinCode=code, deprecatedBuiltinCode=code)
        )

    def border(index: int, name: str) -> int:
        inner = subgraph.tensors[index]
        tensor = schema.TensorT(shape=inner.shape, type=TYPES[dtype], name=name)
        if dtype == "uint8":
            tensor.quantization = schema.QuantizationParametersT(
                scale=list(inner.quantization.scale),
                zeroPoint=[int(inner.quantization.zeroPoint[0]) + 128],
            )
        subgraph.tensors.append(tensor)
        return len(subgraph.tensors) - 1

    def operator(code: int, source: int, result: int) -> schema.OperatorT:
        return schema.OperatorT(opcodeIndex=code, inputs=[source], outputs=[result])

    first, last = int(subgraph.inputs[0]), int(subgraph.outputs[0])
    given, result = border(first, "given"), border(last, "result")
    if zero_point is not None:
        subgraph.tensors[given].quantization.zeroPoint = [zero_point]
    subgraph.operators.insert(0, operator(codes, given, first))
    subgraph.operators.append(operator(codes + 1, last, result))
    subgraph.inputs, subgraph.outputs = [given], [result]
    value.signatureDefs = []
    return pack(value)


def with_open_batch(model: bytes) -> bytes:
    """The RESHAPEs of a network told by the batch that comes, as the converter does."""
    value = schema.ModelT.InitFromPackedBuf(model, 0)
    [subgraph] = value.subgraphs
    for tensor in subgraph.tensors:
        if tensor.shape is not None and len(tensor.shape) > 1 and tensor.shape[0] == 1:
            tensor.shapeSignature = [-1, *map(int, tensor.shape[1:])]
    first = len(value.operatorCodes)
    names = ("SHAPE", "STRIDED_SLICE", "PACK")
    for name in names:
        code = getattr(schema.BuiltinOperator, name)
        value.operatorCodes.append(
            schema.OperatorCodeT(builtinCode=code, deprecatedBuiltinCode=code)
        )
    reshape = schema.BuiltinOperator.RESHAPE
    operators = []
    for operator in subgraph.operators:
        if value.operatorCodes[operator.opcodeIndex].builtinCode == reshape:
            operators += _told_by_the_batch(value, subgraph, operator, first)
        operators.append(operator)
    subgraph.operators = operators
    value.signatureDefs = []
    return pack(value)


def _told_by_the_batch(
    value: Any, subgraph: Any, reshape: Any, first: int
) -> list[Any]:
    source, result = int(reshape.inputs[0]), int(reshape.outputs[0])
    shapes = [list(map(int, subgraph.tensors[i].shape)) for i in (source, result)]

    def computed(shape: list[int], name: str) -> int:
        subgraph.tensors.append(
            schema.TensorT(shape=shape, type=TYPES["int32"], name=name.encode())
        )
        return len(subgraph.tensors) - 1

    sizes, batch = computed([len(shapes[0])], "sizes"), computed([], "batch")
    told = computed([len(shapes[1])], "told")
    zero, one = (_add(value, subgraph, integers([n]), f"n{n}") for n in (0, 1))
    others = [
        _add(value, subgraph, Value((), "int32", None, data=np.int32(n)), f"size{n}")
        for n in shapes[1][1:]
    ]
    reshape.inputs = [source, told]
    slicing = schema.StridedSliceOptionsT(shrinkAxisMask=1)
    packing = schema.PackOptionsT(valuesCount=len(shapes[1]))
    options = schema.BuiltinOptions
    return [
        schema.OperatorT(
            opcodeIndex=first,
            inputs=[source],
            outputs=[sizes],
            builtinOptionsType=options.ShapeOptions,
            builtinOptions=schema.ShapeOptionsT(outType=TYPES["int32"]),
        ),
        schema.OperatorT(
            opcodeIndex=first + 1,
            inputs=[sizes, zero, one, one],
            outputs=[batch],
            builtinOptionsType=options.StridedSliceOptions,
            builtinOptions=slicing,
        ),
        schema.OperatorT(
            opcodeIndex=first + 2,
            inputs=[batch, *others],
            outputs=[told],
            builtinOptionsType=options.PackOptions,
            builtinOptions=packing,
        ),
    ]
