"""Arrays of an `.npz` file: `x_train, y_train, x_test, y_test`, or `x, y`."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from tfpipeline import errors
from tfpipeline.data import request as requests
from tfpipeline.data import specs, splits
from tfpipeline.data.own import examples, labels, streams
from tfpipeline.untrusted import arrays

CLASS_NAMES = "class_names"
_GROUPS = "groups"
# Rows that are read at a time.
_CHUNK = 1024


def read(spec: specs.DatasetSpec, asked: requests.Request) -> splits.Dataset:
    """Reads arrays by their names.

    `x`, `y` are divided by seed, with `groups` [N] (optional) never divided;
    `x_train`, `y_train` and `x_test`, `y_test` (and `x_val`, `y_val`) are parts.
    `class_names` is optional.

    Raises:
        DataError: arrays are absent or do not fit together.
        StorageError: the file cannot be read, or is no `.npz` of numbers.
    """
    listed = arrays.listed_npz(spec.where, f"{arrays.NUMBERS}U")
    given: dict[str, np.ndarray | streams.Streamed] = {}
    for name, member in listed.items():
        is_input = name.partition("_")[0] == "x" and member.shape[:1] > (0,)
        given[name] = _inputs_of(member) if is_input else member.read()
    return from_arrays(spec, asked, given, spec.where)


def _inputs_of(member: arrays.Member) -> np.ndarray | streams.Streamed:
    """An array of inputs, which is read when its rows are; not one in columns."""
    if member.in_columns:
        return member.read()

    def source(positions: np.ndarray | None) -> Iterator[streams.Chunk]:
        rows = (
            (chunk, np.empty(len(chunk), np.uint8)) for chunk in member.chunks(_CHUNK)
        )
        return streams.chosen(rows, positions)

    first = next(member.chunks(1))
    return streams.Streamed(first, member.shape[0], member.key, source)


def from_arrays(
    spec: specs.DatasetSpec,
    asked: requests.Request,
    given: Mapping[str, np.ndarray | streams.Streamed],
    what: str,
) -> splits.Dataset:
    """The data set of arrays by name, as `read` has them.

    Args:
        spec: of the data set.
        asked: how it is to be read.
        given: the arrays; inputs may be streamed.
        what: names their place in errors.
    """
    names = [str(name) for name in np.asarray(given.get(CLASS_NAMES, ()))]
    pairs = _pairs(given)
    if examples.TRAIN not in pairs:
        raise errors.DataError(
            f"{what} holds {errors.listed(list(given)) or 'nothing'}: give x and y, or "
            "x_train, y_train, x_test and y_test"
        )
    kind = asked.reading.targets
    targets = [given[y] for _, y in pairs.values()]
    if kind == labels.AUTO and all(map(_are_one_hot, targets)):
        kind = labels.CLASSES
    parts, known = {}, tuple(names)
    for part, (x, y) in pairs.items():
        parts[part], found = _examples(given, part, x, y, kind, known, what)
        known = known or found
    return examples.dataset(spec, asked, parts, known)


def _are_one_hot(values: np.ndarray | streams.Streamed) -> bool:
    return isinstance(values, np.ndarray) and labels.are_one_hot(values)


def _pairs(given: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """Part -> names of its inputs and targets."""
    pairs = {}
    # Classes are named after those of the train part.
    for x in sorted(given, key=lambda name: "train" not in name):
        stem, _, part = x.partition("_")
        if stem == "x" and (not part or part in examples.PART_NAMES):
            y = f"y_{part}" if part else "y"
            if y in given:
                pairs[examples.PART_NAMES.get(part, examples.TRAIN)] = (x, y)
    return pairs


def _examples(
    given: Mapping[str, Any],
    part: str,
    x: str,
    y: str,
    kind: str,
    names: tuple[str, ...],
    what: str,
) -> tuple[examples.Examples, tuple[str, ...]]:
    inputs, values = given[x], given[y]
    if not isinstance(inputs, streams.Streamed):
        inputs = stored(inputs, f"{x} of {what}")
    if values.ndim < 1 or len(inputs) != len(values):
        raise errors.DataError(
            f"{what} holds {len(inputs)} {x} and {values.shape} {y}: one target an "
            "input is needed"
        )
    if values.dtype.kind == "U" and names:
        places = {name: place for place, name in enumerate(names)}
        absent = next((str(v) for v in values if str(v) not in places), None)
        if absent is not None:
            raise errors.DataError(
                f"{y} of {what} has the class {errors.brief(absent)}, which "
                f"{errors.listed(names)} lacks"
            )
        values = np.array([places[str(v)] for v in values], np.int32)
    targets, found = labels.targets(values, kind, f"{y} of {what}", names)
    groups = given.get(_GROUPS) if part == examples.TRAIN else None
    if groups is not None:
        if groups.shape != (len(inputs),):
            raise errors.DataError(
                f"{what} holds {list(groups.shape)} groups for {len(inputs)} {x}"
            )
        _, groups = np.unique(groups, return_inverse=True)
    if isinstance(inputs, streams.Streamed):
        made = _streamed(inputs, targets, f"{x} of {what}")
    else:
        made = examples.of_arrays(inputs, targets)
    place = "example {} of {} in {}".format
    return (
        dataclasses.replace(made, groups=groups, where=lambda i: place(i, x, what)),
        found,
    )


def _streamed(
    inputs: streams.Streamed, targets: np.ndarray, what: str
) -> examples.Examples:
    first = stored(inputs.first, what)

    def read_chunks(positions: np.ndarray) -> Iterator[np.ndarray]:
        for chunk in inputs.read(positions):
            yield stored(chunk, what)

    return examples.Examples(
        targets, first.shape[1:], first.dtype, read_chunks, key=inputs.key
    )


def stored(values: np.ndarray, what: str) -> np.ndarray:
    """An array of inputs as splits hold them.

    uint8 stays, and [N, H, W] of it are gray pictures; every other number becomes
    float32.

    Raises:
        DataError: no numbers [N, ...].
    """
    if values.dtype.kind not in arrays.NUMBERS or values.ndim < 1 or not len(values):
        raise errors.DataError(
            f"{what} must be numbers [N, ...]; found {values.dtype} "
            f"{list(values.shape)}"
        )
    if values.dtype == np.uint8:
        return values[..., np.newaxis] if values.ndim == 3 else _columns(values)
    return _columns(values.astype(np.float32))


def _columns(values: np.ndarray) -> np.ndarray:
    return values[:, np.newaxis] if values.ndim == 1 else values
