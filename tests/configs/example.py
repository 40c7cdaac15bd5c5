"""A config with a field of every kind, for the tests beside."""

import dataclasses
from typing import Annotated

from tfpipeline import errors
from tfpipeline.configs import fields
from tfpipeline.configs.fields import Flag, Group


def require_even(value: int) -> None:
    """Refuses odd numbers."""
    if value % 2:
        raise errors.UsageError(f"it must be even; found {value}")


@dataclasses.dataclass(frozen=True)
class Optimizer(fields.Config):
    """Nested, with a flag of another name."""

    name: Annotated[
        str, Flag("Which one.", choices=("adam", "sgd"), name="optimizer")
    ] = "adam"
    rate: Annotated[float, Flag("Highest rate.", low=0.0)] = 0.001
    nesterov: Annotated[bool, Flag("Its form.")] = False

    def check(self) -> None:
        """Nesterov's form is sgd's."""
        if self.nesterov and self.name != "sgd":
            raise errors.UsageError("--nesterov goes with --optimizer=sgd")


@dataclasses.dataclass(frozen=True)
class Run(fields.Config):
    """All of it."""

    optimizer: Annotated[Optimizer, Group("training")] = Optimizer(rate=0.5)
    milestones: Annotated[
        tuple[int, ...], Flag("Epochs.", low=1, group="training")
    ] = ()
    forms: Annotated[
        tuple[str, ...], Flag("What.", choices=("a", "b"), repeats=True)
    ] = ("a",)
    export: Annotated[tuple[str, ...], Flag("Where.")] = ()
    bits: Annotated[int | None, Flag("Width.", choices=(1, 8))] = None
    dropout: Annotated[float | None, Flag("Rate.", low=0.0, high=0.95)] = None
    batch_norm: Annotated[bool | None, Flag("Default: the network's own.")] = None
    normalize: Annotated[bool, Flag("Pixels in [-1, 1).")] = True
    policy: Annotated[str | None, Flag("YAML.", reads_file=True)] = None
    side: Annotated[int, Flag("Of images.", check=require_even)] = 32
    folder: Annotated[str | None, Flag("Of the run.", name="workdir")] = None
