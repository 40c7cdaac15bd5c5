"""The stages of a classifier: float training, then quantization-aware.

Each number format has a quantization-aware stage of its own, all from the same float
network. The schedule is the face-classification study's: train in float until the
validation loss stops improving (best epoch E), start QAT from the weights of epoch E
with the learning rate divided by 10, stop early again (best network N).
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from tfpipeline import flags as flags_lib
from tfpipeline import run_folder
from tfpipeline.compat import keras, tf
from tfpipeline.data import augmentation, pipeline, splits
from tfpipeline.keras_networks import batch_norm_folding
from tfpipeline.models import registry
from tfpipeline.training import kept_stages, loop, optimizers, precision, strategies
from tfpipeline.training import scheme as schemes
from tfpipeline.training.tasks import classification


def set_up_tensorflow(seed: int) -> None:
    """Makes everything that follows repeatable on this machine."""
    tf.config.experimental.enable_op_determinism()
    # Dropout then draws from generators that the loop can restart at each epoch.
    keras.backend.experimental.enable_tf_random_generator()
    keras.utils.set_random_seed(seed)


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
) -> kept_stages.Trained:
    """Float training, resumed or already done where the folder says so.

    Args:
        config: of the run.
        dataset: of the run.
        folder: of the run.
        strategy: devices.
        epochs: at most this many.
    """
    done = kept_stages.find(folder, kept_stages.FLOAT)
    if done is not None:
        return done
    chosen = precision.resolve(config.precision)
    with strategy.scope():
        model, twin = precision.with_twin(
            lambda number_format: build(config, dataset, number_format), chosen
        )
    stage = loop.StageConfig(
        name=kept_stages.FLOAT,
        epochs=epochs,
        optimizer=_optimizer(config),
        patience=config.early_stopping_patience,
        seed=config.seed * 10 + 1,
    )
    task = classification.task(stage, _recipe(config), dataset, model, evaluated=twin)
    return kept_stages.train(
        stage,
        model,
        task,
        folder,
        strategy,
        rebuild=lambda: build(config, dataset, "float32"),
    )


def train_qat(
    config: flags_lib.RunConfig,
    dataset: splits.Dataset,
    folder: run_folder.RunFolder,
    strategy: tf.distribute.Strategy,
    trained: kept_stages.Trained,
    stage_name: str,
    scheme: schemes.Scheme,
    earlier: Sequence[kept_stages.Trained] = (),
) -> kept_stages.Trained:
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
    done = kept_stages.find(folder, stage_name)
    if done is not None:
        return done
    _, calibration = calibration_images(config, dataset)
    folded = batch_norm_folding.fold(trained.model)
    prepared = scheme.prepare(folded, calibration)
    model = strategies.distributed(strategy, prepared, lambda: scheme.build(folded))
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
        optimizer=optimizer,
        patience=config.qat_early_stopping_patience,
        seed=config.seed * 10 + 2,
    )
    task = classification.task(
        stage, _recipe(config), dataset, model, after_epoch=scheme.after_epoch
    )
    return kept_stages.train(
        stage,
        model,
        task,
        folder,
        strategy,
        rebuild=lambda: prepared,
        earlier=tuple(
            record for stage in (trained, *earlier) for record in stage.history
        ),
    )


def build(
    config: flags_lib.RunConfig, dataset: splits.Dataset, number_format: str
) -> keras.Model:
    """The network of `config` with fresh weights, for the images of `dataset`."""
    with precision.computing_in(number_format):
        return registry.build(
            config.model,
            input_shape=dataset.image_shape,
            num_classes=dataset.num_classes,
            batch_norm=config.batch_norm,
            dropout=config.dropout,
            width=config.width,
        )


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


def _recipe(config: flags_lib.RunConfig) -> classification.Config:
    return classification.Config(
        batch_size=config.batch_size,
        augmentation=augmentation.Augmentation(
            random_crop=config.random_crop,
            horizontal_flip=config.horizontal_flip,
            rotation=config.rotation,
            color_jitter=config.color_jitter,
            gaussian_noise=config.gaussian_noise,
            normalize=config.normalize,
        ),
        label_smoothing=config.label_smoothing,
    )
