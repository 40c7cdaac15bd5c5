"""Data sets without TensorFlow's tuner."""

import types

import numpy as np
import pytest

from tfpipeline.compat import tf
from tfpipeline.data import iteration, parts
from tfpipeline.training import strategies


def numbers(part=parts.WHOLE):
    return (
        tf.data.Dataset.range(1000)
        .map(
            lambda x: (x * x,), num_parallel_calls=tf.data.AUTOTUNE, deterministic=True
        )
        .batch(8, drop_remainder=True)
        .prefetch(4)
    )


def test_elements_and_their_order_stay():
    untuned = iteration.untuned(numbers()).as_numpy_iterator()
    found = np.concatenate([batch for (batch,) in untuned])
    np.testing.assert_array_equal(found, np.arange(1000) ** 2)


def test_nothing_is_tuned_and_other_options_stay():
    options = tf.data.Options()
    options.deterministic = True
    found = iteration.untuned(numbers().with_options(options)).options()
    assert found.autotune.enabled is False
    assert found.deterministic is True


def test_batches_of_one_device_are_not_tuned():
    shared = strategies.shared(strategies.create("default"), numbers)
    assert shared.options().autotune.enabled is False


@pytest.mark.parametrize("workers", [1, 2])
def test_batches_of_several_devices_are_not_tuned(workers):
    # As TensorFlow's strategies of two devices call it.
    context = tf.distribute.InputContext(num_input_pipelines=workers)
    strategy = types.SimpleNamespace(
        num_replicas_in_sync=2,
        distribute_datasets_from_function=lambda of_worker: of_worker(context),
    )
    shared = strategies.shared(strategy, numbers)
    assert shared.options().autotune.enabled is False
    (first,) = next(shared.as_numpy_iterator())
    np.testing.assert_array_equal(first, np.arange(8 * workers // 2) ** 2)
