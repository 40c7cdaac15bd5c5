"""Layers that go from row to row, written out: what Keras computes, as Micro has it."""

import numpy as np
import pytest

from export.c import host, network
from export.tflite import after_training
from tests.simulate import micro
from tfpipeline import errors
from tfpipeline.compat import keras
from tfpipeline.ir import from_tflite
from tfpipeline.post_training import float_network, input_range
from tfpipeline.readers import from_keras, keras_unrolled
from tfpipeline.simulate import execution, float_execution

L = keras.layers
ROWS = (5, 3)
LAYERS = {
    "gru": lambda: L.GRU(4, bias_initializer="normal"),
    "gru, reset in front": lambda: L.GRU(4, reset_after=False),
    "gru of no bias": lambda: L.GRU(4, "relu", use_bias=False, unroll=True),
    "gru backwards": lambda: L.GRU(4, return_sequences=True, go_backwards=True),
    "simple": lambda: L.SimpleRNN(4, return_sequences=True),
}


def network_of(name):
    keras.utils.set_random_seed(1)
    rows = keras.Input(ROWS)
    return keras.Model(rows, LAYERS[name]()(rows))


def images(count):
    return np.random.default_rng(0).uniform(-1, 1, (count, *ROWS)).astype(np.float32)


@pytest.mark.parametrize("name", LAYERS)
def test_it_is_keras_layer(name):
    model = network_of(name)
    found = float_execution.predict(from_keras.read(model), images(3))
    # Keras rounds to float32.
    np.testing.assert_allclose(found, model(images(3)).numpy(), atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["wi8_ai8", "wi8_ai16", "wi4_ai8"])
@pytest.mark.parametrize("name", LAYERS)
def test_integers_are_micros_and_cs(name, recipe):
    g, inputs = from_keras.read(network_of(name)), images(8)
    given = float_network.FloatNetwork(g, inputs, input_range.of_values(inputs))
    data = after_training.made(given, recipe)
    integers = from_tflite.read(data)
    drawn = micro.random_inputs(integers, 4)
    (expected,) = micro.run(data, drawn, 1)
    np.testing.assert_array_equal(execution.run(integers, drawn)[0], expected)
    with host.compiled(network.prepare(integers, "net")) as program:
        np.testing.assert_array_equal(program.run(drawn)[0], expected)


@pytest.mark.parametrize(
    ("layer", "shape", "reason"),
    [
        (lambda: L.GRU(2), (keras_unrolled.MAX_ROWS + 1, 1), "or use an LSTM"),
        (lambda: L.GRU(2, "elu"), ROWS, "the activation 'elu' is not supported"),
        (lambda: L.SimpleRNN(2, return_state=True), ROWS, "must be False"),
    ],
)
def test_what_is_refused(layer, shape, reason):
    rows = keras.Input(shape)
    model = keras.Model(rows, layer()(rows))
    with pytest.raises(errors.GraphError, match=reason):
        from_keras.read(model)
