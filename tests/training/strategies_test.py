"""Strategies by name, and networks on their devices."""

import numpy as np
import pytest

from tfpipeline import errors
from tfpipeline.compat import keras, tf
from tfpipeline.training import strategies


def _network() -> keras.Model:
    return keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])


def test_an_unknown_name_lists_the_choices():
    with pytest.raises(errors.UsageError, match="default, mirrored, multi_worker"):
        strategies.create("tpu")


def test_one_process_is_the_chief():
    strategy = strategies.create("default")
    assert strategy.num_replicas_in_sync == 1
    assert strategies.is_chief(strategy)


def test_on_one_device_a_network_is_taken_as_it_is():
    network = _network()

    def build():
        raise AssertionError

    assert strategies.distributed(strategies.create("default"), network, build) is (
        network
    )


def test_on_several_devices_a_copy_has_the_same_weights(monkeypatch):
    strategy = tf.distribute.MirroredStrategy(["CPU:0"])
    monkeypatch.setattr(
        tf.distribute.MirroredStrategy, "num_replicas_in_sync", property(lambda _: 2)
    )
    network = _network()
    copy = strategies.distributed(strategy, network, _network)
    assert copy is not network
    for left, right in zip(network.get_weights(), copy.get_weights(), strict=True):
        np.testing.assert_array_equal(left, right)
