"""One operator of a file with its operands, for the functions that read it."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import tflite

from tfpipeline import errors
from tfpipeline.ir import graph, tflite_file

CLAMPS = {
    tflite.ActivationFunctionType.NONE: graph.NO_CLAMP,
    tflite.ActivationFunctionType.RELU: graph.RELU,
    tflite.ActivationFunctionType.RELU_N1_TO_1: graph.Clamp(-1.0, 1.0),
    tflite.ActivationFunctionType.RELU6: graph.RELU6,
}

# How the bytes of a constant are read; INT4 is unpacked first.
_NUMPY_TYPES = {
    "float32": "<f4",
    "int4": "i1",
    "int8": "i1",
    "uint8": "u1",
    "int16": "<i2",
    "int32": "<i4",
    "int64": "<i8",
}


@dataclasses.dataclass(frozen=True)
class Operation:
    """An operator with its operands: what a reader function is given."""

    operator: tflite_file.Operator
    program: tflite_file.Program
    names: Mapping[int, str]

    def error(self, reason: str) -> errors.GraphError:
        """An error that names this operator and what it writes."""
        results = self.operator.outputs
        name = self.names[results[0]] if results and results[0] >= 0 else "nothing"
        return errors.GraphError(
            f"operator {self.operator.index} {self.operator.name[:60]} writing "
            f"'{name[:80]}': "
            f"{reason}"
        )

    def has(self, position: int) -> bool:
        """Whether the input at `position` is present."""
        inputs = self.operator.inputs
        return position < len(inputs) and inputs[position] >= 0

    def tensor(self, position: int) -> tflite_file.FileTensor:
        """The input at `position`, which must be present."""
        if not self.has(position):
            raise self.error(f"input {position} is absent")
        return self.program.tensors[self.operator.inputs[position]]

    def name(self, position: int) -> str:
        """The graph's name of the input at `position`."""
        return self.names[self.tensor(position).index]

    def result(self) -> tflite_file.FileTensor:
        """The only output."""
        outputs = self.operator.outputs
        if len(outputs) != 1 or outputs[0] < 0:
            raise self.error(f"one output is expected, found {outputs}")
        return self.program.tensors[outputs[0]]

    def integers(self, position: int) -> tuple[int, ...]:
        """The flat values of a constant integer input."""
        tensor = self.tensor(position)
        if tensor.data is None or tensor.dtype not in ("int32", "int64"):
            raise self.error(f"input {position} must be a constant of integers")
        return tuple(int(v) for v in constant(tensor).flat)

    def plane(self, tensor: tflite_file.FileTensor) -> tuple[int, int]:
        """Height and width of an image or a kernel."""
        if len(tensor.shape) != 4:
            raise self.error(
                f"tensor '{self.names[tensor.index]}' must have four dimensions; "
                f"found {tensor.shape}"
            )
        return tensor.shape[1], tensor.shape[2]

    def several(self, position: int) -> dict[str, Any]:
        """The fields of a layer of several results that reads one operand."""
        results = self.operator.outputs
        if not results or min(results) < 0:
            raise self.error(f"outputs are expected, found {results}")
        first, *others = (self.names[index] for index in results)
        return {
            "name": first,
            "inputs": (self.name(position),),
            "output": first,
            "further": tuple(others),
        }

    def axis(self, found: int, rank: int) -> int:
        """An axis of data of `rank` dimensions, counted from the front."""
        if not -rank <= found < rank:
            raise self.error(f"axis {found} does not exist in {rank} dimensions")
        return found % rank

    def common(self, inputs: int = 1) -> dict[str, Any]:
        """The fields of every layer, reading the first `inputs` operands."""
        output = self.names[self.result().index]
        names = tuple(self.name(i) for i in range(inputs))
        return {"name": output, "inputs": names, "output": output}

    def clamp(self) -> graph.Clamp:
        """The fused activation."""
        activation = self.operator.options["activation"]
        if activation not in CLAMPS:
            raise self.error(
                f"fused activation {activation} is not supported; only NONE, RELU, "
                "RELU_N1_TO_1 and RELU6 are"
            )
        return CLAMPS[activation]


def constant(tensor: tflite_file.FileTensor) -> graph.Array:
    """The values of a constant in the shape of its tensor; INT4 as int8.

    Raises:
        GraphError: the type is not supported or the data do not fill the shape.
    """
    if tensor.data is None or tensor.dtype not in _NUMPY_TYPES:
        raise errors.GraphError(
            f"tensor {tensor.index} '{tensor.name}' must be a constant of one of "
            f"{', '.join(_NUMPY_TYPES)}; found {tensor.dtype}"
        )
    data = tensor.data
    count = int(np.prod(tensor.shape, dtype=np.int64))
    if tensor.dtype == "int4":
        expected = (count + 1) // 2
    else:
        expected = count * np.dtype(_NUMPY_TYPES[tensor.dtype]).itemsize
    if data.size != expected:
        raise errors.GraphError(
            f"tensor {tensor.index} '{tensor.name}' of shape {tensor.shape} and type "
            f"{tensor.dtype} needs {expected} bytes; found {data.size}"
        )
    if tensor.dtype == "int4":
        return _unpack_int4(data)[:count].reshape(tensor.shape)
    values = data.view(np.uint8).tobytes()
    array: graph.Array = np.frombuffer(values, _NUMPY_TYPES[tensor.dtype])
    native = array.astype(array.dtype.newbyteorder("="), copy=False)
    return native.reshape(tensor.shape)


def _unpack_int4(data: graph.Array) -> graph.Array:
    """Two's complement nibbles, the low one first, as int8."""
    nibbles = np.stack([data & 0xF, data >> 4], axis=-1).reshape(-1).astype(np.int8)
    unpacked: graph.Array = np.where(nibbles > 7, nibbles - 16, nibbles).astype(np.int8)
    return unpacked
