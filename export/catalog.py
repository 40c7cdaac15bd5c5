"""The targets that a network can be exported for."""

from export.c import command as c
from export.ethosu import command as ethosu
from export.gap8 import command as gap8
from export.max78000 import command as max78000
from export.target import Target
from export.tflite import command as tflite
from export.tflm import command as tflm
from tfpipeline import errors

ALL: tuple[Target, ...] = (
    tflite.INT8,
    tflite.INT16X8,
    tflm.TARGET,
    max78000.TARGET,
    max78000.MAX78002,
    gap8.TARGET,
    c.TARGET,
    ethosu.TARGET,
)


def named(name: str) -> Target:
    """The target of this name.

    Raises:
        UsageError: there is none; lists those that exist.
    """
    for target in ALL:
        if target.name == name:
            return target
    raise errors.UsageError(
        f"unknown target '{name}': choose of {', '.join(target.name for target in ALL)}"
    )
