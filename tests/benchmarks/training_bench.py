"""Training speed as ratios within one run; machines are noisy, so rounds alternate.

    python -m tests.benchmarks.training_bench

For each network: the driver's loop in float and in QAT, against a bare `model.fit` on
a preloaded array in the same process, against the same loop on data that are streamed
from the disk (goal: 0.95), against the same loop on preloaded batches (what
the input pipeline costs), and against `model.fit` in a process that leaves TensorFlow's
own settings alone.
"""

import contextlib
import dataclasses
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from unittest import mock

import numpy as np

from tfpipeline.compat import keras, tf
from tfpipeline.configs import recipe
from tfpipeline.data import pipeline, splits
from tfpipeline.data.preprocessing import SIGNED
from tfpipeline.keras_networks import batch_norm_folding
from tfpipeline.models import registry
from tfpipeline.quantization.tflite import int8 as tflite_int8
from tfpipeline.training import loop, precision, stages
from tfpipeline.training.tasks import supervised

NETWORKS = ("cmsisnet", "nascifarnet")
BATCH = 128
STEPS = 30
ROUNDS = 2
# The first epoch traces and warms up; the second counts.
EPOCHS = 2


class _Silent:
    """Takes the place of progress.Progress."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *args, **kwargs: None


def _split(count: int) -> splits.Split:
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (count, 32, 32, 3), np.uint8)
    return splits.Split(images, generator.integers(0, 10, count, np.int32))


def _dataset() -> splits.Dataset:
    train, small = _split(BATCH * STEPS), _split(BATCH)
    positions = np.arange(1)
    classes = tuple("0123456789")
    return splits.Dataset("bench", classes, train, small, small, positions, positions)


@contextlib.contextmanager
def _streamed(dataset: splits.Dataset) -> Iterator[splits.Dataset]:
    """The same, its train split on the disk, as sets larger than memory are kept."""
    inputs = dataset.train.inputs
    with tempfile.NamedTemporaryFile() as file:
        inputs.tofile(file)
        file.flush()
        stored = np.memmap(file.name, inputs.dtype, "r", shape=inputs.shape)
        train = splits.Split(stored, dataset.train.targets)
        yield dataclasses.replace(dataset, train=train)


def _streamed_loop_speed(model: keras.Model, dataset: splits.Dataset) -> float:
    with _streamed(dataset) as streamed:
        return _loop_speed(model, streamed)


def _loop_speed(model: keras.Model, dataset: splits.Dataset) -> float:
    stage = loop.StageConfig(
        name="bench",
        epochs=EPOCHS,
        optimizer=recipe.Optimizer(name="sgd", learning_rate=1e-3),
        patience=0,
        seed=0,
    )
    config = supervised.Config(
        batch_size=BATCH,
        augmentation=recipe.Augmentation(random_crop=4, horizontal_flip=True),
    )
    with tempfile.TemporaryDirectory() as folder:
        result = loop.train(
            stage,
            model,
            supervised.task(stage, config, dataset, model),
            strategy=tf.distribute.get_strategy(),
            folder=pathlib.Path(folder),
            reporter=_Silent(),
        )
    return max(record["images_per_second"] for record in result.history[1:])


def _preloaded_loop_speed(model: keras.Model, dataset: splits.Dataset) -> float:
    shape = (STEPS, BATCH)
    images = SIGNED.real(dataset.train.inputs)
    batches = tf.data.Dataset.from_tensor_slices(
        (
            images.reshape(*shape, *images.shape[1:]),
            dataset.train.targets.reshape(shape),
        )
    )
    with mock.patch.object(pipeline, "training_batches", lambda *a, **k: batches):
        return _loop_speed(model, dataset)


class _EpochTimes(keras.callbacks.Callback):
    def on_train_begin(self, logs=None):
        self.seconds = []

    def on_epoch_begin(self, epoch, logs=None):
        self._started = time.monotonic()

    def on_epoch_end(self, epoch, logs=None):
        self.seconds.append(time.monotonic() - self._started)


def _fit_speed(model: keras.Model, dataset: splits.Dataset) -> float:
    times = _EpochTimes()
    model.compile(
        keras.optimizers.SGD(1e-3, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        ["accuracy"],
    )
    model.fit(
        SIGNED.real(dataset.train.inputs),
        dataset.train.targets,
        batch_size=BATCH,
        epochs=EPOCHS,
        verbose=0,
        callbacks=[times],
    )
    return len(dataset.train) / min(times.seconds[1:])


def _plain_fit_speed(network: str) -> float:
    """`model.fit` in a fresh process without this package's TensorFlow settings."""
    environment = {**os.environ, "TF_ENABLE_ONEDNN_OPTS": ""}
    del environment["TF_ENABLE_ONEDNN_OPTS"]
    code = (
        "import os; os.environ['TF_USE_LEGACY_KERAS'] = '1';"
        # An empty value counts as TensorFlow's default and stops compat's own.
        "os.environ['TF_ENABLE_ONEDNN_OPTS'] = '';"
        "from tests.benchmarks import training_bench as b;"
        f"print(b._fit_speed(b.registry.build({network!r}), b._dataset()))"
    )
    done = subprocess.run(
        (sys.executable, "-c", code),
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    return float(done.stdout.split()[-1])


def _build(network: str, number_format: str = "float32") -> keras.Model:
    keras.mixed_precision.set_global_policy(precision.policy(number_format))
    model = registry.build(network)
    keras.mixed_precision.set_global_policy("float32")
    return model


def _qat(network: str) -> keras.Model:
    folded = batch_norm_folding.fold(_build(network))
    return tflite_int8.prepare_qat(folded, SIGNED.real(_split(16).inputs))


def run(network: str) -> list[str]:
    """Measures one network; returns the lines of its table."""
    dataset = _dataset()
    cases: dict[str, Callable[[], float]] = {
        "float, our loop": lambda: _loop_speed(_build(network), dataset),
        "float, our loop, data on the disk": lambda: _streamed_loop_speed(
            _build(network), dataset
        ),
        "float, our loop on preloaded batches": lambda: _preloaded_loop_speed(
            _build(network), dataset
        ),
        "float, model.fit on an array": lambda: _fit_speed(_build(network), dataset),
        "float, model.fit, TensorFlow's own settings": lambda: _plain_fit_speed(
            network
        ),
        "QAT, our loop": lambda: _loop_speed(_qat(network), dataset),
        "QAT, model.fit on an array": lambda: _fit_speed(_qat(network), dataset),
    }
    if precision.has_bfloat16():
        cases["bfloat16, our loop"] = lambda: _loop_speed(
            _build(network, "bfloat16"), dataset
        )
    speeds: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(ROUNDS):
        for name, measure in cases.items():
            keras.backend.clear_session()
            speeds[name].append(measure())
    ours = speeds["float, our loop"]
    lines = [f"{network}, batch {BATCH}, {ROUNDS} alternating rounds"]
    for name, values in speeds.items():
        ratios = [value / one for value, one in zip(values, ours, strict=True)]
        lines.append(
            f"  {name:45s}{statistics.median(values):7.0f} images/s"
            f"  ratio to our float loop {statistics.median(ratios):.2f}"
            f" ({min(ratios):.2f}..{max(ratios):.2f})"
        )
    if not precision.has_bfloat16():
        lines.append("  bfloat16: not measured, this processor has none")
    return lines


def main() -> None:
    """Prints the tables of all networks."""
    stages.set_up_tensorflow(0)
    for network in NETWORKS:
        print("\n".join(run(network)), flush=True)


if __name__ == "__main__":
    main()
