"""Any kind of task that learns example by example: inputs, targets, a loss of both.

What differs between kinds is `tasks.TaskKind`; its loss is the function `loss` of the
module here that the kind names,

    loss(outputs, targets, objective) -> (mean over the batch, sums over its examples)

beside `SUMS`, the names of the sums. Where examples can be mixed, it also has

    shares(targets, number of classes) -> float32 [N, K]

which `loss` takes for targets as well.
"""

import dataclasses
import functools
import pkgutil
from collections.abc import Callable
from typing import Any

import numpy as np

from tfpipeline import errors
from tfpipeline.compat import keras
from tfpipeline.configs import recipe
from tfpipeline.data import pipeline, splits
from tfpipeline.data.preprocessing import SIGNED, Preprocessing
from tfpipeline.tasks import classification
from tfpipeline.tasks import kind as kinds
from tfpipeline.training import evaluation, loop
from tfpipeline.training import task as task_lib


@dataclasses.dataclass(frozen=True, eq=False)
class Config:
    """How a network learns from examples.

    Attributes:
        batch_size: examples a step, over all replicas.
        augmentation: random transforms.
        objective: what it learns.
        preprocessing: what the network takes of a stored input.

    Raises:
        UsageError: examples are to be mixed whose targets cannot.
    """

    batch_size: int
    augmentation: recipe.Augmentation
    objective: kinds.Objective = classification.OF_LOGITS
    preprocessing: Preprocessing = SIGNED

    def __post_init__(self) -> None:
        if self.augmentation.mixes:
            self.objective.kind.require_targets_to_mix()


def task(
    stage: loop.StageConfig,
    config: Config,
    dataset: splits.Dataset,
    model: keras.Model,
    *,
    evaluated: keras.Model | None = None,
    after_epoch: Callable[[keras.Model], None] | None = None,
) -> task_lib.Task:
    """The task of giving each input its target.

    Args:
        stage: its seed orders the batches.
        config: see Config.
        dataset: train and validation are used, test is not.
        model: from inputs to outputs as the objective's head says.
        evaluated: a float32 twin of it with the same weight order, where there is one.
        after_epoch: see task.Task.

    Raises:
        TrainingError: the data are fewer than a batch.
        DataError: targets that cannot be learned.
    """
    objective, kind = config.objective, config.objective.kind
    data = _source(config, dataset)
    forward = evaluation.forward_function(evaluated or model)
    loss = _loss_module(kind)
    validation = dataset.validation
    examples = objective.examples(
        config.preprocessing.real(validation.inputs[:])
        if kind.learns_inputs
        else np.empty((len(validation), 0), np.float32),
        validation.targets,
    )

    def epoch(number: int) -> task_lib.Epoch:
        batches = pipeline.training_batches(data, seed=stage.seed, epoch=number)
        if kind.learns_inputs:
            batches = batches.map(lambda inputs, targets: (inputs, inputs))
        return task_lib.Epoch(batches, data.steps, data.steps * config.batch_size)

    def validate() -> dict[str, float]:
        outputs = evaluation.logits(forward, validation.inputs, config.preprocessing)
        measured = objective.measure(outputs, examples)
        return {
            "val_loss": kind.validation_loss(outputs, examples, objective),
            **{f"val_{n}": value for n, value in measured.items() if value is not None},
        }

    name, is_higher_better = kind.best
    better = task_lib.highest if is_higher_better else task_lib.lowest
    return task_lib.Task(
        epoch=epoch,
        steps_per_epoch=data.steps,
        loss=lambda outputs, targets, _: loss.loss(outputs, targets, objective),
        sums=loss.SUMS,
        validate=validate,
        better=better(name),
        evaluated=evaluated,
        after_epoch=after_epoch,
    )


def _source(config: Config, dataset: splits.Dataset) -> pipeline.Source:
    split = dataset.train
    kind = config.objective.kind
    chosen = kind.trains_on(split.targets, config.objective.data)
    if chosen is not None:
        split = split.take(chosen)
    if len(split) < config.batch_size:
        raise errors.TrainingError(
            f"batch_size {config.batch_size} is larger than the {len(split)} "
            "training images; choose a smaller --batch_size"
        )
    shares = None
    if config.augmentation.mixes:
        shares = functools.partial(
            _loss_module(kind).shares, num_classes=len(dataset.class_names)
        )
    return pipeline.source(
        split, config.augmentation, config.batch_size, config.preprocessing, shares
    )


def _loss_module(kind: kinds.TaskKind) -> Any:
    return pkgutil.resolve_name(f"{__package__}.{kind.loss}")
