"""What a Python caller gives, as the commands take it: flags, networks and arrays."""

import contextlib
import difflib
import os
import pathlib
import tempfile
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from tfpipeline import errors
from tfpipeline.configs import fields
from tfpipeline.configs.fields import ConfigT


def config(default: ConfigT, flags: Mapping[str, Any], command: str) -> ConfigT:
    """A command's config with some flags.

    Args:
        default: of the command.
        flags: by name; a path stands for its text, one text for a list of one.
        command: its name, for the message.

    Raises:
        UsageError: there is no such flag, or a value cannot be.
    """
    known = {leaf.name: leaf for leaf, _ in fields.leaves(default)}
    values = {}
    for name, value in flags.items():
        if name not in known:
            close = difflib.get_close_matches(name, list(known), n=1)
            tip = f" (did you mean {close[0]}?)" if close else ""
            raise errors.UsageError(f"{command} takes no '{name}'{tip}")
        if isinstance(value, pathlib.Path):
            value = str(value)
        if known[name].is_tuple and isinstance(value, str):
            value = (value,)
        values[name] = value
    try:
        return fields.replaced(default, values)
    except TypeError as error:
        raise errors.UsageError(
            f"{command}: a value of another type: {error}"
        ) from None


@contextlib.contextmanager
def model_text(model: Any) -> Iterator[str]:
    """What `--model` says for a network; a Keras model is a file as long as it lasts.

    Raises:
        UsageError: it is neither text, nor a path, nor a Keras model.
    """
    if isinstance(model, str | os.PathLike):
        yield os.fspath(model)
        return
    if not hasattr(model, "save") or not hasattr(model, "layers"):
        raise errors.UsageError(
            "a network is what --model takes, a built Keras model, or the results of a "
            f"run; found {type(model).__name__}"
        )
    with tempfile.TemporaryDirectory() as folder:
        # Its name is the network's, which exports have in their C.
        path = pathlib.Path(folder) / f"{getattr(model, 'name', '') or 'network'}.keras"
        model.save(path)
        yield str(path)


@contextlib.contextmanager
def arrays_text(data: Any) -> Iterator[str | None]:
    """What a flag says for data; arrays are a file as long as it lasts.

    Args:
        data: text, a path, None, an array, or arrays by name.
    """
    if data is None or isinstance(data, str | os.PathLike):
        yield None if data is None else os.fspath(data)
        return
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "data"
        if isinstance(data, Mapping):
            np.savez(path.with_suffix(".npz"), **data)
            yield str(path.with_suffix(".npz"))
        else:
            np.save(path.with_suffix(".npy"), np.asarray(data))
            yield str(path.with_suffix(".npy"))
