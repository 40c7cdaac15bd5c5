"""What scales the input in front: the same of a Keras network and of its graph."""

import numpy as np
import pytest

from tfpipeline.compat import keras
from tfpipeline.post_training import (
    float_network,
    front_layers,
    host_scaling,
    input_range,
)
from tfpipeline.readers import from_keras
from tfpipeline.simulate import float_execution

L = keras.layers
FRONTS = {
    "rescaling": lambda: [L.Rescaling(1 / 127.5, -1, name="a")],
    "a scale a channel": lambda: [L.Rescaling([0.1, 0.2, 0.3], [1.0, 0.0, -1.0])],
    "normalization": lambda: [
        L.Normalization(mean=[100.0, 120.0, 90.0], variance=[50.0, 60.0, 70.0])
    ],
    "two": lambda: [L.Rescaling(1 / 255), L.Normalization(mean=0.5, variance=0.04)],
}


def network_of(name):
    image = keras.Input((6, 6, 3))
    x = image
    for layer in FRONTS[name]():
        x = layer(x)
    # Of same padding, so that no kernel takes in what is added.
    return keras.Model(image, L.Conv2D(2, 3, padding="same")(x))


@pytest.fixture(scope="module")
def pixels():
    values = np.random.default_rng(0).integers(0, 256, (4, 6, 6, 3))
    return values.astype(np.float32)


@pytest.mark.parametrize("name", FRONTS)
def test_a_keras_network_and_its_graph_have_one_rule(name, pixels):
    model = network_of(name)
    g = from_keras.read(model, scaled_inputs=True)
    given = float_network.FloatNetwork(g, pixels, input_range.NAMED["pixels"])
    rest, of_layers = front_layers.left_to_host(model)
    network, of_graph = host_scaling.left_to_host(given)
    assert len(rest.layers) == 2
    assert [layer.kind for layer in network.graph.layers] == ["Conv2D"]
    assert len(of_layers.steps) == len(FRONTS[name]())
    # The graph's constants are float32.
    ours, theirs = of_layers.of(pixels), of_graph.of(pixels)
    np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-5)
    np.testing.assert_array_equal(network.inputs, theirs)
    np.testing.assert_allclose(
        float_execution.predict(network.graph, network.inputs),
        model(pixels).numpy(),
        rtol=1e-5,
        atol=1e-4,
    )
    reached = of_graph.reach(given.input_range, pixels)
    assert reached == network.input_range
    assert reached.low <= theirs.min() <= theirs.max() <= reached.high


def test_the_host_is_told(pixels):
    (note,) = front_layers.left_to_host(network_of("rescaling"))[1].notes
    assert note == ("Rescaling 'a' is left to the host: value * 0.00784313725 + -1")
    (note,) = front_layers.left_to_host(network_of("a scale a channel"))[1].notes
    assert "value * 3 values, the first 0.1, + 3 values" in note


def test_a_range_that_looks_like_pixels_is_none():
    scaling = host_scaling.Scaling(
        (host_scaling.Step("Rescaling 'a'", np.array(255.0), np.array(0.0)),)
    )
    unit = input_range.InputRange(0.0, 1.0)
    found = scaling.reach(unit, np.zeros((1, 2), np.float32))
    assert (found.low, found.high) == (0.0, 255.0)
    assert found != input_range.NAMED["pixels"]


def test_what_else_is_read_stays():
    image = keras.Input((6, 6, 3))
    x = L.Rescaling(1 / 128, -1)(image)
    both = keras.Model(image, L.Add()([L.Conv2D(3, 1)(x), L.Conv2D(3, 1)(image)]))
    assert front_layers.left_to_host(both)[1].steps == ()
    alone = keras.Model(image, x)
    assert front_layers.left_to_host(alone)[1].steps == ()


def test_it_may_stand_in_a_network_inside():
    inner = keras.Sequential([keras.Input((6, 6, 3)), L.Rescaling(1 / 128, -1)])
    image = keras.Input((6, 6, 3))
    model = keras.Model(image, L.Conv2D(2, 3)(inner(image)))
    rest, scaling = front_layers.left_to_host(model)
    assert len(scaling.steps) == 1
    assert [type(layer).__name__ for layer in rest.layers] == ["InputLayer", "Conv2D"]
