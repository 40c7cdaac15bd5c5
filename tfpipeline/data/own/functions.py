"""Data that a function of one's own returns: `file.py:function`."""

import hashlib
import importlib
import importlib.util
import os
import pathlib
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from tfpipeline import errors
from tfpipeline.compat import tf
from tfpipeline.data import forms, iteration, specs, splits
from tfpipeline.data import request as requests
from tfpipeline.data.own import array_files, examples, streams
from tfpipeline.untrusted import code, damage

# Of dictionaries that a data set's elements may be.
_INPUT_NAMES = ("inputs", "image", "audio", "features", "x")
_TARGET_NAMES = ("targets", "label", "labels", "y")


def read(spec: specs.DatasetSpec, asked: requests.Request) -> splits.Dataset:
    """Calls the function without arguments and reads what it returns.

    That is a tf.data.Dataset of (input, target), batched or not; or a pair of arrays;
    or a dictionary of such by part: `train`, and where there are `validation`, `test`,
    and `class_names`. Its elements are read once, and once more where they are larger
    than memory.

    Raises:
        DataError: it fails, or returns something else.
        UsageError: there is no such function.
    """
    returned = _call(spec.where)
    if not isinstance(returned, Mapping):
        returned = {examples.TRAIN: returned}
    given: dict[str, np.ndarray | streams.Streamed] = {}
    for name, value in returned.items():
        if name == array_files.CLASS_NAMES:
            given[name] = np.array([str(each) for each in value])
            continue
        part = examples.PART_NAMES.get(str(name).lower())
        if part is None:
            raise errors.DataError(
                f"{spec.where} returned a part {errors.brief(name)}; parts are train, "
                "validation, test and class_names"
            )
        given[f"x_{part}"], given[f"y_{part}"] = _arrays(
            value, spec.where, asked.memory_bytes
        )
    return array_files.from_arrays(spec, asked, given, spec.where)


def _call(where: str) -> Any:
    source, name = forms.split_function(where)
    function = getattr(_module(source), name, None)
    if not callable(function):
        raise errors.UsageError(f"{source} has no function '{name}'")
    try:
        with code.contained():
            return function()
    except errors.PipelineError:
        raise
    # The function is anybody's.
    except Exception as error:
        raise errors.DataError(
            f"{where} failed: {type(error).__name__}: {damage.reason(error)}"
        ) from error


def _module(source: str) -> Any:
    try:
        if not source.endswith(".py"):
            with code.contained():
                return importlib.import_module(source)
        path = pathlib.Path(source).resolve()
        # A name of its own, so that no module of that name is in the way.
        name = f"own_{hashlib.sha256(os.fsencode(path)).hexdigest()[:12]}_{path.stem}"
        specification = importlib.util.spec_from_file_location(name, path)
        assert specification is not None and specification.loader is not None
        module = importlib.util.module_from_spec(specification)
        sys.modules[name] = module
        with code.contained():
            specification.loader.exec_module(module)
    except Exception as error:
        raise errors.UsageError(
            f"cannot import {source}: {type(error).__name__}: {damage.reason(error)}"
        ) from error
    return module


def _arrays(
    value: Any, where: str, limit: int | None
) -> tuple[np.ndarray | streams.Streamed, np.ndarray]:
    if isinstance(value, tf.data.Dataset):
        return from_tf_data(value, where, limit)
    if isinstance(value, (tuple, list)) and len(value) == 2:
        return np.asarray(value[0]), np.asarray(value[1])
    raise errors.DataError(
        f"{where} returned {type(value).__name__}; give a tf.data.Dataset of (input, "
        "target), a pair of arrays, or a dictionary of those by part"
    )


def from_tf_data(
    data: tf.data.Dataset, where: str, limit: int | None = None
) -> tuple[np.ndarray | streams.Streamed, np.ndarray]:
    """All inputs and targets of a data set of pairs, batched or not.

    Args:
        data: gives the same elements each time.
        where: names it in errors.
        limit: bytes of inputs that are kept in memory, as for `streams.read`.

    Raises:
        DataError: its elements are no pairs, differ in shape, or there are none; or
            its own functions fail.
    """
    take = _pair_of(data.element_spec, where)
    is_batched = _is_batched(take(data.element_spec))

    def chunks() -> Iterator[streams.Chunk]:
        try:
            for element in iteration.untuned(data).as_numpy_iterator():
                pair = [np.asarray(each) for each in take(element)]
                if not is_batched:
                    pair = [each[np.newaxis] for each in pair]
                yield pair[0], pair[1]
        except tf.errors.OpError as error:
            reason = damage.reason(Exception(error.message))
            raise errors.DataError(f"reading {where} failed: {reason}") from error

    inputs, targets = streams.read(
        lambda positions: streams.chosen(chunks(), positions), limit, where
    )
    return inputs, _texts(targets)


def _texts(values: np.ndarray) -> np.ndarray:
    if values.dtype != object:
        return values
    return np.array([each.decode("utf-8", "replace") for each in values.ravel()])


def _pair_of(spec: Any, where: str) -> Callable[[Any], tuple[Any, Any]]:
    if isinstance(spec, tuple) and len(spec) >= 2:
        return lambda element: (element[0], element[1])
    if isinstance(spec, dict):
        x = next((name for name in _INPUT_NAMES if name in spec), None)
        y = next((name for name in _TARGET_NAMES if name in spec), None)
        if x is not None and y is not None:
            return lambda element: (element[x], element[y])
    raise errors.DataError(
        f"{where} gives elements {errors.brief(spec)}; give pairs (input, target)"
    )


def _is_batched(pair: tuple[Any, Any]) -> bool:
    """Whether the first axis of both is the batch: of targets of rank 1 or 2."""
    x, y = (each.shape for each in pair)
    if x.rank is None or y.rank is None:
        return True
    return bool(y.rank >= 1 and x.rank >= 2 and x[0] == y[0])
