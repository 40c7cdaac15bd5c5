"""The training stages as resumable steps: float, then quantization-aware.

Each number format has a quantization-aware stage of its own, all from the same float
network. The schedule is the face-classification study's: train in float until the
validation loss stops improving (best epoch E), start QAT from the weights of epoch E
with the learning rate divided by 10, stop early again (best network N).
"""

import dataclasses
import pathlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tfpipeline import atomic_files, errors, run_folder
from tfpipeline import flags as flags_lib
from tfpipeline.compat import keras, tf
from tfpipeline.data import augmentation, pipeline, splits
from tfpipeline.keras_networks import batch_norm_folding
from tfpipeline.models import registry
from tfpipeline.quantization import storage
from tfpipeline.training import loop, optimizers, precision, progress, strategies
from tfpipeline.training import scheme as schemes

FLOAT = "float"


@dataclasses.dataclass(frozen=True, eq=False)
class Trained:
    """The best network of a stage.

    Attributes:
        model: float32, with the weights of `best_epoch`.
        best_epoch: counted from 1.
        history: one record an epoch.
        stage: its name.
    """

    model: keras.Model
    best_epoch: int
    history: tuple[dict[str, Any], ...]
    stage: str = FLOAT

    @property
    def seconds(self) -> float:
        """Wall time of all epochs, validation included."""
        return sum(record["seconds"] for record in self.history)


def set_up_tensorflow(seed: int) -> None:
    """Makes everything that follows repeatable on this machine."""
    tf.config.experimental.enable_op_determinism()
    # Dropout then draws from generators that the loop can restart at each epoch.
    keras.backend.experimental.enable_tf_random_generator()
    keras.utils.set_random_seed(seed)


def float_augmentation(config: flags_lib.RunConfig) -> augmentation.Augmentation:
    """The augmentation that the flags ask for."""
    return augmentation.Augmentation(
        random_crop=config.random_crop,
        horizontal_flip=config.horizontal_flip,
        rotation=config.rotation,
        color_jitter=config.color_jitter,
        gaussian_noise=config.gaussian_noise,
        normalize=config.normalize,
    )


def calibration_images(
    config: flags_lib.RunConfig, dataset: splits.Dataset
) -> tuple[np.ndarray, np.ndarray]:
    """Positions in dataset.train and the network inputs (float32) that calibrate."""
    positions = splits.calibration_indices(
        len(dataset.train), config.calibration_images, config.seed
    )
    images = dataset.train.images[positions]
    return positions, pipeline.normalized(images, config.normalize)


def train_float(
    config: flags_lib.RunConfig,
    dataset: splits.Dataset,
    folder: run_folder.RunFolder,
    strategy: tf.distribute.Strategy,
    epochs: int,
) -> Trained:
    """Float training, resumed or already done where the folder says so.

    Args:
        config: of the run.
        dataset: of the run.
        folder: of the run.
        strategy: devices.
        epochs: at most this many.
    """
    done = _finished(folder, FLOAT)
    if done is not None:
        return done
    chosen = precision.resolve(config.precision)
    with strategy.scope():
        evaluation_model = build(config, dataset, "float32")
        model = evaluation_model
        if chosen != "float32":
            model = build(config, dataset, chosen)
            model.set_weights(evaluation_model.get_weights())
    stage = loop.StageConfig(
        name=FLOAT,
        epochs=epochs,
        batch_size=config.batch_size,
        optimizer=_optimizer(config),
        augmentation=float_augmentation(config),
        label_smoothing=config.label_smoothing,
        patience=config.early_stopping_patience,
        seed=config.seed * 10 + 1,
    )
    return _run(
        stage,
        model,
        evaluation_model,
        dataset,
        folder,
        strategy,
        rebuild=lambda: build(config, dataset, "float32"),
    )


