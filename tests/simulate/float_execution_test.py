"""Float graphs: the fast kernels against the readable ones, and both against Keras."""

import dataclasses
import pathlib

import numpy as np
import pytest

from export.tflite import from_graph
from tests import float_graphs, graph_builder
from tests.readers import keras_networks
from tests.simulate import micro
from tfpipeline import errors
from tfpipeline.ir import from_tflite, graph, verify
from tfpipeline.readers import from_keras
from tfpipeline.simulate import (
    float_execution,
    float_kernels,
    float_reference_kernels,
)

RECURRENT = float_graphs.recurrent()
NETWORKS = float_graphs.every_kind() | RECURRENT


@pytest.mark.parametrize("name", NETWORKS)
def test_fast_kernels_equal_the_readable_ones(name):
    g = NETWORKS[name]
    images = float_graphs.images(g, 2)
    fast = float_execution.activations(g, images)
    for index, image in enumerate(images):
        slow = float_execution.activations(
            g, image[np.newaxis], float_reference_kernels.KERNELS
        )
        for tensor, values in slow.items():
            # Sums of at most a few hundred float64 in another order.
            np.testing.assert_allclose(
                fast[tensor][[index]], values, rtol=1e-12, atol=1e-13, err_msg=tensor
            )


def test_every_kind_has_kernels_and_is_tested():
    kinds = set(graph.LAYER_KINDS) - {graph.Requantize}
    assert set(float_reference_kernels.KERNELS) == kinds
    assert set(float_kernels.KERNELS) == kinds
    tested = {type(layer) for g in NETWORKS.values() for layer in g.layers}
    assert tested == kinds
    functions = set(graph.ACTIVATION_FUNCTIONS)
    assert set(float_kernels.FUNCTIONS) == functions
    assert set(float_reference_kernels.FUNCTIONS) == functions


@pytest.mark.default_cases(14)
@pytest.mark.parametrize("name", keras_networks.CONVERTED)
def test_results_are_those_of_keras(name):
    model = keras_networks.randomized(keras_networks.CONVERTED[name]())
    g = from_keras.read(model)
    images = float_graphs.images(g, 3)
    expected = model(images).numpy()
    found = float_execution.predict(g, images)
    # Keras adds in float32, whose sums here have up to 150 terms of one size.
    limit = 2e-5 * np.abs(expected).max()
    np.testing.assert_allclose(found, expected, rtol=2e-5, atol=limit)


@pytest.mark.parametrize("name", RECURRENT)
def test_layers_that_keep_a_state_are_those_of_tflite_micro(name):
    g = RECURRENT[name]
    images = float_graphs.images(g, 3)
    (expected,) = micro.run(from_graph.to_bytes(g), [images], 1)
    found = float_execution.predict(g, images)
    assert len(np.unique(expected.round(3))) > 4
    # It computes in float32.
    np.testing.assert_allclose(found, expected, atol=2e-6)


@pytest.mark.slow
def test_an_lstm_is_that_of_keras():
    model = keras_networks.CONVERTED["recurrent"]()
    random = np.random.default_rng(5)
    shapes = [values.shape for values in model.get_weights()]
    # So that neither cells nor gates are close to their bounds.
    model.set_weights([random.normal(0, 0.7, s).astype(np.float32) for s in shapes])
    g = from_keras.read(model)
    images = 2 * float_graphs.images(g, 4)
    expected = model(images).numpy()
    assert expected.std() > 0.1
    np.testing.assert_allclose(
        float_execution.predict(g, images), expected, rtol=2e-5, atol=2e-6
    )


def test_rows_of_another_first_axis_are_not_taken_for_images():
    net = graph_builder.Builder((5, 4))
    net.lstm(6)
    g = float_graphs.randomized(net.build())
    (layer,) = g.layers
    states = {n: dataclasses.replace(g.tensors[n], shape=(5, 6)) for n in layer.states}
    g = dataclasses.replace(
        g,
        layers=(dataclasses.replace(layer, time_major=True),),
        tensors={**g.tensors, **states},
    )
    images = float_graphs.images(verify.require(g), 3)
    together = float_execution.predict(g, images)
    for image, found in zip(images, together, strict=True):
        alone = float_execution.predict(g, image[np.newaxis])
        np.testing.assert_array_equal(alone[0], found)


def test_batches_do_not_matter():
    g = float_graphs.small_network()
    images = float_graphs.images(g, float_execution.BATCH_SIZE + 3)
    found = float_execution.predict(g, images)
    assert found.shape == (len(images), 5)
    alone = float_execution.predict(g, images[-1:])
    # BLAS adds up in another order for another number of rows.
    np.testing.assert_allclose(found[-1:], alone, rtol=1e-12)


def test_what_does_not_fit_is_refused():
    g = float_graphs.small_network()
    images = float_graphs.images(g, 2)
    for wrong in (images[:, 1:], images.astype(np.int8), images[..., :1]):
        with pytest.raises(errors.UsageError, match="must be real numbers of shape"):
            float_execution.predict(g, wrong)
    with pytest.raises(errors.UsageError, match="at least one image"):
        float_execution.predict(g, images[:0])
    root = pathlib.Path(__file__).parents[2]
    golden = root / "tests/golden/tflite_int8/plain_ptq.tflite"
    with pytest.raises(errors.GraphError, match="is int8"):
        float_execution.predict(from_tflite.read_file(golden), images)
