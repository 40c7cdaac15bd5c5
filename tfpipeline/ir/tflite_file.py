"""A `.tflite` file as plain values: what stands in it, not what it means.

Parsed in Python through the schema package `tflite`, without TensorFlow and without
trusting the file: every count is bounded by what fits into it, and whatever is wrong
ends in one `GraphError` that names the part and its offset.
"""

import contextlib
import dataclasses
import math
import struct
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import tflite

from tfpipeline import errors
from tfpipeline.ir import structure_rules

# The file identifier, bytes 4 to 7: tensorflow/lite schema.fbs.
FILE_IDENTIFIER = b"TFL3"

# TFLite's own kernels stop at tensors of 8 dimensions; a damaged shape easily has more.
MAX_RANK = 8
MAX_TENSOR_ELEMENTS = structure_rules.MAX_ELEMENTS

TYPE_NAMES = {
    value: name.lower()
    for name, value in vars(tflite.TensorType).items()
    if not name.startswith("_")
}

_CONV = {
    "padding": "Padding",
    "stride_height": "StrideH",
    "stride_width": "StrideW",
    "activation": "FusedActivationFunction",
}
_DILATED = {
    **_CONV,
    "dilation_height": "DilationHFactor",
    "dilation_width": "DilationWFactor",
}
_BIAS = {"bias_type": "QuantizedBiasType"}
_POOL = {**_CONV, "kernel_height": "FilterHeight", "kernel_width": "FilterWidth"}
_FUSED = {"activation": "FusedActivationFunction"}
_RESIZED = {
    "align_corners": "AlignCorners",
    "half_pixel_centers": "HalfPixelCenters",
}

# Operator -> its options table in the schema, and the fields that matter here.
OPTIONS: dict[str, tuple[str, dict[str, str]]] = {
    "CONV_2D": ("Conv2DOptions", {**_DILATED, **_BIAS}),
    "DEPTHWISE_CONV_2D": ("DepthwiseConv2DOptions", _DILATED),
    "TRANSPOSE_CONV": ("TransposeConvOptions", _CONV),
    "FULLY_CONNECTED": (
        "FullyConnectedOptions",
        {**_FUSED, **_BIAS, "weights_format": "WeightsFormat"},
    ),
    "MAX_POOL_2D": ("Pool2DOptions", _POOL),
    "AVERAGE_POOL_2D": ("Pool2DOptions", _POOL),
    "ADD": ("AddOptions", _FUSED),
    "SUB": ("SubOptions", _FUSED),
    "MUL": ("MulOptions", _FUSED),
    "CONCATENATION": ("ConcatenationOptions", {**_FUSED, "axis": "Axis"}),
    "PACK": ("PackOptions", {"axis": "Axis", "count": "ValuesCount"}),
    "SOFTMAX": ("SoftmaxOptions", {"beta": "Beta"}),
    "SPACE_TO_DEPTH": ("SpaceToDepthOptions", {"block_size": "BlockSize"}),
    "LEAKY_RELU": ("LeakyReluOptions", {"alpha": "Alpha"}),
    "MIRROR_PAD": ("MirrorPadOptions", {"mode": "Mode"}),
    "RESIZE_BILINEAR": ("ResizeBilinearOptions", _RESIZED),
    "RESIZE_NEAREST_NEIGHBOR": ("ResizeNearestNeighborOptions", _RESIZED),
    "STRIDED_SLICE": (
        "StridedSliceOptions",
        {
            "begin_mask": "BeginMask",
            "end_mask": "EndMask",
            "ellipsis_mask": "EllipsisMask",
            "new_axis_mask": "NewAxisMask",
            "shrink_axis_mask": "ShrinkAxisMask",
            "offset": "Offset",
        },
    ),
    "SVDF": ("SVDFOptions", {**_FUSED, "rank": "Rank"}),
    "UNIDIRECTIONAL_SEQUENCE_LSTM": (
        "UnidirectionalSequenceLSTMOptions",
        {
            **_FUSED,
            "cell_clip": "CellClip",
            "projection_clip": "ProjClip",
            "time_major": "TimeMajor",
        },
    ),
    "UNPACK": ("UnpackOptions", {"axis": "Axis", "count": "Num"}),
}

# A file of 2019: CONV_2D and its like of unsigned bytes, whose kernels are gone.
_ARITHMETIC = frozenset(OPTIONS) - {
    *("CONCATENATION", "PACK", "SPACE_TO_DEPTH", "UNPACK")
}

