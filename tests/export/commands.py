"""`python -m export` in this process."""

import dataclasses
import importlib
import os
from typing import Any

from export import catalog

# The program; a module cannot be imported by this name with `from`.
program = importlib.import_module("export.__main__")

_SHARED = (
    *("calibration", "input_range", "per_tensor", "no_calibration"),
    *("own", "calibrating"),
)


def run(
    target: str,
    model: str | os.PathLike[str],
    output: str | os.PathLike[str] | None = None,
    **flags: object,
) -> list[str]:
    """Exports for one target; returns the lines for the user.

    Args:
        target: its name.
        model: of --model.
        output: of --output.
        **flags: fields of the target's flags, and of those of all targets; `sound`, the
            front end.
    """
    shared = {name: flags.pop(name) for name in _SHARED if name in flags}
    if "sound" in flags:
        shared["calibrating"] = program.Calibrating(sound=flags.pop("sound"))
    given = changed(target, **flags)
    command = program.Command(
        model=os.fspath(model),
        targets=(target,),
        output=None if output is None else os.fspath(output),
        **{target: given},
        **shared,
    )
    return list(program.run(command))


def changed(target: str, **flags: object) -> Any:
    """The flags of a target with other values."""
    return dataclasses.replace(catalog.named(target).flags, **flags)
