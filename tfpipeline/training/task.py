"""What a training stage trains, as a value: batches, a loss, what validation measures.

A new kind of task is a function that returns a `Task`, as in training/tasks; the loop
(training/loop) runs, validates, stops and resumes every one of them.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tfpipeline.compat import keras, tf
from tfpipeline.data import parts

# A tensor, or tuples, lists and dictionaries of tensors.
Nest = Any
# Of an epoch: names and values of its line in metrics.jsonl.
Record = Mapping[str, Any]


@dataclasses.dataclass(frozen=True, eq=False)
class Epoch:
    """What one epoch trains on.

    Attributes:
        batches: part of each batch -> data set of (inputs, targets), each a tensor or a
            nest of them, with the examples along the first axis. The parts together
            are the whole batch.
        steps: number of batches; may differ from epoch to epoch.
        examples: in all of them together.
        values: numbers that the loss takes in this epoch, such as a growing margin.
            The names are the same in every epoch.
    """

    batches: Callable[[parts.Part], tf.data.Dataset]
    steps: int
    examples: int
    values: Mapping[str, float] = dataclasses.field(default_factory=dict)


def means(sums: Mapping[str, np.ndarray], examples: int) -> dict[str, float]:
    """Each sum divided by the number of examples, under its own name."""
    return {name: float(total) / examples for name, total in sums.items()}


def lowest(name: str) -> Callable[[Record, Record], bool]:
    """The epoch whose figure `name` is lowest is the best; of equal ones the first."""
    return lambda record, best: record[name] < best[name]


def highest(name: str) -> Callable[[Record, Record], bool]:
    """The epoch whose figure `name` is highest is the best; of equal ones the first."""
    return lambda record, best: record[name] > best[name]


def latest(record: Record, best: Record) -> bool:
    """The last epoch is the best."""
    del record, best
    return True


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Task:
    """What a stage trains, apart from the network.

    Attributes:
        epoch: number of the epoch, from 0 -> what it trains on; a function of the
            number alone.
        steps_per_epoch: on average, for the schedule of the learning rate.
        loss: (outputs of the network, targets, values of the epoch) -> (mean loss of
            the batch, sums over its examples by name). With several devices each sees
            its part of the batch. Floating-point outputs are float32. Whatever else a
            loss needs, such as a teacher network, it brings along; whatever it needs of
            the inputs stands among the targets.
        sums: names of the sums; each may have any shape.
        figures: (sums over the epoch, number of examples) -> entries of its record.
        validate: what validation measures, entries of the record: finite, for a figure
            that is not ends the training.
        better: (record of an epoch, that of the best one before it) -> whether it is
            the best now.
        kept: the part of the trained model whose weights are the result; all of it if
            None. What is left is a head that only training needs.
        evaluated: a network that gets the kept weights before each `validate`; None
            where validation looks at what is trained itself.
        frozen: variables of the model that stay as they are.
        after_epoch: applied to the model at the end of each epoch.
    """

    epoch: Callable[[int], Epoch]
    steps_per_epoch: int
    loss: Callable[
        [Nest, Nest, Mapping[str, tf.Tensor]], tuple[tf.Tensor, Mapping[str, tf.Tensor]]
    ]
    sums: tuple[str, ...] = ()
    figures: Callable[[Mapping[str, np.ndarray], int], dict[str, float]] = means
    validate: Callable[[], dict[str, float]] = dict
    better: Callable[[Record, Record], bool] = latest
    kept: keras.Model | None = None
    evaluated: keras.Model | None = None
    frozen: Sequence[tf.Variable] = ()
    after_epoch: Callable[[keras.Model], None] | None = None
