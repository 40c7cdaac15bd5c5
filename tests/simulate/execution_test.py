"""Both sets of kernels against TFLite Micro's own interpreter, bit for bit."""

import pathlib

import numpy as np
import pytest
from tflite_micro import runtime
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from tests.ir import tflite_models as models
from tfpipeline import errors
from tfpipeline.ir import from_tflite, graph
from tfpipeline.simulate import execution, reference_kernels, vector_kernels
from tfpipeline.targets.tflm import interpreter

ROOT = pathlib.Path(__file__).parents[2]
GOLDENS = sorted((ROOT / "tests/golden/tflite_int8").glob("*.tflite"))
CMSISNET = ROOT / "experiments/cifar10/cmsisnet/model.tflite"

Value = models.Value
SAME, VALID = range(2)
NONE, RELU, RELU_N1, RELU6, _ = range(5)


def random_images(g, count, seed=0):
    shape = g.tensors[g.inputs[0]].shape[1:]
    random = np.random.default_rng(seed)
    return random.integers(-128, 128, (count, *shape)).astype(np.int8)


def kernel(*shape, axis=0):
    """int8 weights with a scale for each slice of `axis`."""
    random = np.random.default_rng(sum(shape))
    data = random.integers(-127, 128, shape).astype(np.int8)
    scales = random.uniform(0.002, 0.02, shape[axis])
    return Value(shape, "int8", scales, axis=axis, data=data)


def bias(count):
    data = np.random.default_rng(count).integers(-2000, 2000, count).astype(np.int32)
    return Value((count,), "int32", 1e-4, data=data)


def image(*shape):
    return Value((1, *shape), "int8", 0.031, zero_point=-7)


def result(*shape, scale=0.11, zero_point=5):
    return Value((1, *shape), "int8", scale, zero_point)


def window(cls, padding=SAME, stride=1, activation=NONE, **fields):
    return cls(
        padding=padding,
        strideH=stride,
        strideW=stride,
        fusedActivationFunction=activation,
        **fields,
    )


def conv(**fields):
    dilation = fields.pop("dilation", 1)
    return window(
        schema.Conv2DOptionsT,
        dilationHFactor=dilation,
        dilationWFactor=dilation,
        **fields,
    )


def depthwise(multiplier, dilation=1, **fields):
    return window(
        schema.DepthwiseConv2DOptionsT,
        depthMultiplier=multiplier,
        dilationHFactor=dilation,
        dilationWFactor=dilation,
        **fields,
    )


def pool(height, width, **fields):
    options = schema.Pool2DOptionsT
    return window(options, filterHeight=height, filterWidth=width, **fields)


