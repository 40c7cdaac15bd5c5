"""What must be known of a network to feed it and to understand it, as a value.

It travels with every export: in a `.tflite` as its metadata, in C and in what a chip's
tools take as text.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

from tfpipeline import errors
from tfpipeline.audio import front_end as front_ends
from tfpipeline.data import preprocessing

# Of what `to_json` gives; the number changes with its meaning.
FORMAT = "tfpipeline 1"
_KEYS = frozenset({"format", "input", "reading", "front_end", "outputs", "task"})
_MAX_NAMES = 1 << 16


@dataclasses.dataclass(frozen=True)
class Metadata:
    """How a network is fed, and what it says.

    Attributes:
        preprocessing: what the network reads of a stored value, and the range of that.
        is_of_pixels: whether stored values are pixels, 0 to 255, so that an int8 input
            is the pixel less 128; else the network reads values as they are.
        names: of the outputs: classes, labels or columns. May be empty.
        reading: how data became inputs: flag -> value as JSON has it, such as
            `image_size`, `grayscale`, `columns` and `window`; docs/data.md.
        front_end: of sounds, where there is one.
        task: what the network learned, as `tasks.kind.Objective.to_dict` has it; empty
            where nobody said.
    """

    preprocessing: preprocessing.Preprocessing
    is_of_pixels: bool
    names: tuple[str, ...] = ()
    reading: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    front_end: front_ends.FrontEnd | None = None
    task: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """As JSON has it; `from_json` reads it."""
        found: dict[str, Any] = {
            "format": FORMAT,
            "input": {**self.preprocessing.to_dict(), "pixels": self.is_of_pixels},
        }
        if self.reading:
            found["reading"] = dict(self.reading)
        if self.front_end is not None:
            found["front_end"] = self.front_end.to_json()
        if self.names:
            found["outputs"] = list(self.names)
        if self.task:
            found["task"] = dict(self.task)
        return found


def from_json(values: Any, what: str) -> Metadata:
    """What `Metadata.to_json` gave.

    Args:
        values: of a file; nothing is taken on trust.
        what: names the file in an error.

    Raises:
        DamagedFileError: it is no such thing.
    """
    if not isinstance(values, Mapping) or not values.keys() <= _KEYS:
        raise _damaged(what, "it has other keys")
    given = values.get("input")
    if not isinstance(given, Mapping) or not isinstance(given.get("pixels"), bool):
        raise _damaged(what, "it does not say what the input is")
    numbers = {key: value for key, value in given.items() if key != "pixels"}
    names, reading = values.get("outputs", []), values.get("reading", {})
    task = values.get("task", {})
    if not isinstance(names, list) or not all(isinstance(x, str) for x in names):
        raise _damaged(what, "names of outputs are texts")
    if len(names) > _MAX_NAMES:
        raise _damaged(what, f"it has over {_MAX_NAMES:,} names")
    if not isinstance(reading, Mapping) or not isinstance(task, Mapping):
        raise _damaged(what, "it has no dictionaries where they belong")
    heard = values.get("front_end")
    try:
        found = preprocessing.from_dict(numbers)
    except errors.DataError as error:
        raise _damaged(what, str(error)) from error
    return Metadata(
        found,
        given["pixels"],
        tuple(names),
        reading,
        None if heard is None else front_ends.from_json(heard, what),
        task,
    )


def _damaged(what: str, why: str) -> errors.DamagedFileError:
    return errors.DamagedFileError(f"{what} has damaged metadata: {why}")