# Operators that keep values from run to run, in tensors that are variables.
STATEFUL = frozenset({"UNIDIRECTIONAL_SEQUENCE_LSTM", "SVDF"})

# What is said of a variable that another operator reads.
VARIABLE_REASON = "is a variable, which lasts from run to run, and is not supported"

_T = TypeVar("_T")

# A table without fields, at offset 4: behind its list of fields, whose own size and
# whose table's are all that it has. Every field of it has the schema's default.
_NO_FIELDS = struct.pack("<HHi", 4, 4, 4)

# What parsing raises on a damaged file: NumPy and struct at offsets outside of it.
_DAMAGE = (
    ArithmeticError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
    struct.error,
)


@dataclasses.dataclass(frozen=True)
class FileTensor:
    """One tensor of the file; `data` are the bytes of a constant.

    `scales` is empty for a tensor that is not quantized; `axis` counts only where it
    has several. `is_dynamic` says that a dimension other than the batch may vary,
    `is_variable` that the values last from run to run.
    """

    index: int
    name: str
    shape: tuple[int, ...]
    dtype: str
    scales: tuple[float, ...]
    zero_points: tuple[int, ...]
    axis: int
    is_dynamic: bool
    data: npt.NDArray[np.uint8] | None
    signature: tuple[int, ...] = ()
    is_variable: bool = False

    @property
    def is_constant(self) -> bool:
        """Whether the file brings its values."""
        return self.data is not None

    @property
    def num_bytes(self) -> int:
        """Size of the data, from the shape; types unknown to NumPy count one byte."""
        try:
            item_bytes = np.dtype(self.dtype).itemsize
        except TypeError:
            item_bytes = 1
        return math.prod(self.shape) * item_bytes


