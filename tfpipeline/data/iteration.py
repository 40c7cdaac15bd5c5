"""How TensorFlow's data sets are gone through."""

from tfpipeline.compat import tf


def untuned(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """The same elements in the same order, without TensorFlow's tuner of pipelines.

    An iterator waits at its end for the tuner's thread, which sleeps 10 ms, then twice
    as long each time, up to a minute, and now and then misses the call to stop
    (TensorFlow 2.21): an epoch of 42 s took 83. Parallel maps have as many threads as
    the machine has cores instead.

    Args:
        dataset: any, of a distribution strategy's workers too.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options)
