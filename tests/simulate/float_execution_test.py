"""Float graphs: the fast kernels against the readable ones, and both against Keras."""

import pathlib

import numpy as np
import pytest

from tests import float_graphs
from tests.readers import keras_networks
from tfpipeline import errors
from tfpipeline.ir import from_tflite, graph
from tfpipeline.readers import from_keras
from tfpipeline.simulate import (
    float_execution,
    float_kernels,
    float_reference_kernels,
)

NETWORKS = float_graphs.every_kind()


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
    # What keeps a state is executed in integers only.
    kinds = {k for k in graph.LAYER_KINDS if not issubclass(k, graph.Stateful)}
    kinds -= {graph.Requantize}
    assert set(float_reference_kernels.KERNELS) == kinds
    assert set(float_kernels.KERNELS) == kinds
    tested = {type(layer) for g in NETWORKS.values() for layer in g.layers}
    assert tested == kinds
    functions = set(graph.ACTIVATION_FUNCTIONS)
    assert set(float_kernels.FUNCTIONS) == functions
    assert set(float_reference_kernels.FUNCTIONS) == functions


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