@dataclasses.dataclass(frozen=True)
class Operator:
    """One operator; `inputs` and `outputs` are tensor indices, -1 an absent input."""

    index: int
    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class Program:
    """The first subgraph of a file, operators in their order of execution.

    It is the one that TensorFlow Lite Micro runs; `subgraphs` counts all. The others
    are run only where an operator for control flow calls them.
    """

    tensors: tuple[FileTensor, ...]
    operators: tuple[Operator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    subgraphs: int = 1

    def variable(self, operator: Operator) -> FileTensor | None:
        """What an operator uses that lasts from run to run, if its kind may not."""
        if operator.name in STATEFUL:
            return None
        used = (*operator.inputs, *operator.outputs)
        operands = (self.tensors[i] for i in used if i >= 0)
        return next((each for each in operands if each.is_variable), None)

    @property
    def input(self) -> FileTensor:
        """The network's first input."""
        return self.tensors[self.inputs[0]]

    @property
    def output(self) -> FileTensor:
        """The network's first output."""
        return self.tensors[self.outputs[0]]

    @property
    def activation_bytes(self) -> int:
        """Sum of the sizes of all tensors that are not constant."""
        return sum(t.num_bytes for t in self.tensors if not t.is_constant)


def parse(model: bytes) -> Program:
    """Parses the first subgraph of a `.tflite` file.

    Raises:
        GraphError: not a TFLite file, truncated or overwritten: names the part and its
            offset. Or a sound one of a form that nothing here takes: with weights
            behind the flatbuffer, of unsigned bytes.
    """
    model = bytes(model)
    if len(model) < 8 or model[4:8] != FILE_IDENTIFIER:
        raise errors.GraphError(
            f"not a TFLite file: bytes 4 to 7 must be {FILE_IDENTIFIER!r}; found "
            f"{model[4:8]!r} in a file of {len(model)} bytes"
        )
    with _reading("the model", int.from_bytes(model[:4], "little"), model):
        root = tflite.Model.GetRootAsModel(model, 0)
        subgraphs = _count("subgraphs", root.SubgraphsLength(), model)
        if not subgraphs:
            raise ValueError("there is no subgraph")
        subgraph = root.Subgraphs(0)
        buffers = _count("buffers", root.BuffersLength(), model)
        codes = _count("operator codes", root.OperatorCodesLength(), model)
        names = [_operator_name(root.OperatorCodes(i)) for i in range(codes)]
        tensors = _count("tensors", subgraph.TensorsLength(), model)
        operators = _count("operators", subgraph.OperatorsLength(), model)
    program = Program(
        tensors=_each(
            "tensor",
            tensors,
            subgraph._tab.Pos,
            subgraph.Tensors,
            lambda table, index: _tensor(table, index, root, buffers, model),
            model,
        ),
        operators=_each(
            "operator",
            operators,
            subgraph._tab.Pos,
            subgraph.Operators,
            lambda table, index: _operator(table, index, names, tensors, model),
            model,
        ),
        inputs=_border(subgraph, "Inputs", tensors, model),
        outputs=_border(subgraph, "Outputs", tensors, model),
        subgraphs=subgraphs,
    )
    _require_signed(program)
    return program


def _require_signed(program: Program) -> None:
    """Refuses networks that compute with unsigned bytes, as those of 2019 do.

    At a network's border they are fine: QUANTIZE turns them into signed ones.
    """
    for operator in program.operators:
        operands = [program.tensors[i] for i in operator.inputs if i >= 0]
        unsigned = [each for each in operands if each.dtype == "uint8" and each.scales]
        if operator.name in _ARITHMETIC and unsigned:
            raise errors.GraphError(
                f"the network is quantized to uint8, the form of TensorFlow 1 (until "
                f"2019), which TensorFlow Lite Micro no longer runs: operator "
                f"{operator.index} {operator.name} reads '{unsigned[0].name[:60]}'. "
                "Convert its float network again, to int8"
            )


@contextlib.contextmanager
def _reading(part: str, offset: int, model: bytes) -> Iterator[None]:
    """Turns what damage raises into an error that names `part` and its offset."""
    try:
        yield
    except _DAMAGE as error:
        raise errors.GraphError(
            f"damaged TFLite file of {len(model)} bytes, truncated or overwritten: "
            f"{part} at offset {offset}: {errors.brief(error)}. Export it again."
        ) from error


def _each(
    what: str,
    count: int,
    start: int,
    get: Callable[[int], Any],
    convert: Callable[[Any, int], _T],
    model: bytes,
) -> tuple[_T, ...]:
    values = []
    for index in range(count):
        with _reading(f"the list of {what}s, entry {index}", start, model):
            table = get(index)
        with _reading(f"{what} {index}", table._tab.Pos, model):
            values.append(convert(table, index))
    return tuple(values)


def _count(what: str, found: int, model: bytes) -> int:
    # An entry of any vector here takes four bytes of the file.
    limit = len(model) // 4
    if not 0 <= found <= limit:
        raise ValueError(f"{found} {what} do not fit into the file")
    return found


def _border(
    subgraph: tflite.SubGraph, field: str, tensors: int, model: bytes
) -> tuple[int, ...]:
    with _reading(f"{field.lower()} of the subgraph", subgraph._tab.Pos, model):
        indices = _indices(subgraph, field, tensors, model)
        if not indices or min(indices) < 0:
            raise ValueError(f"present tensors are needed, found {indices}")
    return indices


def _indices(
    table: tflite.SubGraph | tflite.Operator, field: str, tensors: int, model: bytes
) -> tuple[int, ...]:
    count = _count(field.lower(), getattr(table, f"{field}Length")(), model)
    indices = _integers(count, getattr(table, f"{field}AsNumpy"))
    for index in indices:
        if not -1 <= index < tensors:
            raise ValueError(f"{field.lower()} name tensor {index} of {tensors}")
    return indices


def _tensor(
    table: tflite.Tensor, index: int, root: tflite.Model, buffers: int, model: bytes
) -> FileTensor:
    shape = _shape("shape", table.ShapeLength(), table.ShapeAsNumpy)
    signature = _shape(
        "shape signature", table.ShapeSignatureLength(), table.ShapeSignatureAsNumpy
    )
    if math.prod(shape) > MAX_TENSOR_ELEMENTS:
        raise errors.GraphError(
            f"tensor {index}: at most {MAX_TENSOR_ELEMENTS} elements are accepted; "
            f"found the shape {shape}"
        )
    # A free batch is what Keras leaves by default; it is run with the shape's one.
    is_dynamic = any(size < 1 for size in shape) or any(
        size < 0 and (axis > 0 or shape[:1] != (1,))
        for axis, size in enumerate(signature)
    )
    name = _printable(table.Name())
    if table.Sparsity() is not None:
        raise errors.GraphError(
            f"tensor {index} '{name[:60]}' is stored sparse, which is not supported: "
            "convert without sparsity"
        )
    scales, zero_points, axis = _quantization(table.Quantization(), model)
    if len(shape) == 1:
        # Biases have one axis; files of before 2020 name that of their kernel.
        axis = 0
    return FileTensor(
        index=index,
        name=name,
        shape=shape,
        dtype=TYPE_NAMES.get(table.Type(), f"type {table.Type()}"),
        scales=scales,
        zero_points=zero_points,
        axis=axis,
        is_dynamic=is_dynamic,
        data=_data(f"tensor {index} '{name[:60]}'", table.Buffer(), root, buffers),
        signature=signature,
        is_variable=bool(table.IsVariable()),
    )


def _shape(what: str, rank: int, get: Callable[[], Any]) -> tuple[int, ...]:
    if not 0 <= rank <= MAX_RANK:
        raise ValueError(f"a {what} of {rank} dimensions; at most {MAX_RANK}")
    return _integers(rank, get)


def _integers(count: int, get: Callable[[], Any]) -> tuple[int, ...]:
    """A vector, read in one piece; the schema's class has no array of an empty one."""
    return tuple(get().tolist()) if count else ()


def _quantization(
    table: tflite.QuantizationParameters | None, model: bytes
) -> tuple[tuple[float, ...], tuple[int, ...], int]:
    if table is None or not table.ScaleLength():
        return (), (), 0
    _count("scales", table.ScaleLength(), model)
    scales: tuple[float, ...] = tuple(table.ScaleAsNumpy().tolist())
    zero_points = (0,) * len(scales)
    if table.ZeroPointLength():
        _count("zero points", table.ZeroPointLength(), model)
        zero_points = _integers(table.ZeroPointLength(), table.ZeroPointAsNumpy)
    if len(zero_points) == 1:
        zero_points *= len(scales)
    return scales, zero_points, int(table.QuantizedDimension())


def _data(
    who: str, index: int, root: tflite.Model, buffers: int
) -> npt.NDArray[np.uint8] | None:
    if not 0 <= index < buffers:
        raise ValueError(f"buffer {index} of {buffers} is referred to")
    buffer = root.Buffers(index)
    if buffer.Offset() > 1:
        raise errors.GraphError(
            f"{who}: its values lie behind the flatbuffer (Buffer.offset, the form of "
            "files above 2 GB), where TensorFlow Lite Micro does not read them; "
            "convert again with the values inside"
        )
    if buffer.DataLength() == 0:
        return None
    # frombuffer inside raises ValueError where the vector leaves the file.
    data: npt.NDArray[np.uint8] = buffer.DataAsNumpy()
    return data


def _operator(
    table: tflite.Operator, index: int, names: list[str], tensors: int, model: bytes
) -> Operator:
    code = table.OpcodeIndex()
    if code >= len(names):
        raise ValueError(f"operator code {code} of {len(names)} is referred to")
    name = names[code]
    return Operator(
        index=index,
        name=name,
        inputs=_indices(table, "Inputs", tensors, model),
        outputs=_indices(table, "Outputs", tensors, model),
        options=_options(table, name),
    )


def _options(table: tflite.Operator, name: str) -> dict[str, Any]:
    if name not in OPTIONS:
        return {}
    schema, getters = OPTIONS[name]
    found = table.BuiltinOptionsType()
    options = table.BuiltinOptions()
    values = getattr(tflite, schema)()
    if found not in (
        tflite.BuiltinOptions.NONE,
        getattr(tflite.BuiltinOptions, schema),
    ):
        raise ValueError(f"{name} needs {schema}, found options of type {found}")
    if options is None or found == tflite.BuiltinOptions.NONE:
        # Options that are all defaults may be left out.
        values.Init(_NO_FIELDS, 4)
    else:
        values.Init(options.Bytes, options.Pos)
    return {field: getattr(values, getter)() for field, getter in getters.items()}


def _operator_name(code: tflite.OperatorCode) -> str:
    # Files before schema 3a carry only the one-byte field; see schema.fbs.
    builtin = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
    if builtin == tflite.BuiltinOperator.CUSTOM:
        return f"CUSTOM '{_printable(code.CustomCode())}'"
    try:
        return str(tflite.opcode2name(builtin))
    except ValueError:
        return f"BUILTIN_{builtin}"


def _printable(name: bytes | None) -> str:
    """Text for messages of one line; what cannot be printed becomes `?`."""
    text = (name or b"").decode("utf-8", "replace")
    return "".join(char if char.isprintable() else "?" for char in text)
