"""The largest value of a plane: as a pool it is the same, and the chips run it."""

import numpy as np
import pytest

from tests import graph_builder
from tests.ir import tflite_models as models
from tests.simulate import micro
from tfpipeline.cost import estimate
from tfpipeline.ir import from_tflite, global_pools, graph, verify
from tfpipeline.simulate import execution
from tfpipeline.targets import catalog

CASES = {
    "line": ((1, 15, 6), [1], (1, 6)),
    "line, kept": ((1, 15, 6), [-2], (1, 1, 6)),
    "plane of a batch": ((1, 5, 4, 3), [2, 1], (1, 3)),
}


def _largest(case):
    shape, axes, result = CASES[case]
    source = models.Value(shape, zero_point=-7)
    return models.one_operator(
        "REDUCE_MAX",
        [source, models.integers(axes)],
        models.Value(result, zero_point=-7),
        models.schema.ReducerOptionsT(keepDims=len(result) == len(shape)),
    )


@pytest.mark.parametrize("case", CASES)
def test_same_integers_as_tflite_micro(case):
    model = _largest(case)
    g = global_pools.as_pools(from_tflite.read(model))
    assert verify.violations(g) == ()
    assert g.layers[0].kind == "MaxPool"
    images = micro.random_images(g, 8)
    expected = micro.predict(model, images)
    np.testing.assert_array_equal(execution.predict(g, images), expected)
    np.testing.assert_array_equal(execution.predict_readable(g, images), expected)


def test_part_of_a_plane_and_the_smallest_value_stay():
    source = models.Value((1, 5, 4, 3))
    for name, axes, shape in (("MAX", [1], (1, 4, 3)), ("MIN", [1, 2], (1, 3))):
        inputs = [source, models.integers(axes)]
        model = models.one_operator(f"REDUCE_{name}", inputs, models.Value(shape))
        g = from_tflite.read(model)
        assert global_pools.as_pools(g) is g


def _line(*, reduced):
    """A convolution of a line and its largest value, as a file or as Keras has it."""
    net = graph_builder.Builder((16, 4))
    net.conv(8)
    if reduced:
        net.reduce(axes=(1,))
    else:
        net.pool((16,), kind=graph.MaxPool)
        net.flatten()
    net.dense(3)
    return net.build()


@pytest.mark.parametrize("target", ["max78000", "max78002", "gap8"])
def test_chips_say_the_same_of_both_ways_in(target):
    one, other = (
        catalog.TARGETS[target].estimate(_line(reduced=reduced), estimate.Options())
        for reduced in (True, False)
    )
    assert one.violations == other.violations
    assert not any("ReduceMax" in each for each in one.violations)
    assert one.latency == other.latency
    assert one.totals == other.totals
