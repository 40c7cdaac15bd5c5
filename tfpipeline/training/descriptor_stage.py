"""The training of a descriptor network as one resumable step of a run."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tfpipeline import atomic_files, errors, run_folder
from tfpipeline import descriptor_flags as flags_lib
from tfpipeline.compat import keras, tf
from tfpipeline.data import augmentation, people, splits
from tfpipeline.models import registry
from tfpipeline.quantization import storage
from tfpipeline.study import verification
from tfpipeline.training import (
    descriptor_heads,
    descriptor_loop,
    evaluation,
    optimizers,
    progress,
    stages,
)

_HISTORY = "history.json"


def training_split(
    config: flags_lib.DescriptorConfig, source: people.People
) -> tuple[np.ndarray, splits.Split]:
    """Positions in `source` that are trained on, and those photographs as classes."""
    positions = people.training_positions(source, config.held_out, config.min_images)
    _, labels = np.unique(source.labels[positions], return_inverse=True)
    return positions, splits.Split(source.images[positions], labels.astype(np.int32))


def calibration_images(
    config: flags_lib.DescriptorConfig, split: splits.Split
) -> np.ndarray:
    """The photographs, uint8 [N, S, S, 1], that set ranges: of nobody held out."""
    chosen = splits.calibration_indices(
        len(split), config.calibration_images, config.seed
    )
    return split.images[chosen]


def pair_distances(
    describe: Callable[[np.ndarray], np.ndarray],
    source: people.People,
    pairs: people.Pairs,
) -> np.ndarray:
    """Squared distances of pairs, by whatever computes descriptors.

    Args:
        describe: uint8 [N, S, S, 1] to descriptors [N, D], float or integer.
        source: the photographs.
        pairs: of positions in them; each photograph is described once.

    Returns:
        [len(pairs)], see verification.squared_distances.
    """
    needed = np.unique(np.concatenate([pairs.first, pairs.second]))
    return verification.squared_distances(
        describe(source.images[needed]),
        np.searchsorted(needed, pairs.first),
        np.searchsorted(needed, pairs.second),
    )


def float_describer(
    network: keras.Model, *, raw_pixels: bool = False
) -> Callable[[np.ndarray], np.ndarray]:
    """`network` as a function uint8 [N, S, S, 1] to float32 [N, D]."""
    forward = evaluation.forward_function(network)

    def taken(images):
        return forward(descriptor_loop.as_raw(images) if raw_pixels else images)

    return lambda images: evaluation.logits(taken, images, normalize=True)


def train(
    config: flags_lib.DescriptorConfig,
    source: people.People,
    folder: run_folder.RunFolder,
) -> stages.Trained:
    """Trains, resumed or already done where the folder says so.

    Raises:
        DataError: too few people are left to train on.
        TrainingError: the loss is not finite.
        StorageError: a file of the run cannot be read or written.
    """
    done = finished(folder, stages.FLOAT)
    if done is not None:
        return done
    return run_stage(config, source, float_stage(config), build(config, source), folder)


def run_stage(
    config: flags_lib.DescriptorConfig,
    source: people.People,
    stage: descriptor_loop.StageConfig,
    network: keras.Model,
    folder: run_folder.RunFolder,
    *,
    earlier: Sequence[dict[str, Any]] = (),
    head: Sequence[np.ndarray] = (),
    frozen: Sequence[tf.Variable] = (),
) -> stages.Trained:
    """Trains `network` in place, from its checkpoints on if there are any; keeps it.

    Args:
        config: of the run.
        source: of the run.
        stage: what to do.
        network: image to descriptor.
        folder: of the run.
        earlier: records of other stages, for metrics.jsonl.
        head: see descriptor_loop.train.
        frozen: see descriptor_loop.train.
    """
    _, split = training_split(config, source)
    result = descriptor_loop.train(
        stage,
        network,
        split,
        validate=_validation(config, stage, network, source),
        folder=folder.checkpoints(stage.name),
        reporter=progress.Progress(folder.root, stage.name, stage.epochs, earlier),
        head=head,
        frozen=frozen,
    )
    network.set_weights(result.best_weights)
    storage.save(network, folder.model(stage.name))
    atomic_files.write_json(
        # Written last: its presence says that the stage is complete.
        folder.model(stage.name) / _HISTORY,
        {"best_epoch": result.best_epoch, "history": result.history},
    )
    return stages.Trained(network, result.best_epoch, result.history, stage.name)


def build(config: flags_lib.DescriptorConfig, source: people.People) -> keras.Model:
    """The network with fresh weights, for the photographs of `source`."""
    return registry.build(
        config.model,
        input_shape=tuple(source.images.shape[1:]),
        batch_norm=config.batch_norm,
        dropout=config.dropout,
        width=config.width,
    )


def float_stage(config: flags_lib.DescriptorConfig) -> descriptor_loop.StageConfig:
    """The float training that the flags ask for."""
    return descriptor_loop.StageConfig(
        name=stages.FLOAT,
        epochs=config.epochs,
        people=config.people_per_batch,
        images=config.images_per_person,
        groups_per_person=config.groups_per_person,
        loss=_taken(config, descriptor_heads.LossConfig, name=config.loss),
        optimizer=_taken(
            config,
            optimizers.OptimizerConfig,
            name=config.optimizer,
            schedule=config.learning_rate_schedule,
        ),
        augmentation=_taken(config, augmentation.Augmentation),
        seed=config.seed * 10 + 1,
    )


def _taken(config: flags_lib.DescriptorConfig, kind: type, **others):
    """A dataclass with those fields of `config` that it has."""
    names = {field.name for field in dataclasses.fields(kind)}
    own = {name: getattr(config, name) for name in names if hasattr(config, name)}
    return kind(**{**own, **others})


def _validation(
    config: flags_lib.DescriptorConfig,
    stage: descriptor_loop.StageConfig,
    network: keras.Model,
    source: people.People,
) -> Callable[[], dict[str, float]] | None:
    if not config.validation_folds:
        return None
    pairs = source.pairs.take(config.validation_folds)
    describe = float_describer(network, raw_pixels=stage.raw_pixels)

    def validate() -> dict[str, float]:
        distances = pair_distances(describe, source, pairs)
        threshold = verification.best_threshold(distances, pairs.same)
        return {
            "val_accuracy": float(np.mean((distances <= threshold) == pairs.same)),
            "val_auc": verification.area_under_curve(distances, pairs.same),
        }

    return validate


def finished(folder: run_folder.RunFolder, stage: str) -> stages.Trained | None:
    """A stage's result if an earlier start of this run got that far.

    Raises:
        StorageError: its files are damaged.
    """
    path = folder.model(stage) / _HISTORY
    if not path.exists():
        return None
    record = atomic_files.read_json(path)
    try:
        history, best_epoch = tuple(record["history"]), record["best_epoch"]
    except (KeyError, TypeError) as error:
        raise errors.StorageError(
            f"{path} is not a training's history; remove {path.parent} to train again"
        ) from error
    return stages.Trained(storage.load(path.parent), best_epoch, history, stage)
