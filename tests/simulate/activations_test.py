"""Activations that stand alone, on every integer, against TFLite Micro."""

import dataclasses
import itertools

import numpy as np
import pytest
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from tests.simulate import micro
from tests.simulate import operator_cases as cases
from tfpipeline import errors
from tfpipeline.ir import from_tflite, graph, tflite_operators
from tfpipeline.numerics import affine
from tfpipeline.simulate import activation_functions, execution, lookup, support

Value = cases.Value
OPERATORS = {name: op for op, name in tflite_operators.FUNCTIONS.items()}
# Scales and zero points of the input, powers of two and what saturates among them.
INPUTS = {
    "int8": ((0.031, -7), (0.2, 100), (0.004, -128), (1 / 16, 0), (0.11, 127)),
    "int16": ((1.1e-3, 0), (3e-5, 0), (1 / 4096, 0), (1 / 2048, 0), (1 / 32768, 0)),
}
# Factors from the scale of the input to that of the output, and zero points.
OUTPUTS = ((1.0, 0), (0.7, -3), (1.9, 40))


def every(dtype):
    limits = np.iinfo(dtype)
    return np.arange(limits.min, limits.max + 1).astype(dtype)


def networks(name, dtype):
    """The function between all pairs of scales that it is free to have."""
    shape = (1, len(every(dtype)))
    fixed = affine.FIXED_OUTPUTS.get((name, dtype))
    # RELU6 is not rescaled.
    outputs = OUTPUTS[:1] if fixed or name == "relu6" else OUTPUTS
    for (scale, zero), (factor, other) in itertools.product(INPUTS[dtype], outputs):
        free = (scale * factor, 0 if dtype == "int16" else other)
        if name == "relu6":
            free = (scale, zero)
        source = Value(shape, dtype, scale, zero)
        result = Value(shape, dtype, *(fixed or free))
        yield cases.models.one_operator(OPERATORS[name], [source], result)


def shortened(g, count):
    """The graph of one activation for as many values."""
    tensors = {
        name: dataclasses.replace(tensor, shape=(1, count))
        for name, tensor in g.tensors.items()
    }
    return dataclasses.replace(g, tensors=tensors)


