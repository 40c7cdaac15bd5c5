"""What flags said of data, as metadata of a network, and back."""

from collections.abc import Mapping
from typing import Any

from tfpipeline.configs import fields, images
from tfpipeline.metadata import model_metadata

# Flags that decide what a stored input is; others choose among examples.
_READING = (
    *("image_size", "grayscale", "label", "columns", "window", "stride"),
    "clip_seconds",
)
# Parameter of a front end -> its flag, where that has another name.
_HEARD = {
    "kind": "front_end",
    "coefficients": "mfcc",
    "low_hertz": "mel_low_hertz",
    "high_hertz": "mel_high_hertz",
}


def reading(given: images.Examples) -> dict[str, Any]:
    """`Metadata.reading` of flags: those that are not at their defaults."""
    is_heard = given.sound.value is not None
    return {
        leaf.name: list(value) if leaf.is_tuple else value
        for leaf, value in fields.leaves(given)
        if leaf.name in _READING
        and value != leaf.default
        # Which the front end says then.
        and not (leaf.name == "clip_seconds" and is_heard)
    }


def of(found: model_metadata.Metadata) -> Mapping[str, Any]:
    """Flag -> value, of data that are like those of a network."""
    values = {name: x for name, x in found.reading.items() if name in _READING}
    if found.front_end is not None:
        parameters = found.front_end.to_json()
        values |= {_HEARD.get(name, name): x for name, x in parameters.items()}
    return values