PLANE = image(9, 7, 4)
DEEP = image(1, 1, 4)
CONSTANT = Value(
    (1, 1, 1, 4), "int8", 0.05, 3, data=np.array([-100, -3, 50, 127], np.int8)
)
# Name -> operator, inputs, output, options.
CASES = {
    "conv strided": (
        "CONV_2D",
        [PLANE, kernel(6, 3, 3, 4), bias(6)],
        result(5, 4, 6),
        conv(stride=2, activation=RELU6),
    ),
    "conv dilated": (
        "CONV_2D",
        [PLANE, kernel(6, 3, 3, 4), bias(6)],
        result(5, 3, 6),
        conv(padding=VALID, dilation=2, activation=RELU_N1),
    ),
    "conv grouped": (
        "CONV_2D",
        [PLANE, kernel(6, 3, 2, 2), bias(6)],
        result(9, 7, 6),
        conv(activation=RELU),
    ),
    "conv of even size": (
        "CONV_2D",
        [PLANE, kernel(3, 4, 2, 4), bias(3)],
        result(3, 3, 3),
        conv(stride=3),
    ),
    "depthwise": (
        "DEPTHWISE_CONV_2D",
        [PLANE, kernel(1, 3, 3, 8, axis=3), bias(8)],
        result(5, 4, 8),
        depthwise(2, stride=2),
    ),
    "depthwise dilated": (
        "DEPTHWISE_CONV_2D",
        [PLANE, kernel(1, 3, 3, 4, axis=3), bias(4)],
        result(9, 7, 4),
        depthwise(1, dilation=2, activation=RELU),
    ),
    "transposed": (
        "TRANSPOSE_CONV",
        [models.integers([1, 18, 14, 3]), kernel(3, 3, 3, 4), PLANE, bias(3)],
        result(18, 14, 3),
        window(schema.TransposeConvOptionsT, stride=2),
    ),
    "transposed valid": (
        "TRANSPOSE_CONV",
        [models.integers([1, 19, 15, 3]), kernel(3, 3, 3, 4), PLANE, bias(3)],
        result(19, 15, 3),
        window(schema.TransposeConvOptionsT, padding=VALID, stride=2),
    ),
    "dense": (
        "FULLY_CONNECTED",
        [
            image(40),
            Value((5, 40), "int8", 0.01, data=kernel(5, 40).data),
            bias(5),
        ],
        result(5, scale=0.07),
        schema.FullyConnectedOptionsT(fusedActivationFunction=RELU),
    ),
    "max pool": ("MAX_POOL_2D", [PLANE], image(5, 4, 4), pool(3, 2, stride=2)),
    "max pool clamped": (
        "MAX_POOL_2D",
        [PLANE],
        image(8, 6, 4),
        pool(2, 2, padding=VALID, activation=RELU),
    ),
    "average pool": ("AVERAGE_POOL_2D", [PLANE], image(5, 4, 4), pool(3, 3, stride=2)),
    "average pool of all": (
        "AVERAGE_POOL_2D",
        [PLANE],
        image(1, 1, 4),
        pool(9, 7, padding=VALID, activation=RELU6),
    ),
    "mean": (
        "MEAN",
        [PLANE, models.integers([1, 2])],
        result(4, scale=0.013),
        schema.ReducerOptionsT(),
    ),
    "mean kept": (
        "MEAN",
        [PLANE, models.integers([1, 2])],
        result(1, 1, 4, scale=0.031, zero_point=-7),
        schema.ReducerOptionsT(keepDims=True),
    ),
    "mean of channels": (
        "MEAN",
        [PLANE, models.integers([3])],
        result(9, 7, scale=0.02),
        schema.ReducerOptionsT(),
    ),
    "add": (
        "ADD",
        [PLANE, CONSTANT],
        result(9, 7, 4, scale=0.04),
        schema.AddOptionsT(fusedActivationFunction=RELU),
    ),
    "sub": (
        "SUB",
        [PLANE, CONSTANT],
        result(9, 7, 4, scale=0.04),
        schema.SubOptionsT(),
    ),
    "sub from constant": (
        "SUB",
        [CONSTANT, PLANE],
        result(9, 7, 4, scale=0.02),
        schema.SubOptionsT(),
    ),
    "mul": (
        "MUL",
        [PLANE, CONSTANT],
        result(9, 7, 4, scale=0.09),
        schema.MulOptionsT(fusedActivationFunction=RELU6),
    ),
    "concat": (
        "CONCATENATION",
        [DEEP, Value((1, 1, 1, 2), "int8", 0.031, -7, data=np.array([9, -9], np.int8))],
        image(1, 1, 6),
        schema.ConcatenationOptionsT(axis=3),
    ),
    "pad": (
        "PAD",
        [PLANE, models.integers([[0, 0], [1, 2], [0, 3], [0, 1]])],
        image(12, 10, 5),
        schema.PadOptionsT(),
    ),
    "reshape": ("RESHAPE", [PLANE, models.integers([1, 252])], image(252), None),
    "space to depth": (
        "SPACE_TO_DEPTH",
        [image(8, 6, 3)],
        image(4, 3, 12),
        schema.SpaceToDepthOptionsT(blockSize=2),
    ),
    "requantize": ("QUANTIZE", [PLANE], result(9, 7, 4, scale=0.017), None),
    "softmax": (
        "SOFTMAX",
        [image(10)],
        result(10, scale=1 / 256, zero_point=-128),
        schema.SoftmaxOptionsT(beta=1.0),
    ),
    "softmax steep": (
        "SOFTMAX",
        [Value((1, 5, 3), "int8", 0.7, 12)],
        result(5, 3, scale=1 / 256, zero_point=-128),
        schema.SoftmaxOptionsT(beta=1.5),
    ),
}


def micro(model, images):
    """TFLite Micro in this process: a child for each operator would take a minute."""
    found = runtime.Interpreter.from_bytes(model, arena_size=2**18)
    outputs = []
    for image in images:
        found.set_input(image[np.newaxis], 0)
        found.invoke()
        outputs.append(found.get_output(0).copy())
    return np.concatenate(outputs)


@pytest.mark.parametrize("case", CASES)
def test_operator_is_bit_exact(case):
    model = models.one_operator(*CASES[case])
    g = from_tflite.read(model)
    images = random_images(g, 6)

    expected = micro(model, images)
    assert len(np.unique(expected)) > 1
    np.testing.assert_array_equal(execution.predict_readable(g, images), expected)
    np.testing.assert_array_equal(execution.predict(g, images), expected)


