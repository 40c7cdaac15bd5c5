"""What networks take of waves. A further front end is an entry here."""

import dataclasses
from collections.abc import Callable

import numpy as np

from tfpipeline import errors

NONE = "none"


@dataclasses.dataclass(frozen=True)
class FrontEnd:
    """Features of waves.

    Attributes:
        name: of the front end.
        rate: sample rate of the waves, Hz.
        features: float32 [N, samples] to float32 [N, ...].
    """

    name: str
    rate: int
    features: Callable[[np.ndarray], np.ndarray] = dataclasses.field(repr=False)


# Name -> (sample rate in Hz) -> its features, as FrontEnd has them.
MAKERS: dict[str, Callable[[int], Callable[[np.ndarray], np.ndarray]]] = {
    # A channel, as one-dimensional convolutions take it.
    NONE: lambda rate: lambda waves: waves[..., np.newaxis],
}


def named(name: str, rate: int) -> FrontEnd:
    """The front end `name` for waves of a sample rate.

    Raises:
        UsageError: there is none of that name.
    """
    if name not in MAKERS:
        raise errors.UsageError(
            f"--front_end must be one of {', '.join(MAKERS)}; found {name!r}"
        )
    return FrontEnd(name, rate, MAKERS[name](rate))
