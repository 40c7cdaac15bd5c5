"""Functions of layers by what they are: Keras' own and TensorFlow's, or a user's."""

import numpy as np
import pytest

from tfpipeline import errors
from tfpipeline.compat import keras, tf
from tfpipeline.keras_networks import quantizable
from tfpipeline.quantization.tflite import int8
from tfpipeline.readers import from_keras
from tfpipeline.simulate import float_execution

L = keras.layers
FUNCTIONS = {
    "tf.nn.relu": tf.nn.relu,
    "tf.nn.sigmoid": tf.nn.sigmoid,
    "tf.nn.silu": tf.nn.silu,
    "tf.nn.softmax": tf.nn.softmax,
    "tf.tanh": tf.tanh,
    "silu": "silu",
    "leaky_relu": "leaky_relu",
    "ReLU": L.ReLU(6.0),
}
VALUES = np.linspace(-8, 8, 24, dtype=np.float32).reshape(4, 6)


def network(function, *, is_alone=False):
    values = keras.Input((6,))
    if is_alone:
        return keras.Model(values, L.Activation(function)(values))
    return keras.Model(values, L.Dense(4, activation=function)(values))


@pytest.mark.parametrize("is_alone", [False, True])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_it_is_read_and_quantized_by_any_name(name, is_alone):
    model = network(FUNCTIONS[name], is_alone=is_alone)
    found = float_execution.predict(from_keras.read(model), VALUES)
    np.testing.assert_allclose(found, model(VALUES).numpy(), atol=1e-5)
    int8.require_supported(quantizable.fold(model), "int8")


def test_a_function_of_ones_own_is_not_taken_for_keras():
    def relu(values):
        return 2 * values

    with pytest.raises(errors.GraphError, match="'relu' of your own is not supported"):
        from_keras.read(network(relu))


def test_a_quotient_is_a_product():
    values = keras.Input((6,))
    model = keras.Model(values, (values - 127.5) / 127.5)
    found = float_execution.predict(from_keras.read(model), VALUES)
    np.testing.assert_allclose(found, model(VALUES).numpy(), rtol=1e-5)
    for other in (values / (values + 1), 1 / values):
        with pytest.raises(errors.GraphError, match="must be divided by a constant"):
            from_keras.read(keras.Model(values, other))


@pytest.mark.parametrize("function", ["relu", "tanh"])
def test_a_dense_of_each_row_is_a_dense(function):
    rows = keras.Input((3, 6))
    inner = L.Dense(4, activation=function)
    model = keras.Model(rows, L.TimeDistributed(inner)(rows))
    values = VALUES[:, None] * np.array([1, 0.5, -1], np.float32)[:, None]
    expected = model(values).numpy()
    found = float_execution.predict(from_keras.read(model), values)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    folded = quantizable.fold(model)
    int8.require_supported(folded, "int8")
    np.testing.assert_allclose(folded(values).numpy(), expected, atol=1e-6)
