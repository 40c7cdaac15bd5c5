"""Inputs that come one after another, the same ones each time, and may be too many.

They are read once to see all targets. As long as they fit, they are kept; of more than
that only a digest is, and they are read again when they are written to the disk
(`stored_inputs`).
"""

import dataclasses
import hashlib
from collections.abc import Callable, Iterator

import numpy as np

from tfpipeline import errors
from tfpipeline.data.own import stored_inputs

# (chunk of inputs [m, ...], their targets [m, ...]).
Chunk = tuple[np.ndarray, np.ndarray]
# Positions int64, ascending, or None for all -> chunks.
Source = Callable[[np.ndarray | None], Iterator[Chunk]]


@dataclasses.dataclass(frozen=True, eq=False)
class Streamed:
    """Inputs of a part that are not in memory.

    Attributes:
        first: the first input [1, ...], as it comes.
        count: how many there are.
        key: digest of all of them.
        source: gives them again.
    """

    first: np.ndarray
    count: int
    key: str
    source: Source

    def __len__(self) -> int:
        return self.count

    def read(self, positions: np.ndarray) -> Iterator[np.ndarray]:
        """Chunks of the inputs at `positions`, ascending."""
        for inputs, _ in self.source(positions):
            yield inputs


def read(
    source: Source, limit: int | None, what: str
) -> tuple[np.ndarray | Streamed, np.ndarray]:
    """All inputs, or what gives them, and all targets.

    Args:
        source: of the elements.
        limit: bytes of inputs that are kept; None: a quarter of the machine's memory.
        what: names them in errors.

    Raises:
        DataError: there are none, or they differ in shape.
    """
    limit = stored_inputs.limit_bytes(limit)
    kept: list[np.ndarray] | None = []
    targets, digest, count, num_bytes = [], hashlib.sha256(), 0, 0
    first: np.ndarray | None = None
    for inputs, values in source(None):
        if first is None:
            first = inputs[:1].copy()
        if inputs.shape[1:] != first.shape[1:]:
            raise errors.DataError(
                f"{what} gives inputs of shapes {list(first.shape[1:])} and "
                f"{list(inputs.shape[1:])}; bring them to one"
            )
        targets.append(values)
        count += len(inputs)
        num_bytes += inputs.nbytes
        digest.update(f"{inputs.dtype}{inputs.shape}".encode())
        digest.update(np.ascontiguousarray(inputs).data)
        if kept is not None:
            kept.append(inputs)
            if num_bytes > limit:
                kept = None
    if first is None:
        raise errors.DataError(f"{what} gives no example")
    labels = np.concatenate(targets)
    if kept is not None:
        return np.concatenate(kept), labels
    return Streamed(first, count, digest.hexdigest(), source), labels


def chosen(chunks: Iterator[Chunk], positions: np.ndarray | None) -> Iterator[Chunk]:
    """Of chunks of all elements, those elements that are at `positions`."""
    start = 0
    for inputs, targets in chunks:
        if positions is None:
            yield inputs, targets
        else:
            low, high = np.searchsorted(positions, (start, start + len(inputs)))
            inside = positions[low:high] - start
            if len(inside):
                yield inputs[inside], targets[inside]
        start += len(inputs)
