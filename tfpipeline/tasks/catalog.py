"""The kinds of tasks by name, and which one a network and its data are for."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from tfpipeline import errors
from tfpipeline.detection import layout as layouts
from tfpipeline.tasks import (
    binary,
    classification,
    detection,
    multi_label,
    reconstruction,
    regression,
    segmentation,
)
from tfpipeline.tasks import head as head_lib
from tfpipeline.tasks import kind as kinds

ALL = (
    classification.KIND,
    binary.KIND,
    multi_label.KIND,
    regression.KIND,
    reconstruction.KIND,
    detection.KIND,
    segmentation.KIND,
)
AUTO = "auto"
NAMES = (AUTO, *(each.name for each in ALL))
# The record of runs that say nothing of their task.
DEFAULT_RECORD: Mapping[str, Any] = {"name": classification.KIND.name}


def named(name: str) -> kinds.TaskKind:
    """The kind called `name`.

    Raises:
        UsageError: there is none.
    """
    for each in ALL:
        if each.name == name:
            return each
    raise errors.UsageError(f"unknown task '{name}'. Choose one of: {', '.join(NAMES)}")


def reads_boxes(name: str) -> bool:
    """Whether `--task` says that whole pictures and boxes are read."""
    return name != AUTO and named(name).reads_boxes


def choose(
    name: str, data: kinds.Data, head: head_lib.Head | None = None
) -> kinds.TaskKind:
    """The kind that `--task` says, or that is plain from the data and the head.

    Args:
        name: of `NAMES`.
        data: traits of the data set.
        head: of the network, where it is there already; None for one that is built for
            the task.

    Raises:
        DataError: the data are for another task.
        UsageError: the head is for another task, or none is plain.
    """
    if name != AUTO:
        kind = named(name)
        require_data(kind, data)
        if head is not None:
            require_head(kind, data, head)
        return kind
    plain = _plain(data)
    if head is None:
        return plain[0]
    for kind in plain:
        if _has_size(kind, data, head) and _has_function(kind, head):
            return kind
    names = ", ".join(f"--task={each.name}" for each in ALL)
    raise errors.UsageError(
        f"no task is plain: the targets are {told(data)}, and the network ends with "
        f"{head.told}. Say which one it is ({names}), or give the network the outputs "
        f"of {' or '.join(each.name for each in plain)}"
    )


def recorded(
    record: Mapping[str, Any], data: kinds.Data, head: head_lib.Head
) -> kinds.Objective:
    """What `Objective.to_dict` told of a run, for other data of the same task.

    Raises:
        DataError: the data are for another task, or the record is none.
        UsageError: the head is for another task.
    """
    try:
        kind = named(record["name"])
        options = kinds.Options(
            threshold=float(record.get("threshold", 0.5)),
            box_weight=float(record.get("box_weight", 1.0)),
        )
        scaling = None
        if "mean" in record:
            scaling = kinds.Scaling(
                tuple(map(float, record["mean"])),
                tuple(map(float, record["deviation"])),
            )
    except (TypeError, ValueError, KeyError) as error:
        raise errors.DataError("results.json does not describe a task") from error
    require_data(kind, data)
    if "maps" in record:
        maps = layouts.from_dict(record["maps"])
        head = dataclasses.replace(head, shape=kind.outputs(data), layout=maps)
    require_head(kind, data, head)
    return kinds.Objective(kind, head, data, options, scaling)


def require_data(kind: kinds.TaskKind, data: kinds.Data) -> None:
    """Checks that the data have targets of the kind.

    Raises:
        DataError: they have others.
    """
    if not kind.takes(data):
        raise errors.DataError(
            f"--task={kind.name} needs {kind.needs} as targets; the data set has "
            f"{told(data)}"
        )


def require_head(kind: kinds.TaskKind, data: kinds.Data, head: head_lib.Head) -> None:
    """Checks that a network ends as the kind needs it for the data.

    Raises:
        UsageError: it has another number of outputs, or another function.
    """
    if head.outputs > 1 and head.layout is None:
        raise errors.UsageError(
            f"--task={kind.name} needs a network with one output; this one has "
            f"{head.outputs}"
        )
    if not _has_size(kind, data, head):
        size = "x".join(map(str, kind.outputs(data)))
        raise errors.UsageError(
            f"--task={kind.name} on these data needs a network with {size} outputs; "
            f"this one ends with {head.told}"
        )
    if not _has_function(kind, head):
        allowed = " or ".join(kind.functions)
        raise errors.UsageError(
            f"--task={kind.name} needs a network that ends with {allowed} outputs; "
            f"this one ends with {head.told}"
        )


def told(data: kinds.Data) -> str:
    """The targets of a data set in words."""
    if data.has_boxes:
        return "boxes of objects"
    if data.has_masks:
        return f"masks of {data.num_classes} classes"
    if data.has_classes:
        return f"numbers of {data.num_classes} classes"
    size = "x".join(map(str, data.target_shape)) or "1"
    what = "0 or 1" if data.is_zero_or_one else "numbers"
    return f"{size} values that are {what}"


def _plain(data: kinds.Data) -> tuple[kinds.TaskKind, ...]:
    """Kinds that data are for as a rule, the likeliest first."""
    likely: tuple[kinds.TaskKind, ...]
    if data.has_boxes:
        return (detection.KIND,)
    if data.has_masks:
        return (segmentation.KIND,)
    if data.has_classes:
        likely = (classification.KIND, binary.KIND)
    elif data.is_zero_or_one:
        likely = (binary.KIND, multi_label.KIND)
    else:
        likely = (regression.KIND,)
    fitting = tuple(each for each in likely if each.takes(data))
    return (*fitting, reconstruction.KIND)


def _has_size(kind: kinds.TaskKind, data: kinds.Data, head: head_lib.Head) -> bool:
    return math.prod(head.shape) == math.prod(kind.outputs(data))


def _has_function(kind: kinds.TaskKind, head: head_lib.Head) -> bool:
    return not kind.functions or head.function in kind.functions