def train_qat(
    config: flags_lib.RunConfig,
    dataset: splits.Dataset,
    folder: run_folder.RunFolder,
    strategy: tf.distribute.Strategy,
    trained: Trained,
    stage_name: str,
    scheme: schemes.Scheme,
    earlier: Sequence[Trained] = (),
) -> Trained:
    """Quantization-aware training from the best float weights, resumed likewise.

    Every number format sees the same batches in the same order.

    Args:
        config: of the run.
        dataset: of the run.
        folder: of the run.
        strategy: devices.
        trained: the float network.
        stage_name: of the number format.
        scheme: of the number format.
        earlier: stages between the float network's and this one, for metrics.jsonl.
    """
    done = _finished(folder, stage_name)
    if done is not None:
        return done
    _, calibration = calibration_images(config, dataset)
    folded = batch_norm_folding.fold(trained.model)
    prepared = scheme.prepare(folded, calibration)
    model = prepared
    if strategy.num_replicas_in_sync > 1:
        with strategy.scope():
            model = scheme.build(folded)
            model.set_weights(prepared.get_weights())
    optimizer = _optimizer(config)
    optimizer = dataclasses.replace(
        optimizer,
        name=(
            optimizer.name if config.qat_optimizer == "same" else config.qat_optimizer
        ),
        learning_rate=config.learning_rate / config.qat_learning_rate_divisor,
        schedule=config.qat_learning_rate_schedule,
        warmup_epochs=0.0,
        milestones=(),
    )
    stage = loop.StageConfig(
        name=stage_name,
        epochs=config.qat_epochs,
        batch_size=config.batch_size,
        optimizer=optimizer,
        augmentation=float_augmentation(config),
        label_smoothing=config.label_smoothing,
        patience=config.qat_early_stopping_patience,
        seed=config.seed * 10 + 2,
    )
    return _run(
        stage,
        model,
        model,
        dataset,
        folder,
        strategy,
        rebuild=lambda: prepared,
        earlier=tuple(
            record for stage in (trained, *earlier) for record in stage.history
        ),
        after_epoch=scheme.after_epoch,
    )


def build(
    config: flags_lib.RunConfig, dataset: splits.Dataset, number_format: str
) -> keras.Model:
    """The network of `config` with fresh weights, for the images of `dataset`."""
    keras.mixed_precision.set_global_policy(precision.policy(number_format))
    try:
        return registry.build(
            config.model,
            input_shape=dataset.image_shape,
            num_classes=dataset.num_classes,
            batch_norm=config.batch_norm,
            dropout=config.dropout,
            width=config.width,
        )
    finally:
        keras.mixed_precision.set_global_policy("float32")


def _optimizer(config: flags_lib.RunConfig) -> optimizers.OptimizerConfig:
    return optimizers.OptimizerConfig(
        name=config.optimizer,
        learning_rate=config.learning_rate,
        schedule=config.learning_rate_schedule,
        warmup_epochs=config.warmup_epochs,
        milestones=config.learning_rate_milestones,
        decay=config.learning_rate_decay,
        momentum=config.momentum,
        nesterov=config.nesterov,
        weight_decay=config.weight_decay,
        weight_decay_mode=config.weight_decay_mode,
    )


def _run(
    stage: loop.StageConfig,
    model: keras.Model,
    evaluation_model: keras.Model,
    dataset: splits.Dataset,
    folder: run_folder.RunFolder,
    strategy: tf.distribute.Strategy,
    *,
    rebuild: Callable[[], keras.Model],
    earlier: tuple[dict[str, Any], ...] = (),
    after_epoch: Callable[[keras.Model], None] | None = None,
) -> Trained:
    writes = strategies.is_chief(strategy)
    reporter = progress.Progress(
        folder.root if writes else None, stage.name, stage.epochs, earlier
    )
    result = loop.train(
        stage,
        model,
        evaluation_model,
        dataset,
        strategy=strategy,
        folder=folder.checkpoints(stage.name),
        reporter=reporter,
        after_epoch=after_epoch,
        writes=writes,
    )
    # All workers together read a distributed model's variables, or none can; what the
    # chief alone evaluates and exports is therefore a network outside the strategy.
    best = rebuild()
    best.set_weights(result.best_weights)
    if writes:
        storage.save(best, folder.model(stage.name))
        atomic_files.write_json(
            _history_path(folder, stage.name),
            {"best_epoch": result.best_epoch, "history": result.history},
        )
    return Trained(best, result.best_epoch, result.history, stage.name)


def _finished(folder: run_folder.RunFolder, stage: str) -> Trained | None:
    """The stage's result if an earlier start of this run got that far."""
    path = _history_path(folder, stage)
    if not path.exists():
        return None
    record = atomic_files.read_json(path)
    try:
        history, best_epoch = tuple(record["history"]), record["best_epoch"]
    except (KeyError, TypeError) as error:
        raise errors.StorageError(
            f"{path} is not a stage's history; remove {path.parent} to train it again"
        ) from error
    return Trained(storage.load(folder.model(stage)), best_epoch, history, stage)


def _history_path(folder: run_folder.RunFolder, stage: str) -> pathlib.Path:
    # Written last: its presence says that the stage is complete.
    return folder.model(stage) / "history.json"
