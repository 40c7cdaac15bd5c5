"""What a target of `python -m export` is: its flags, and its command."""

import dataclasses
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

from export import given
from tfpipeline.configs import fields
from tfpipeline.post_training import loss


@dataclasses.dataclass(frozen=True, eq=False)
class Prepared:
    """What a command is about to write.

    Attributes:
        contents: name, with "/" between folder and file -> text or bytes.
        report: lines for the user, made once the files are in the folder that it is
            given; None if they were to go nowhere.
        cost: what quantization after training cost, where there was any; what the user
            must not overlook of it is told behind all else.
    """

    contents: Mapping[str, str | bytes]
    report: Callable[[pathlib.Path | None], list[str]]
    cost: loss.Loss | None = None


@dataclasses.dataclass(frozen=True, eq=False)
class Target:
    """A target.

    Attributes:
        name: of --targets.
        title: what it is, for the flag's help.
        takes: what --model may be, for the flag's help.
        flags: its own, with their defaults. Targets may have one of the same name.
        prepare: (the network, its flags) -> files and report; raises a PipelineError.
        needs_output: whether there is nothing to do without --output.
    """

    name: str
    title: str
    takes: str
    flags: fields.Config
    prepare: Callable[[given.Given, Any], Prepared]
    needs_output: bool = True
