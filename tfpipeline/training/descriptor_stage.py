"""The training of a descriptor network as one resumable step of a run."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tfpipeline import run_folder
from tfpipeline.compat import keras, tf
from tfpipeline.configs.network import Network
from tfpipeline.data import people, splits
from tfpipeline.keras_networks import stochastic_depth
from tfpipeline.models import registry
from tfpipeline.study.measures import verification
from tfpipeline.training import (
    descriptor_heads,
    kept_stages,
    loop,
    precision,
    strategies,
)
from tfpipeline.training.tasks import embedding


@dataclasses.dataclass(frozen=True, eq=False)
class Descriptors:
    """What the stages of a run share.

    Attributes:
        network: what is built.
        source: all photographs.
        split: those that are trained on, as classes.
        validation: pairs that say how good an epoch is, None without.
        folder: of the run.
        strategy: devices.
    """

    network: Network
    source: people.People
    split: splits.Split
    validation: people.Pairs | None
    folder: run_folder.RunFolder
    strategy: tf.distribute.Strategy


def training_split(
    source: people.People, held_out: Sequence[int], min_images: int
) -> tuple[np.ndarray, splits.Split]:
    """Positions in `source` that are trained on, and those photographs as classes.

    Args:
        source: all photographs.
        held_out: folds that training must know nobody of.
        min_images: of each person.
    """
    positions = people.training_positions(source, held_out, min_images)
    _, labels = np.unique(source.labels[positions], return_inverse=True)
    return positions, splits.Split(source.images[positions], labels.astype(np.int32))


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
    descriptors: Descriptors,
    stage: loop.StageConfig,
    recipe: embedding.Config,
    number_format: str,
) -> kept_stages.Trained:
    """Trains in float, resumed or already done where the folder says so.

    Args:
        descriptors: of the run.
        stage: how long, with which optimizer.
        recipe: what is learned.
        number_format: of the arithmetic, "float32" or "bfloat16".

    Raises:
        DataError: too few people are left to train on.
        TrainingError: the loss is not finite.
        StorageError: a file of the run cannot be read or written.
    """
    done = kept_stages.find(descriptors.folder, stage.name)
    if done is not None:
        return done

    def built(arithmetic: str) -> keras.Model:
        return build(descriptors.network, descriptors.source, arithmetic)

    with descriptors.strategy.scope():
        network, twin = precision.with_twin(built, number_format)
    network = strategies.as_one(descriptors.strategy, network)
    return run_stage(
        descriptors,
        stage,
        recipe,
        network,
        rebuild=lambda: built("float32"),
        twin=twin,
    )


def run_stage(
    descriptors: Descriptors,
    stage: loop.StageConfig,
    recipe: embedding.Config,
    network: keras.Model,
    *,
    rebuild: Callable[[], keras.Model],
    twin: keras.Model | None = None,
    earlier: Sequence[dict[str, Any]] = (),
    head: Sequence[np.ndarray] = (),
    frozen: Sequence[tf.Variable] = (),
) -> kept_stages.Trained:
    """Trains `network` in place, from its checkpoints on if there are any; keeps it.

    Args:
        descriptors: of the run.
        stage: how.
        recipe: what.
        network: image to descriptor, built under the strategy's scope.
        rebuild: see kept_stages.train.
        twin: see embedding.task.
        earlier: records of other stages, for metrics.jsonl.
        head: weights that the head starts with; fresh ones if not given.
        frozen: variables of `network` that stay as they are.
    """
    split, strategy = descriptors.split, descriptors.strategy
    with strategy.scope():
        model = descriptor_heads.with_head(
            network,
            int(split.targets.max()) + 1,
            recipe.loss,
            recipe.teacher_length,
        )
    if head:
        model.set_weights([*network.get_weights(), *head])
    task = embedding.task(
        stage,
        recipe,
        split,
        network,
        validate=_validation(descriptors, recipe, twin or network),
        evaluated=twin,
        frozen=frozen,
        replicas=strategy.num_replicas_in_sync,
    )
    return kept_stages.train(
        stage,
        model,
        task,
        descriptors.folder,
        strategy,
        rebuild=rebuild,
        earlier=earlier,
    )


def build(
    network: Network, source: people.People, number_format: str = "float32"
) -> keras.Model:
    """The network with fresh weights, for the photographs of `source`."""
    with precision.computing_in(number_format):
        model = registry.build(
            network.model,
            input_shape=tuple(source.images.shape[1:]),
            batch_norm=network.batch_norm,
            dropout=network.dropout,
            width=network.width,
        )
    if network.stochastic_depth:
        return stochastic_depth.insert(model, network.stochastic_depth)
    return model


def _validation(
    descriptors: Descriptors, recipe: embedding.Config, network: keras.Model
) -> Callable[[], dict[str, float]] | None:
    pairs = descriptors.validation
    if pairs is None:
        return None
    describe = embedding.describer(network, raw_pixels=recipe.raw_pixels)

    def validate() -> dict[str, float]:
        distances = pair_distances(describe, descriptors.source, pairs)
        threshold = verification.best_threshold(distances, pairs.same)
        return {
            "val_accuracy": float(np.mean((distances <= threshold) == pairs.same)),
            "val_auc": verification.area_under_curve(distances, pairs.same),
        }

    return validate
