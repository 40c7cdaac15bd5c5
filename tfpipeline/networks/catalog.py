"""The registered networks as graphs: no TensorFlow, no weights, BatchNorm folded.

An outline for each (`NAME.json` beside this file) is what the Keras reader makes of the
network's default build; `python -m tests.golden.network_outlines` writes them again.
"""

import functools
import pathlib

from tfpipeline import errors
from tfpipeline.ir import graph, serialize

_FOLDER = pathlib.Path(__file__).parent

# The width of weights that a network's study gave it, where it is not 8 bits.
WEIGHT_BITS = {"facenet_v3": 4}
# Likewise of activations; a target whose weights are as wide takes it for both.
ACTIVATION_BITS = {"reid_squeezenet": 16}


@functools.cache
def names() -> tuple[str, ...]:
    """All networks, sorted."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.json")))


def load(name: str) -> graph.Graph:
    """The network called `name` as a float graph whose constants are all ones.

    Raises:
        UsageError: no such network; lists the names.
    """
    if name not in names():
        raise errors.UsageError(
            f"unknown model '{name}'; choose one of: {', '.join(names())}"
        )
    return serialize.read(outline(name))


def outline(name: str) -> pathlib.Path:
    """The file of the network called `name`."""
    return _FOLDER / f"{name}.json"