@pytest.mark.default_cases(4)
@pytest.mark.parametrize(("name", "dtype"), activation_functions.BUILDERS)
def test_every_integer_is_bit_exact(name, dtype):
    images = every(dtype)[np.newaxis]
    for model in networks(name, dtype):
        g = from_tflite.read(model)
        expected = micro.predict(model, images)
        np.testing.assert_array_equal(execution.predict(g, images), expected)

        some = slice(None, None, len(images[0]) // 256)
        readable = execution.predict_readable(shortened(g, 256), images[:, some])
        np.testing.assert_array_equal(readable, expected[:, some])


@pytest.mark.parametrize(("name", "dtype"), activation_functions.NOT_SUPPORTED)
def test_what_tflite_micro_lacks_is_refused_by_both(name, dtype):
    value = Value((1, 8), dtype, 0.1, 0)
    model = cases.models.one_operator(OPERATORS[name], [value], value)
    g = from_tflite.read(model)
    images = micro.random_images(g, 1)
    with pytest.raises(errors.GraphError, match=f"{name} of {dtype}: TFLite Micro"):
        execution.predict(g, images)
    with pytest.raises(RuntimeError):
        micro.predict(model, images)


def test_every_function_has_an_answer_for_both_types():
    known = {*activation_functions.BUILDERS, *activation_functions.NOT_SUPPORTED}
    assert known == set(itertools.product(graph.ACTIVATION_FUNCTIONS, support.BOTH))


@pytest.mark.parametrize(
    ("name", "result", "reason"),
    [
        ("LOGISTIC", Value((1, 4), "int8", 1 / 256, 0), "sigmoid of int8 writes"),
        ("TANH", Value((1, 4), "int16", 1 / 256, 0), "must be the same|tanh of int16"),
        ("HARD_SWISH", Value((1, 4), "int8", 1e-4, 0), "more than a 128th"),
        ("HARD_SWISH", Value((1, 4), "int8", 1e4, 0), "shifts its 16 bits by 23"),
    ],
)
def test_outputs_that_no_kernel_writes_are_refused(name, result, reason):
    source = Value((1, 4), result.dtype, 0.1, 0)
    g = from_tflite.read(cases.models.one_operator(name, [source], result))
    with pytest.raises(errors.GraphError, match=reason):
        execution.predict(g, micro.random_images(g, 1))


@pytest.mark.parametrize("dtype", ["int8", "int16"])
@pytest.mark.parametrize("change", [{"scale": 0.2}, {"zero_point": 5}])
def test_a_relu6_between_two_scales_is_refused(dtype, change):
    if dtype == "int16" and "zero_point" in change:
        pytest.skip("int16 has none")
    source = Value((1, 4), dtype, 0.1, 0)
    result = dataclasses.replace(source, **change)
    g = from_tflite.read(cases.models.one_operator("RELU6", [source], result))
    (reason,) = support.reasons(g)
    assert "does not rescale RELU6" in reason and len(reason) < 300
    # It is so: its integers are compared with zero and six, and written as they are.
    images = np.array([[-100, -1, 7, 127]], dtype)
    model = cases.models.one_operator("RELU6", [source], result)
    assert micro.predict(model, images).tolist() == [[0, 0, 7, 60]]


@pytest.mark.parametrize("scale", [7.9, 8.0, 12.0, 8e5, 2.0**34])
@pytest.mark.parametrize("name", ["sigmoid", "tanh"])
def test_curves_of_coarse_integers_are_bit_exact(name, scale):
    """From 8 on, where their argument has no integer but zero, zero is the lowest."""
    images = every("int8")[np.newaxis]
    source = Value(images.shape, "int8", scale, 3)
    result = Value(images.shape, "int8", *affine.FIXED_OUTPUTS[name, "int8"])
    model = cases.models.one_operator(OPERATORS[name], [source], result)
    expected = micro.predict(model, images)
    g = from_tflite.read(model)
    np.testing.assert_array_equal(execution.predict(g, images), expected)
    np.testing.assert_array_equal(execution.predict_readable(g, images), expected)
    assert (expected[0, 131] == -128) == (scale >= 8)


@pytest.mark.parametrize(
    ("dtype", "scale", "fits"),
    [
        ("int8", 2.0**-29, False),
        ("int8", 2.0**35, False),
        ("int8", 2.0**-28, True),
        ("int16", 2.66, True),
        ("int16", 2.67, False),
    ],
)
@pytest.mark.parametrize("name", ["sigmoid", "tanh"])
def test_curves_beyond_their_integers_are_refused(name, dtype, scale, fits):
    source = Value((1, 4), dtype, scale, 0)
    result = Value((1, 4), dtype, *affine.FIXED_OUTPUTS[name, dtype])
    model = cases.models.one_operator(OPERATORS[name], [source], result)
    found = support.reasons(from_tflite.read(model))
    assert (found == []) == fits
    assert fits or f"found {scale:.3g}" in found[0]


def test_int16_softmax_is_bit_exact_over_both_tables():
    # Beside 32767, an int16 takes every difference; the sum runs from 1 to 2.
    shape = (1, 2**16, 2)
    model = cases.models.one_operator(
        "SOFTMAX",
        [Value(shape, "int16", 10 / 65535, 0)],
        Value(shape, "int16", 1 / 32768, 0),
        schema.SoftmaxOptionsT(beta=1.0),
    )
    g = from_tflite.read(model)
    largest = np.full(2**16, 32767, np.int16)
    images = np.stack([largest, every("int16")], axis=-1)[np.newaxis]

    expected = micro.predict(model, images)
    np.testing.assert_array_equal(execution.predict(g, images), expected)


def test_sigmoid_table_is_the_function():
    exact = 2**16 / (1 + np.exp(-np.arange(256) / 24))
    # Half a unit of rounding, and half of the interpolation's error, at most 0.7.
    np.testing.assert_allclose(lookup.sigmoid_table(), exact, atol=1.2)
