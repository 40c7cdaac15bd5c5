"""tf.distribute strategies by name."""

import contextlib
from collections.abc import Callable, Iterator

from tfpipeline import errors
from tfpipeline.compat import keras, tf
from tfpipeline.data import iteration, parts
from tfpipeline.training import cluster, synchronized

STRATEGIES = ("default", "mirrored", "multi_worker")


def create(name: str) -> tf.distribute.Strategy:
    """The strategy called `name`.

    `default` uses one device; `mirrored` all GPUs of this machine (or all logical CPU
    devices); `multi_worker` the workers of the TF_CONFIG environment variable, which
    must be set before the program starts, with one process a worker and a workdir that
    all of them see.

    Raises:
        UsageError: an unknown name, or a TF_CONFIG that is none.
        TrainingError: the workers do not find each other.
    """
    if name == "default":
        return tf.distribute.get_strategy()
    if name == "mirrored":
        kind = "GPU" if tf.config.list_logical_devices("GPU") else "CPU"
        devices = [device.name for device in tf.config.list_logical_devices(kind)]
        return _repeatable(tf.distribute.MirroredStrategy(devices))
    if name == "multi_worker":
        return _repeatable(_of_workers(cluster.read()))
    raise errors.UsageError(
        f"strategy must be one of {', '.join(STRATEGIES)}. Received: {name}"
    )


def _repeatable(strategy: tf.distribute.Strategy) -> tf.distribute.Strategy:
    """The strategy, under which a run gives the same bits in every process.

    TensorFlow's arithmetic optimization adds several terms in an order that differs
    from process to process (2.21; of three runs of two workers one had other last
    digits), once the statistics of a batch are sums of its graph (`synchronized`). One
    device has them in one kernel.
    """
    if strategy.num_replicas_in_sync > 1:
        tf.config.optimizer.set_experimental_options({"arithmetic_optimization": False})
    return strategy


def _of_workers(known: cluster.Cluster) -> tf.distribute.Strategy:
    try:
        return tf.distribute.MultiWorkerMirroredStrategy()
    except RuntimeError as error:
        raise errors.UsageError(
            "--strategy=multi_worker is for the first training of a process: start "
            "another one"
        ) from error
    except tf.errors.OpError as error:
        raise errors.TrainingError(
            f"{known.job} {known.index} cannot join the {known.workers} workers of "
            f"{cluster.VARIABLE} at {known.own}: {errors.one_line(error.message, 150)}"
        ) from error


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


def as_one(strategy: tf.distribute.Strategy, model: keras.Model) -> keras.Model:
    """A network that normalizes by the whole batch; on a single device, `model` itself.

    Args:
        strategy: devices.
        model: built under its scope.
    """
    if strategy.num_replicas_in_sync == 1:
        return model
    with strategy.scope():
        return synchronized.synchronized(model)


def shared(
    strategy: tf.distribute.Strategy,
    batches: Callable[[parts.Part], tf.data.Dataset],
) -> tf.data.Dataset:
    """Batches whose rows the devices share in their order; each worker makes its own.

    Args:
        strategy: devices.
        batches: part of each batch -> data set, see task.Epoch.
    """
    replicas = strategy.num_replicas_in_sync
    if replicas == 1:
        return iteration.untuned(batches(parts.WHOLE))

    def of_worker(context: tf.distribute.InputContext) -> tf.data.Dataset:
        workers = context.num_input_pipelines
        own = batches(parts.Part(context.input_pipeline_id, workers))
        local = replicas // workers

        def split(*batch: tf.Tensor) -> tf.data.Dataset:
            def by_device(rows: tf.Tensor) -> tf.Tensor:
                each = rows.shape[0] // local
                return tf.reshape(rows, (local, each, *rows.shape[1:]))

            return tf.data.Dataset.from_tensor_slices(
                tf.nest.map_structure(by_device, batch)
            )

        return iteration.untuned(own if local == 1 else own.flat_map(split))

    return strategy.distribute_datasets_from_function(of_worker)


@contextlib.contextmanager
def together(strategy: tf.distribute.Strategy, stage: str) -> Iterator[None]:
    """What the workers do together; one that is left alone ends with a line.

    Raises:
        TrainingError: another worker is gone.
    """
    try:
        yield
    except tf.errors.OpError as error:
        lost = (tf.errors.UnavailableError, tf.errors.AbortedError)
        if strategy.cluster_resolver is None or not isinstance(error, lost):
            raise
        raise errors.TrainingError(
            f"{stage} training: another worker is gone "
            f"({errors.one_line(error.message, 120)}). Start all of them again with "
            "the same command; they go on from the last checkpoint"
        ) from error
