"""Arrays of a network's inputs or outputs, by names that go through a file."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
# One array `[N, ...]` for each input or output, N the same for all.
Arrays = tuple[Array, ...]

INPUT, OUTPUT = "input", "output"


def named(role: str, arrays: Sequence[Array]) -> dict[str, Array]:
    """`input0`, `input1`, ... -> the arrays of that role."""
    return {f"{role}{i}": array for i, array in enumerate(arrays)}


def listed(role: str, arrays: Mapping[str, Array]) -> Arrays:
    """What `named` was given."""
    count = sum(name.startswith(role) for name in arrays)
    return tuple(arrays[f"{role}{i}"] for i in range(count))


def joined(parts: Sequence[Arrays]) -> Arrays:
    """Parts one behind the other, input by input or output by output."""
    return tuple(np.concatenate(arrays) for arrays in zip(*parts, strict=True))


def are_equal(first: Sequence[Array], second: Sequence[Array]) -> bool:
    """Whether two lists of arrays are the same."""
    return len(first) == len(second) and all(map(np.array_equal, first, second))
