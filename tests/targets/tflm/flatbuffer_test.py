"""Reading `.tflite` files, whole, damaged, and with floats left in them."""

import pathlib
import re

import flatbuffers
import numpy as np
import pytest
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from tfpipeline import errors
from tfpipeline.targets.tflm import flatbuffer

GOLDEN = pathlib.Path(__file__).parents[2] / "golden" / "tflite_int8"
OPERATORS = {
    "plain": ["CONV_2D", "MAX_POOL_2D", "RESHAPE", *["FULLY_CONNECTED"] * 2],
    "depthwise": ["CONV_2D", "DEPTHWISE_CONV_2D", "MEAN", "FULLY_CONNECTED"],
    "residual": ["CONV_2D", "CONV_2D", "ADD", "MEAN", "FULLY_CONNECTED", "SOFTMAX"],
    "concat": ["CONV_2D", "CONV_2D", "CONCATENATION", "CONV_2D", "MEAN"],
}
CASES = [f"{name}_{how}" for name in OPERATORS for how in ("ptq", "qat")]


def golden(name: str) -> bytes:
    return (GOLDEN / f"{name}.tflite").read_bytes()


def edited(name: str, change) -> bytes:
    """A golden file with `change` applied to the schema's mutable model."""
    model = schema.ModelT.InitFromPackedBuf(golden(name))
    change(model)
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), flatbuffer.FILE_IDENTIFIER)
    return bytes(builder.Output())


@pytest.mark.parametrize("name", CASES)
def test_reads_operators_and_quantization(name):
    program = flatbuffer.require_integer(golden(name))

    assert [o.name for o in program.operators] == OPERATORS[name.split("_")[0]]
    assert program.input.shape == (1, 8, 8, 3)
    # Pixels / 128 - 1 lie on this grid exactly in the networks that saw 0 and 255.
    assert program.input.scales == pytest.approx((1 / 128,), rel=5e-3)
    assert program.output.shape == (1, 10)


def test_reads_weights_per_channel():
    program = flatbuffer.read(golden("depthwise_ptq"))
    first, depthwise = program.operators[:2]
    kernel = program.tensors[first.inputs[1]]
    assert (kernel.shape, kernel.axis, len(kernel.scales)) == ((8, 3, 3, 3), 0, 8)
    assert kernel.is_constant
    assert kernel.num_bytes == 8 * 3 * 3 * 3
    kernel = program.tensors[depthwise.inputs[1]]
    assert (kernel.shape, kernel.axis, len(kernel.scales)) == ((1, 3, 3, 8), 3, 8)
    assert program.activation_bytes == 8 * 8 * 3 + 2 * 4 * 4 * 8 + 8 + 10


def test_every_truncation_is_one_error():
    model = golden("residual_qat")
    for size in range(len(model)):
        with pytest.raises(errors.ExportError):
            flatbuffer.read(model[:size])


def test_damage_is_never_another_error():
    model = golden("residual_qat")
    random = np.random.default_rng(0)
    refused = 0
    for _ in range(1000):
        damaged = bytearray(model)
        for position in random.integers(8, len(model), 8):
            damaged[position] = random.integers(256)
        try:
            flatbuffer.require_integer(bytes(damaged))
        except errors.ExportError:
            refused += 1
    assert refused > 300


@pytest.mark.parametrize("content", [b"", b"TFL3", b"PK\x03\x04" + bytes(100)])
def test_another_file_type_is_named(content):
    with pytest.raises(errors.ExportError, match="not a TFLite file"):
        flatbuffer.read(content)


def test_float_operator_is_named_and_conversions_are_not_blamed():
    def leave_mean_in_float(model):
        graph = model.subgraphs[0]
        conv, mean = graph.operators[3:5]
        graph.tensors[mean.outputs[0]].type = schema.TensorType.FLOAT32
        graph.tensors[conv.outputs[0]].type = schema.TensorType.FLOAT32
        code = schema.OperatorCodeT(builtinCode=schema.BuiltinOperator.DEQUANTIZE)
        code.deprecatedBuiltinCode = code.builtinCode
        model.operatorCodes.append(code)
        conv.opcodeIndex = len(model.operatorCodes) - 1

    model = edited("concat_qat", leave_mean_in_float)
    name = flatbuffer.read(model).output.name

    message = f"operator 4 MEAN writes float32 tensor '{re.escape(name)}'.*2 more"
    with pytest.raises(errors.ExportError, match=message):
        flatbuffer.require_integer(model)


def test_unsigned_output_is_refused():
    def make_unsigned(model):
        graph = model.subgraphs[0]
        graph.tensors[graph.outputs[0]].type = schema.TensorType.UINT8

    with pytest.raises(errors.ExportError, match=r"output .* must be int8.*uint8"):
        flatbuffer.require_integer(edited("plain_ptq", make_unsigned))


def test_dynamic_batch_is_refused():
    def make_batch_of_two(model):
        graph = model.subgraphs[0]
        graph.tensors[graph.inputs[0]].shape = [2, 8, 8, 3]

    with pytest.raises(errors.ExportError, match=r"batch of 1; found .*2, 8, 8, 3"):
        flatbuffer.require_integer(edited("plain_ptq", make_batch_of_two))


def test_enormous_tensor_is_refused():
    def enlarge(model):
        graph = model.subgraphs[0]
        graph.tensors[graph.inputs[0]].shape = [1, 60000, 60000, 3]

    with pytest.raises(errors.ExportError, match="tensor 0: at most"):
        flatbuffer.read(edited("plain_ptq", enlarge))
