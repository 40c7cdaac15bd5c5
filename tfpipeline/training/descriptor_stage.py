"""The training of a descriptor network as one resumable step of a run."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tfpipeline import descriptor_flags as flags_lib
from tfpipeline import run_folder
from tfpipeline.compat import keras, tf
from tfpipeline.data import augmentation, people, splits
from tfpipeline.models import registry
from tfpipeline.study import verification
from tfpipeline.training import (
    descriptor_heads,
    kept_stages,
    loop,
    optimizers,
    precision,
)
from tfpipeline.training.tasks import embedding


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


def train(
    config: flags_lib.DescriptorConfig,
    source: people.People,
    folder: run_folder.RunFolder,
    strategy: tf.distribute.Strategy,
) -> kept_stages.Trained:
    """Trains, resumed or already done where the folder says so.

    Raises:
        DataError: too few people are left to train on.
        TrainingError: the loss is not finite.
        StorageError: a file of the run cannot be read or written.
    """
    done = kept_stages.find(folder, kept_stages.FLOAT)
    if done is not None:
        return done
    with strategy.scope():
        network, twin = precision.with_twin(
            lambda number_format: build(config, source, number_format),
            precision.resolve(config.precision),
        )
    return run_stage(
        config,
        source,
        float_stage(config),
        recipe(config),
        network,
        folder,
        strategy,
        rebuild=lambda: build(config, source, "float32"),
        twin=twin,
    )


def run_stage(
    config: flags_lib.DescriptorConfig,
    source: people.People,
    stage: loop.StageConfig,
    recipe: embedding.Config,
    network: keras.Model,
    folder: run_folder.RunFolder,
    strategy: tf.distribute.Strategy,
    *,
    rebuild: Callable[[], keras.Model],
    twin: keras.Model | None = None,
    earlier: Sequence[dict[str, Any]] = (),
    head: Sequence[np.ndarray] = (),
    frozen: Sequence[tf.Variable] = (),
) -> kept_stages.Trained:
    """Trains `network` in place, from its checkpoints on if there are any; keeps it.

    Args:
        config: of the run.
        source: of the run.
        stage: how.
        recipe: what.
        network: image to descriptor.
        folder: of the run.
        strategy: under whose scope the networks were built.
        rebuild: see kept_stages.train.
        twin: see embedding.task.
        earlier: records of other stages, for metrics.jsonl.
        head: weights that the head starts with; fresh ones if not given.
        frozen: variables of `network` that stay as they are.
    """
    _, split = training_split(config, source)
    with strategy.scope():
        model = descriptor_heads.with_head(
            network, int(split.labels.max()) + 1, recipe.loss
        )
    if head:
        model.set_weights([*network.get_weights(), *head])
    task = embedding.task(
        stage,
        recipe,
        split,
        network,
        validate=_validation(config, recipe, twin or network, source),
        evaluated=twin,
        frozen=frozen,
        replicas=strategy.num_replicas_in_sync,
    )
    return kept_stages.train(
        stage, model, task, folder, strategy, rebuild=rebuild, earlier=earlier
    )


def build(
    config: flags_lib.DescriptorConfig, source: people.People, number_format: str
) -> keras.Model:
    """The network with fresh weights, for the photographs of `source`."""
    with precision.computing_in(number_format):
        return registry.build(
            config.model,
            input_shape=tuple(source.images.shape[1:]),
            batch_norm=config.batch_norm,
            dropout=config.dropout,
            width=config.width,
        )


def float_stage(config: flags_lib.DescriptorConfig) -> loop.StageConfig:
    """How the flags ask for float training."""
    return loop.StageConfig(
        name=kept_stages.FLOAT,
        epochs=config.epochs,
        optimizer=_taken(
            config,
            optimizers.OptimizerConfig,
            name=config.optimizer,
            schedule=config.learning_rate_schedule,
        ),
        patience=config.early_stopping_patience,
        seed=config.seed * 10 + 1,
    )


def recipe(config: flags_lib.DescriptorConfig) -> embedding.Config:
    """What the flags ask for."""
    return embedding.Config(
        people=config.people_per_batch,
        images=config.images_per_person,
        groups_per_person=config.groups_per_person,
        loss=_taken(config, descriptor_heads.LossConfig, name=config.loss),
        augmentation=_taken(config, augmentation.Augmentation),
    )


def _taken(config: flags_lib.DescriptorConfig, kind: type, **others):
    """A dataclass with those fields of `config` that it has."""
    names = {field.name for field in dataclasses.fields(kind)}
    own = {name: getattr(config, name) for name in names if hasattr(config, name)}
    return kind(**{**own, **others})


def _validation(
    config: flags_lib.DescriptorConfig,
    recipe: embedding.Config,
    network: keras.Model,
    source: people.People,
) -> Callable[[], dict[str, float]] | None:
    if not config.validation_folds:
        return None
    pairs = source.pairs.take(config.validation_folds)
    describe = embedding.describer(network, raw_pixels=recipe.raw_pixels)

    def validate() -> dict[str, float]:
        distances = pair_distances(describe, source, pairs)
        threshold = verification.best_threshold(distances, pairs.same)
        return {
            "val_accuracy": float(np.mean((distances <= threshold) == pairs.same)),
            "val_auc": verification.area_under_curve(distances, pairs.same),
        }

    return validate
