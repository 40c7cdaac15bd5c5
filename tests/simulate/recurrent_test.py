"""Layers that keep a state, against TensorFlow Lite Micro."""

import numpy as np
import pytest

from tests import recurrent
from tests.simulate import micro
from tfpipeline.ir import from_tflite, graph
from tfpipeline.simulate import execution, support

CASES = {
    "int8": recurrent.lstm(),
    "int16": recurrent.lstm("int16"),
    "clipped": recurrent.lstm(clip=0.75),
    "one row, rows first": recurrent.lstm(rows=1, batch=3, time_major=True),
    "fine cell": recurrent.lstm(power=-14, clip=1.5),
    "coarse cell": recurrent.lstm("int16", power=-9),
    "svdf": recurrent.svdf(),
    "svdf of int8": recurrent.svdf("int8", rank=1),
    "svdf of one moment": recurrent.svdf(moments=1),
}


@pytest.mark.parametrize("name", CASES)
def test_bit_exact(name):
    model = CASES[name]
    g = from_tflite.read(model)
    assert support.reasons(g) == []
    inputs = micro.random_inputs(g, 4)

    (expected,) = micro.run(model, inputs, 1)

    assert len(np.unique(expected)) > 8
    for readable in (False, True):
        (found,) = execution.run(g, inputs, readable=readable)
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("seed", range(8))
def test_random_scales_are_bit_exact(seed):
    random = np.random.default_rng(seed)
    model = recurrent.lstm(
        ("int8", "int16")[seed % 2],
        rows=int(random.integers(1, 7)),
        channels=int(random.integers(1, 9)),
        units=int(random.integers(1, 9)),
        clip=float(random.choice([0.0, 0.3, 2.0])),
        power=int(random.integers(-15, -7)),
        seed=seed,
    )
    g = from_tflite.read(model)
    inputs = micro.random_inputs(g, 8, seed)
    (expected,) = micro.run(model, inputs, 1)
    for readable in (False, True):
        (found,) = execution.run(g, inputs, readable=readable)
        np.testing.assert_array_equal(found, expected)


def test_each_image_begins_with_the_first_state():
    g = from_tflite.read(CASES["int8"])
    (images,) = micro.random_inputs(g, 5)
    together = execution.predict(g, images)
    for i, image in enumerate(images):
        np.testing.assert_array_equal(execution.predict(g, image[None])[0], together[i])


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (recurrent.svdf(activation=1), "leaves out its activation"),
        (recurrent.svdf(state_zero=9), "state of int16 must be 0"),
        (recurrent.lstm(power=3), "must be a power of two"),
    ],
)
def test_what_is_computed_otherwise_is_refused(model, reason):
    (found,) = support.reasons(from_tflite.read(model))
    assert reason in found


def test_states_are_of_one_layer():
    g = from_tflite.read(CASES["svdf"])
    (layer,) = g.layers
    assert graph.state_names(layer) == ("state",)
    assert graph.equal(g, g, names=False)
