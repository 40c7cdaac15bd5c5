"""Batch normalization over several devices: as one device does with the whole batch."""

import numpy as np
import pytest

from tfpipeline.compat import keras, tf
from tfpipeline.training import synchronized


def _network(rank) -> keras.Model:
    shape = (3, 2, 4)[3 - rank :]
    norm = keras.layers.BatchNormalization(momentum=0.5, name="norm")
    return keras.Sequential([keras.Input(shape), norm])


class _Halves:
    """What two replicas have of each other, played by hand."""

    num_replicas_in_sync = 2

    def __init__(self, others):
        self.others = iter(others)

    def all_reduce(self, operation, value):
        assert operation == tf.distribute.ReduceOp.MEAN
        return (value + next(self.others)) / 2


@pytest.mark.parametrize("rank", [1, 3])
def test_half_a_batch_is_normalized_as_the_whole(rank, monkeypatch):
    network = _network(rank)
    copy = synchronized.synchronized(network)
    layer = copy.get_layer("norm")
    assert type(layer) is synchronized.BatchNormalization
    batch = np.random.default_rng(0).normal(3, 2, (6, *network.input_shape[1:]))
    batch = batch.astype(np.float32)
    axes = tuple(range(batch.ndim - 1))
    mean = batch.mean(axes, keepdims=True)
    other = batch[3:]
    context = _Halves(
        (
            other.mean(axes, keepdims=True),
            np.square(other - mean).mean(axes, keepdims=True),
        )
    )
    expected = network(batch, training=True).numpy()
    monkeypatch.setattr(tf.distribute, "get_replica_context", lambda: context)
    found = copy(batch[:3], training=True).numpy()
    # Sums in another order: a few units in the last place of values up to 4.
    np.testing.assert_allclose(found, expected[:3], rtol=1e-5, atol=1e-5)
    for left, right in zip(copy.get_weights(), network.get_weights(), strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-5, atol=1e-6)


def test_inner_networks_and_weights_are_copied():
    inner = keras.Sequential(
        [keras.Input((2,)), keras.layers.BatchNormalization(name="norm")], name="inner"
    )
    network = keras.Sequential([keras.Input((2,)), inner, keras.layers.Dense(1)])
    weights = [np.full_like(each, n + 1) for n, each in enumerate(inner.get_weights())]
    inner.set_weights(weights)
    copy = synchronized.synchronized(network)
    assert type(copy.get_layer("inner").get_layer("norm")) is (
        synchronized.BatchNormalization
    )
    for left, right in zip(copy.get_weights(), network.get_weights(), strict=True):
        np.testing.assert_array_equal(left, right)


def test_a_network_without_is_taken_as_it_is():
    network = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    assert synchronized.synchronized(network) is network
