"""How graphs are run, and which are refused."""

import dataclasses
import pathlib

import numpy as np
import pytest

from tests.simulate import micro
from tests.simulate import operator_cases as cases
from tfpipeline import errors
from tfpipeline.ir import from_tflite, graph
from tfpipeline.simulate import execution

ROOT = pathlib.Path(__file__).parents[2]
GOLDENS = sorted((ROOT / "tests/golden/tflite_int8").glob("*.tflite"))

Value = cases.Value
PLANE = cases.INT8.image(9, 7, 4)


def test_conv1d_is_conv2d_on_one_row():
    f = cases.INT8
    model = cases.models.one_operator(
        "CONV_2D",
        [f.image(1, 16, 4), f.kernel(6, 1, 3, 4), f.bias(6)],
        f.result(1, 8, 6),
        cases.conv(stride=2),
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
    images = micro.random_images(plane, 5)
    expected = execution.predict(plane, images)[:, 0]
    np.testing.assert_array_equal(execution.predict(line, images[:, 0]), expected)
    readable = execution.predict_readable(line, images[:, 0])
    np.testing.assert_array_equal(readable, expected)


def test_a_batch_that_is_reshaped_away_is_run_image_by_image():
    model = cases.models.one_operator(
        "RESHAPE",
        [cases.INT8.image(2, 4), cases.models.integers([2, 4])],
        Value((2, 4), "int8", 0.031, -7),
    )
    g = from_tflite.read(model)
    images = micro.random_images(g, 3)
    np.testing.assert_array_equal(execution.predict(g, images), images.reshape(6, 4))


def test_sums_beyond_32_bits_wrap_as_in_the_interpreter():
    for family, value in ((cases.INT16_NARROW, 32767), (cases.INT16, -32768)):
        kernel = np.full((2, 1, 1, 900), 127, np.int8)
        kernel[1, ..., :300] = -127
        model = cases.models.one_operator(
            "CONV_2D",
            [
                family.image(1, 1, 900),
                Value(kernel.shape, "int8", [0.01, 0.01], data=kernel),
                family.bias(2),
            ],
            family.result(1, 1, 2, scale=3000.0),
            cases.conv(),
        )
        g = from_tflite.read(model)
        images = np.full((1, 1, 1, 900), value, np.int16)
        expected = micro.predict(model, images)
        # Only sums of 32 bits change their sign.
        assert ((expected[0, 0, 0, 0] < 0) != (value < 0)) == (
            family is cases.INT16_NARROW
        )
        np.testing.assert_array_equal(execution.predict(g, images), expected)
        np.testing.assert_array_equal(execution.predict_readable(g, images), expected)


@pytest.mark.parametrize(
    ("operator", "inputs", "output", "options", "reason"),
    [
        (
            "SPACE_TO_DEPTH",
            [cases.INT16.image(2, 2, 1)],
            cases.INT16.image(1, 1, 4),
            cases.schema.SpaceToDepthOptionsT(blockSize=2),
            "it has int16 tensors; supported are int8",
        ),
        (
            "QUANTIZE",
            [Value((1, 4), "uint8")],
            Value((1, 4), "int16"),
            None,
            "it turns uint8 into int16; supported are int16 to int16",
        ),
        (
            "RELU",
            [Value((1, 4), "int16", 0.1, 3)],
            Value((1, 4), "int16", 0.1, 0),
            None,
            "zero point of the int16 tensor 'input0' must be 0",
        ),
        (
            "DEPTHWISE_CONV_2D",
            [
                cases.INT16_NARROW.image(3, 3, 4),
                cases.INT16_NARROW.kernel(1, 3, 3, 4, axis=3),
                cases.INT16_NARROW.bias(4),
            ],
            cases.INT16_NARROW.result(3, 3, 4),
            cases.depthwise(1),
            "its bias must be int64; found int32",
        ),
        (
            "RELU",
            [Value((1, 4), "float32")],
            Value((1, 4), "float32"),
            None,
            "it has float32 tensors; supported are int8, int16",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) and value.isupper() else None,
)
def test_what_is_not_simulated_is_named(operator, inputs, output, options, reason):
    g = from_tflite.read(cases.models.one_operator(operator, inputs, output, options))
    with pytest.raises(errors.GraphError, match=reason):
        execution.predict(g, np.zeros(g.tensors[g.inputs[0]].shape, inputs[0].dtype))


def test_activations_narrower_than_their_type_are_refused():
    model = cases.models.one_operator(
        "TANH", [Value((1, 4))], Value((1, 4), "int8", 1 / 128)
    )
    g = from_tflite.read(model)
    tensors = {
        name: dataclasses.replace(
            tensor, quant=dataclasses.replace(tensor.quant, num_bits=4)
        )
        for name, tensor in g.tensors.items()
    }
    narrow = dataclasses.replace(g, tensors=tensors)
    with pytest.raises(errors.GraphError, match="of 4 bits must fill its int8"):
        execution.predict(narrow, micro.random_images(g, 1))


def test_images_that_do_not_fit_are_refused():
    g = from_tflite.read_file(GOLDENS[0])
    for images in (np.zeros((1, 8, 8, 4), np.int8), np.zeros((1, 8, 8, 3), np.uint8)):
        with pytest.raises(errors.UsageError, match="must be int8 of shape"):
            execution.predict(g, images)
    with pytest.raises(errors.UsageError, match="at least one"):
        execution.predict(g, np.zeros((0, 8, 8, 3), np.int8))
