"""Any kind of task that learns example by example: inputs, targets, a loss of both.

What differs between kinds is `tasks.TaskKind`; its loss is the function `loss` of the
module here that the kind names,

    loss(outputs, targets, objective) -> (mean over the batch, sums over its examples)

beside `SUMS`, the names of the sums. Where examples can be mixed, it also has

    shares(targets, number of classes) -> float32 [N, K]

which `loss` takes for targets as well. A module may have two functions more:

    figures(sums over an epoch, examples) -> entries of its record
    epochs(config, data set, seed) -> (number -> task.Epoch, steps of each)

in place of means, and of shuffled examples.
"""

import dataclasses
import functools
import pkgutil
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tfpipeline.compat import keras, tf
from tfpipeline.configs import recipe
from tfpipeline.data import parts, pipeline, splits
from tfpipeline.data.preprocessing import SIGNED, Preprocessing
from tfpipeline.tasks import classification
from tfpipeline.tasks import kind as kinds
from tfpipeline.training import evaluation, loop, teachers
from tfpipeline.training import task as task_lib
from tfpipeline.training.tasks import head_logits


@dataclasses.dataclass(frozen=True, eq=False)
class Config:
    """How a network learns from examples.

    Attributes:
        batch_size: examples a step, over all replicas.
        augmentation: random transforms.
        objective: what it learns.
        preprocessing: what the network takes of a stored input.
        taught: what a teacher says of the train split, where there is one.

    Raises:
        UsageError: examples are to be mixed whose targets cannot.
    """

    batch_size: int
    augmentation: recipe.Augmentation
    objective: kinds.Objective = classification.OF_LOGITS
    preprocessing: Preprocessing = SIGNED
    taught: teachers.OfClasses | None = None

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
    loss = _loss_module(kind)
    epoch, steps = getattr(loss, "epochs", _epochs)(config, dataset, stage.seed)
    forward = evaluation.forward_function(evaluated or model)
    validation = dataset.validation
    examples = objective.examples(
        config.preprocessing.real(validation.inputs[:])
        if kind.learns_inputs
        else np.empty((len(validation), 0), np.float32),
        validation.targets,
    )

    def validate() -> dict[str, float]:
        outputs = evaluation.logits(forward, validation.inputs, config.preprocessing)
        measured = objective.measure(outputs, examples)
        return {
            "val_loss": kind.validation_loss(outputs, examples, objective),
            **{f"val_{n}": value for n, value in measured.items() if value is not None},
        }

    return task_lib.Task(
        epoch=epoch,
        steps_per_epoch=steps,
        loss=functools.partial(_loss, config),
        sums=loss.SUMS,
        figures=getattr(loss, "figures", task_lib.means),
        validate=validate,
        better=_better(*kind.best),
        evaluated=evaluated,
        after_epoch=after_epoch,
    )


def _better(
    name: str, is_higher_better: bool
) -> Callable[[task_lib.Record, task_lib.Record], bool]:
    """Which epoch is the better one; of two alike the one of the lower loss.

    A share of right answers is the same for long where there are none yet.
    """
    sign = 1 if is_higher_better else -1

    def rank(record: task_lib.Record) -> tuple[float, float]:
        return sign * record[name], -record["val_loss"]

    return lambda record, best: rank(record) > rank(best)


def _epochs(
    config: Config, dataset: splits.Dataset, seed: int
) -> tuple[Callable[[int], task_lib.Epoch], int]:
    """Epochs of all examples, shuffled, and the steps of each."""
    data = _source(config, dataset)

    def epoch(number: int) -> task_lib.Epoch:
        def batches(part: parts.Part) -> tf.data.Dataset:
            made = pipeline.training_batches(data, seed=seed, epoch=number, part=part)
            if config.objective.kind.learns_inputs:
                made = made.map(lambda inputs, targets: (inputs, inputs))
            return made

        return task_lib.Epoch(batches, data.steps, data.steps * config.batch_size)

    return epoch, data.steps


def _source(config: Config, dataset: splits.Dataset) -> pipeline.Source:
    split = dataset.train
    kind = config.objective.kind
    chosen = kind.trains_on(split.targets, config.objective.data)
    if chosen is not None:
        split = split.take(chosen)
    pipeline.require_batch(len(split), config.batch_size)
    shares = None
    if config.augmentation.mixes:
        shares = functools.partial(
            _loss_module(kind).shares, num_classes=len(dataset.class_names)
        )
    return pipeline.source(
        split,
        config.augmentation,
        config.batch_size,
        config.preprocessing,
        shares,
        beside=None if config.taught is None else config.taught.probabilities,
    )


def _loss(
    config: Config, outputs: tf.Tensor, targets: Any, values: Mapping[str, tf.Tensor]
) -> tuple[tf.Tensor, Mapping[str, tf.Tensor]]:
    """The loss of the task, and a teacher's share of it where there is one."""
    del values
    objective, taught = config.objective, config.taught
    loss = _loss_module(objective.kind).loss
    if taught is None:
        return loss(outputs, targets, objective)
    labels, probabilities = targets
    of_labels, sums = loss(outputs, labels, objective)
    of_teacher = teachers.soft_targets(
        head_logits.of_outputs(outputs, objective.head),
        probabilities,
        taught.temperature,
    )
    return (1 - taught.weight) * of_labels + taught.weight * of_teacher, sums


def _loss_module(kind: kinds.TaskKind) -> Any:
    return pkgutil.resolve_name(f"{__package__}.{kind.loss}")
