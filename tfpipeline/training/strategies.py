"""tf.distribute strategies by name."""

from collections.abc import Callable

from tfpipeline import errors
from tfpipeline.compat import keras, tf

STRATEGIES = ("default", "mirrored", "multi_worker")


def create(name: str) -> tf.distribute.Strategy:
    """The strategy called `name`.

    `default` uses one device; `mirrored` all GPUs of this machine (or all logical CPU
    devices); `multi_worker` the workers of the TF_CONFIG environment variable, which
    must be set before the program starts, with one process a worker and a workdir that
    all of them see.

    Raises:
        UsageError: an unknown name.
    """
    if name == "default":
        return tf.distribute.get_strategy()
    if name == "mirrored":
        kind = "GPU" if tf.config.list_logical_devices("GPU") else "CPU"
        devices = [device.name for device in tf.config.list_logical_devices(kind)]
        return tf.distribute.MirroredStrategy(devices)
    if name == "multi_worker":
        return tf.distribute.MultiWorkerMirroredStrategy()
    raise errors.UsageError(
        f"strategy must be one of {', '.join(STRATEGIES)}. Received: {name}"
    )


def is_chief(strategy: tf.distribute.Strategy) -> bool:
    """True for the one process that writes files."""
    resolver = strategy.cluster_resolver
    if resolver is None or not resolver.task_type:
        return True
    if resolver.task_type == "chief":
        return True
    has_chief = "chief" in resolver.cluster_spec().jobs
    return resolver.task_type == "worker" and resolver.task_id == 0 and not has_chief


def distributed(
    strategy: tf.distribute.Strategy,
    model: keras.Model,
    build: Callable[[], keras.Model],
) -> keras.Model:
    """A copy of `model` on all devices of `strategy`; on a single one, itself.

    Args:
        strategy: devices.
        model: built outside of its scope.
        build: makes a network of the same structure.
    """
    if strategy.num_replicas_in_sync == 1:
        return model
    with strategy.scope():
        copy = build()
        copy.set_weights(model.get_weights())
    return copy
