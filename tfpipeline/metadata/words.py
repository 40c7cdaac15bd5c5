"""Metadata of a network in words, for a README and for comments."""

import textwrap
from typing import Any

from tfpipeline.metadata import model_metadata


def lines(found: model_metadata.Metadata) -> list[str]:
    """What to feed and what comes out, one sentence or list a line."""
    read = found.preprocessing
    limits = f"in [{read.low:.9g}, {read.high:.9g}]"
    if found.is_of_pixels:
        told = [
            f"Input: pixels of 0 to 255 as (pixel - {read.zero:g}) * {read.scale:.9g}, "
            f"{limits}; an int8 input is pixel - 128."
        ]
    else:
        told = [f"Input: values as they are, {limits}."]
    told += [f"{_title(name)}: {_value(x)}." for name, x in found.reading.items()]
    if found.front_end is not None:
        parameters = found.front_end.to_json()
        kind = parameters.pop("kind")
        values = ", ".join(f"{name} {value:g}" for name, value in parameters.items())
        told.append(f"Front end: {kind}, {values}.")
    if found.task:
        told += _task(found)
    if found.names:
        told.append(f"Outputs: {', '.join(found.names)}.")
    return told


def wrapped(found: model_metadata.Metadata, width: int = 88) -> list[str]:
    """`lines`, none longer than `width`."""
    return [
        row
        for line in lines(found)
        for row in textwrap.wrap(line, width, subsequent_indent="  ")
    ]


def section(found: model_metadata.Metadata | None) -> str:
    """A section of a README; empty without metadata."""
    if found is None:
        return ""
    rows = "".join(f"{row}\n" for row in wrapped(found))
    return f"\nInput and output\n----------------\n{rows}"


def _task(found: model_metadata.Metadata) -> list[str]:
    told = [f"Task: {found.task.get('name', 'classification')}."]
    mean, deviation = found.task.get("mean"), found.task.get("deviation")
    if isinstance(mean, list) and isinstance(deviation, list):
        told += [
            f"Value {place} = output * {scale:.9g} + {offset:.9g}."
            for place, (scale, offset) in enumerate(zip(deviation, mean, strict=False))
        ]
    return told


def _title(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _value(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
