"""TensorFlow Lite Micro's Signal operators, each as a file of its own.

Their operands are constants of the file, so that types can be given which the
interpreter's Python side does not take.
"""

import numpy as np
from flatbuffers import flexbuffers
from tflite_micro import runtime
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from tests.ir import tflite_models

_TYPES = {
    "int16": schema.TensorType.INT16,
    "int32": schema.TensorType.INT32,
    "uint32": schema.TensorType.UINT32,
    "uint64": schema.TensorType.UINT64,
}


def run(name, operands, output, **options):
    """What an operator computes.

    Args:
        name: of the operator, as "SignalRfft".
        operands: arrays.
        output: (shape, dtype) of the result.
        **options: of the operator.
    """
    model = _model(name, operands, output, options)
    interpreter = runtime.Interpreter.from_bytes(
        model,
        arena_size=2**20,
        intrepreter_config=runtime.InterpreterConfig.kPreserveAllTensors,
    )
    interpreter.invoke()
    return interpreter.GetTensor(len(operands), 0)["tensor_data"]


def _model(name, operands, output, options):
    model = schema.ModelT(version=3, operatorCodes=[], buffers=[schema.BufferT()])
    code = schema.BuiltinOperator.CUSTOM
    model.operatorCodes = [
        schema.OperatorCodeT(
            builtinCode=code, deprecatedBuiltinCode=code, customCode=name.encode()
        )
    ]
    tensors = []
    for values in operands:
        raw = np.frombuffer(np.ascontiguousarray(values).tobytes(), np.uint8)
        model.buffers.append(schema.BufferT(data=raw))
        tensors.append(_tensor(values.shape, values.dtype, len(model.buffers) - 1))
    tensors.append(_tensor(*output, 0))
    operator = schema.OperatorT(
        opcodeIndex=0,
        inputs=list(range(len(operands))),
        outputs=[len(operands)],
        customOptions=np.frombuffer(flexbuffers.Dumps(options), np.uint8),
    )
    model.subgraphs = [
        schema.SubGraphT(
            tensors=tensors,
            operators=[operator],
            inputs=[],
            outputs=[len(operands)],
            name=b"main",
        )
    ]
    return tflite_models.pack(model)


def _tensor(shape, dtype, buffer):
    return schema.TensorT(
        shape=list(shape), type=_TYPES[np.dtype(dtype).name], buffer=buffer, name=b"t"
    )
