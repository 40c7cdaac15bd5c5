"""Which things hold data at the same times, told without asking all of them."""

import collections
from typing import Generic, TypeVar

_T = TypeVar("_T")


class Alive(Generic[_T]):
    """Things that live from one time to another, both included.

    What meets a span is what is alive at its first time and what begins later in it, so
    that everything is told once, however long it lives.
    """

    def __init__(self) -> None:
        self._living: dict[int, list[_T]] = collections.defaultdict(list)
        self._beginning: dict[int, list[_T]] = collections.defaultdict(list)

    def add(self, thing: _T, first: int, last: int) -> None:
        """Adds what lives from `first` to `last`."""
        self._beginning[first].append(thing)
        for time in range(first, last + 1):
            self._living[time].append(thing)

    def during(self, first: int, last: int) -> list[_T]:
        """What lives at any time from `first` to `last`."""
        found = list(self._living.get(first, ()))
        for time in range(first + 1, last + 1):
            found += self._beginning.get(time, ())
        return found