def test_every_kind_is_tested_or_says_why_not():
    tested = {
        type(from_tflite.read(models.one_operator(*case)).layers[0])
        for case in CASES.values()
    }
    # No TFLite operator is a Conv1D; it is held against Conv2D below.
    assert tested | {graph.Conv1D} == set(reference_kernels.KERNELS)
    assert reference_kernels.KERNELS.keys() == vector_kernels.KERNELS.keys()
    known = set(reference_kernels.KERNELS) | set(reference_kernels.NOT_SUPPORTED)
    assert known == set(graph.LAYER_KINDS)
    assert not set(reference_kernels.KERNELS) & set(reference_kernels.NOT_SUPPORTED)


@pytest.mark.parametrize("path", GOLDENS, ids=lambda path: path.stem)
def test_networks_are_bit_exact(path):
    model = path.read_bytes()
    g = from_tflite.read(model)
    images = random_images(g, 40, seed=3)

    expected = interpreter.predict(model, images, processes=1)
    np.testing.assert_array_equal(execution.predict(g, images), expected)
    some = images[:4]
    np.testing.assert_array_equal(execution.predict_readable(g, some), expected[:4])


def test_cmsisnet_is_bit_exact():
    model = CMSISNET.read_bytes()
    g = from_tflite.read(model)
    images = random_images(g, 8)

    expected = interpreter.predict(model, images)
    np.testing.assert_array_equal(execution.predict(g, images), expected)
    one = execution.predict_readable(g, images[:1])
    np.testing.assert_array_equal(one, expected[:1])


def test_conv1d_is_conv2d_on_one_row():
    model = models.one_operator(
        "CONV_2D",
        [image(1, 16, 4), kernel(6, 1, 3, 4), bias(6)],
        result(1, 8, 6),
        conv(stride=2),
    )
    plane = from_tflite.read(model)
    (layer,) = plane.layers
    shapes = {
        name: (tensor.shape[:1] + tensor.shape[2:])
        if len(tensor.shape) == 4
        else tensor.shape
        for name, tensor in plane.tensors.items()
    }
    line = graph.Graph(
        "line",
        {
            name: graph.Tensor(name, shapes[name], tensor.dtype, tensor.quant)
            for name, tensor in plane.tensors.items()
        },
        {name: array.reshape(shapes[name]) for name, array in plane.constants.items()},
        (
            graph.Conv1D(
                name="line",
                inputs=layer.inputs,
                output=layer.output,
                weights=layer.weights,
                bias=layer.bias,
                strides=layer.strides[1:],
                padding=layer.padding[1:],
            ),
        ),
        plane.inputs,
        plane.outputs,
    )
    images = random_images(plane, 5)
    expected = execution.predict(plane, images)[:, 0]
    np.testing.assert_array_equal(execution.predict(line, images[:, 0]), expected)
    readable = execution.predict_readable(line, images[:, 0])
    np.testing.assert_array_equal(readable, expected)


def test_a_batch_that_is_reshaped_away_is_run_image_by_image():
    model = models.one_operator(
        "RESHAPE",
        [image(2, 4), models.integers([2, 4])],
        Value((2, 4), "int8", 0.031, -7),
    )
    g = from_tflite.read(model)
    images = random_images(g, 3)
    np.testing.assert_array_equal(execution.predict(g, images), images.reshape(6, 4))


def test_what_is_not_simulated_is_named():
    for operator, output, reason in (
        ("TANH", PLANE, "Activation 'layer' is not simulated: fuse it"),
        ("QUANTIZE", Value((1, 9, 7, 4), "int16"), "int16 tensor 'net/layer/Output'"),
    ):
        g = from_tflite.read(models.one_operator(operator, [PLANE], output))
        with pytest.raises(errors.GraphError, match=reason):
            execution.predict(g, random_images(g, 1))


def test_images_that_do_not_fit_are_refused():
    g = from_tflite.read_file(GOLDENS[0])
    for images in (np.zeros((1, 8, 8, 4), np.int8), np.zeros((1, 8, 8, 3), np.uint8)):
        with pytest.raises(errors.UsageError, match="must be int8 of shape"):
            execution.predict(g, images)
    with pytest.raises(errors.UsageError, match="at least one"):
        execution.predict(g, np.zeros((0, 8, 8, 3), np.int8))
