"""Whole networks against TFLite Micro: every tensor of every layer, bit for bit."""

import pathlib

import numpy as np
import pytest
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from tests.simulate import micro
from tests.simulate import operator_cases as cases
from tfpipeline.ir import from_tflite
from tfpipeline.simulate import execution, reference_kernels, vector_kernels
from tfpipeline.targets.tflm import interpreter

ROOT = pathlib.Path(__file__).parents[2]
GOLDENS = sorted((ROOT / "tests/golden").glob("*_int*/*.tflite"))
TRAINED = sorted((ROOT / "experiments/cifar10").glob("*/model.tflite"))


@pytest.mark.default_cases(12)
@pytest.mark.parametrize("path", GOLDENS, ids=lambda p: f"{p.parent.name}/{p.stem}")
def test_goldens_are_bit_exact(path):
    model = path.read_bytes()
    g = from_tflite.read(model)
    images = micro.random_images(g, 24, seed=3)

    expected = micro.predict(model, images)
    assert len(np.unique(expected, axis=0)) > 1
    np.testing.assert_array_equal(execution.predict(g, images), expected)
    micro.assert_equal_in_every_tensor(model, images[:2], vector_kernels.KERNELS)
    micro.assert_equal_in_every_tensor(model, images[2:3], reference_kernels.KERNELS)


@pytest.mark.parametrize("path", TRAINED, ids=lambda path: path.parent.name)
def test_trained_networks_are_bit_exact(path):
    model = path.read_bytes()
    g = from_tflite.read(model)
    images = micro.random_images(g, 8)

    expected = interpreter.predict(model, images)
    np.testing.assert_array_equal(execution.predict(g, images), expected)
    micro.assert_equal_in_every_tensor(model, images[:1], vector_kernels.KERNELS)


def test_readable_kernels_run_cmsisnet_bit_exactly():
    model = (ROOT / "experiments/cifar10/cmsisnet/model.tflite").read_bytes()
    g = from_tflite.read(model)
    image = micro.random_images(g, 1)
    readable = execution.predict_readable(g, image)
    np.testing.assert_array_equal(readable, execution.predict(g, image))


def with_int4_kernels(model):
    """The network with the kernels of its convolutions in 4 bits, and their number."""
    parsed = schema.ModelT.InitFromPackedBuf(model)
    (part,) = parsed.subgraphs
    codes = [code.builtinCode for code in parsed.operatorCodes]
    kernels = {
        operator.inputs[1]
        for operator in part.operators
        if codes[operator.opcodeIndex]
        in (schema.BuiltinOperator.CONV_2D, schema.BuiltinOperator.DEPTHWISE_CONV_2D)
    }
    for tensor in (part.tensors[index] for index in kernels):
        stored = np.asarray(parsed.buffers[tensor.buffer].data).view(np.int8)
        values = np.clip(np.rint(stored / 16), -8, 7)
        parsed.buffers[tensor.buffer].data = cases.models.packed_int4(values)
        tensor.type = schema.TensorType.INT4
        tensor.quantization.scale = [16 * s for s in tensor.quantization.scale]
    return cases.models.pack(parsed), len(kernels)


@pytest.mark.parametrize("name", ["ds_cnn", "resnet"])
def test_networks_of_4_bit_kernels_are_bit_exact(name):
    path = ROOT / f"tests/golden/mlperf_int8/{name}.tflite"
    model, count = with_int4_kernels(path.read_bytes())
    g = from_tflite.read(model)
    widths = [
        g.tensors[layer.weights].num_bits for layer in g.layers if "Conv" in layer.kind
    ]
    assert widths == [4] * count
    images = micro.random_images(g, 8)
    expected = micro.predict(model, images)
    assert len(np.unique(expected, axis=0)) > 1
    np.testing.assert_array_equal(execution.predict(g, images), expected)
    micro.assert_equal_in_every_tensor(model, images[:1], reference_kernels.KERNELS)
