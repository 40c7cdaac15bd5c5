"""What a run learns, from its flags, its data and the end of its network."""

from collections.abc import Callable

import numpy as np

from tfpipeline import errors
from tfpipeline.compat import keras
from tfpipeline.data import splits
from tfpipeline.detection import branches as branches_lib
from tfpipeline.detection import layout as layouts
from tfpipeline.models import specs
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
        known = catalog.named(task).num_outputs(data) if is_known else 0
        head = read_head(known if is_known else dataset.num_classes)
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


def of_detector(
    task: str,
    options: kinds.Options,
    dataset: splits.Dataset,
    network: str,
    build: Callable[[int], keras.Model],
) -> kinds.Objective:
    """The objective of a run on boxes.

    Args:
        task: `--task`.
        options: of the user.
        dataset: of the run.
        network: its name.
        build: logits of a cell -> the network.

    Raises:
        DataError: the data are for another task.
        UsageError: the network is no detector.
    """
    data = traits(dataset)
    kind = catalog.choose(task, data)
    branches = specs.MODELS[network].branches if network in specs.MODELS else ()
    if not branches:
        detectors = ", ".join(x.name for x in specs.MODELS.values() if x.branches)
        raise errors.UsageError(
            f"boxes are learned by detectors with branches of known sizes: "
            f"--model={detectors.replace(', ', '|')}; '{network}' is none"
        )
    model = build(kind.outputs(data)[0])
    height, width = dataset.input_shape[:2]
    maps = layouts.Layout(
        height,
        width,
        branches_lib.of(branches),
        # Of the scores; each has a box map of the same cells behind it.
        tuple(tuple(output.shape[1:3]) for output in model.outputs[0::2]),
    )
    head = head_lib.Head(kind.outputs(data), layout=maps, outputs=len(model.outputs))
    return kinds.Objective(kind, head, data, options)


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
        num_classes=len(names) if has_classes or dataset.train.has_masks else 0,
        is_zero_or_one=targets.dtype == np.float32
        and bool(np.isin(targets, (0, 1)).all()),
        has_boxes=bool(dataset.pictures),
        has_masks=dataset.train.has_masks,
        normal_class=names.index(_NORMAL) if _NORMAL in names else 0,
    )
