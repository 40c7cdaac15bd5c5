"""Keras networks in the layers of the GAP8, from behind a Rescaling."""

import numpy as np

from tfpipeline.compat import keras
from tfpipeline.ir import graph
from tfpipeline.post_training import float_network, gap8, gap8_network, input_range
from tfpipeline.readers import from_keras
from tfpipeline.simulate import float_execution
from tfpipeline.targets.gap8 import simulate

layers = keras.layers


def strange():
    """What the chip lacks: a Rescaling, a PReLU, a normalization of its own."""
    keras.utils.set_random_seed(5)
    source = keras.Input((8, 8, 3))
    x = layers.Rescaling(1 / 127.5, -1, name="scaled")(source)
    x = layers.Conv2D(4, 3, padding="same")(x)
    x = layers.PReLU("glorot_uniform", shared_axes=[1, 2])(x)
    x = layers.MaxPooling2D()(x)
    x = layers.BatchNormalization()(x)
    return keras.Model(source, layers.Dense(5)(layers.Flatten()(x)), name="strange")


def test_the_network_and_its_integers_are_the_models():
    model = strange()
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (12, 8, 8, 3)).astype(np.float32)
    given = float_network.FloatNetwork(
        from_keras.read(model),
        pixels,
        input_range.NAMED[input_range.PIXELS],
        model=model,
    )
    found, scaling = gap8_network.rewritten(given)
    (step,) = scaling.steps
    assert (step.scale, step.offset) == (1 / 127.5, -1)
    (note,) = scaling.notes
    assert "'scaled' is left to the host" in note
    assert found.inputs.min() >= -1
    assert found.inputs.max() <= 1
    np.testing.assert_array_equal(found.inputs, scaling.of(pixels))
    assert not any(isinstance(x, graph.PRelu) for x in found.graph.layers)
    expected = model(pixels).numpy()
    real = float_execution.predict(found.graph, found.inputs)
    np.testing.assert_allclose(real, expected, atol=1e-5)
    _, p = gap8.quantized(found, 16)
    integers = simulate.predict(p, simulate.quantize_images(p, found.inputs))
    step = 2.0 ** -p.tensors[p.outputs[0]].q
    values = integers.reshape(len(integers), -1) * step
    assert np.abs(values - expected).max() < 0.005 * np.abs(expected).max()
