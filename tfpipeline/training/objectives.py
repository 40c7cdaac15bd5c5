"""What a run learns, from its flags, its data and the end of its network."""

import math
from collections.abc import Callable

import numpy as np

from tfpipeline.compat import keras
from tfpipeline.data import splits
from tfpipeline.readers import from_keras
from tfpipeline.tasks import catalog, class_weights, regression
from tfpipeline.tasks import head as head_lib
from tfpipeline.tasks import kind as kinds

# What data sets call examples without anomalies; else it is their first class.
_NORMAL = "normal"


def of(
    task: str,
    options: kinds.Options,
    dataset: splits.Dataset,
    read_head: Callable[[int], head_lib.Head] | None = None,
) -> kinds.Objective:
    """The objective of a run.

    Args:
        task: `--task`.
        options: of the user.
        dataset: of the run.
        read_head: (outputs that the data ask for) -> head of a network that is there
            already; None for one that is built for the task, with as many outputs as it
            needs and no function at its end.

    Raises:
        DataError: the data are for another task.
        UsageError: the network is for another task, or none is plain, or classes are
            to be weighed where there are none.
    """
    data = traits(dataset)
    head = None
    if read_head is not None:
        is_known = task != catalog.AUTO
        shape = catalog.named(task).outputs(data) if is_known else ()
        head = read_head(math.prod(shape) if is_known else dataset.num_classes)
    kind = catalog.choose(task, data, head)
    scaling = None
    if options.standardizes and kind is regression.KIND:
        scaling = regression.scaling_of(dataset.train.targets)
    weights = None
    if options.balances_classes:
        kind.require_classes_to_weigh()
        weights = class_weights.balanced(dataset.train.targets, dataset.class_names)
    return kinds.Objective(
        kind, head or head_lib.Head(kind.outputs(data)), data, options, scaling, weights
    )


def head_of(model: keras.Model) -> head_lib.Head:
    """How a network ends.

    Raises:
        GraphError: it has layers that a graph has no place for.
    """
    return head_lib.of_graph(from_keras.read(model))


def traits(dataset: splits.Dataset) -> kinds.Data:
    """What tasks ask of a data set."""
    targets, names = dataset.train.targets, dataset.class_names
    has_classes = dataset.train.has_classes
    return kinds.Data(
        input_shape=dataset.input_shape,
        target_shape=targets.shape[1:],
        has_classes=has_classes,
        num_classes=len(names) if has_classes else 0,
        is_zero_or_one=not has_classes and bool(np.isin(targets, (0, 1)).all()),
        normal_class=names.index(_NORMAL) if _NORMAL in names else 0,
    )
