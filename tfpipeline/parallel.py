"""Independent parts of one work on all cores of this process, nothing copied.

Threads share what they read. NumPy lets go of Python's lock in its loops and in BLAS,
which must then not spread each product over threads of its own: those mostly wait for
each other, on a busy machine for ten times as long as they compute.
"""

import contextlib
import functools
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent import futures
from typing import Any, TypeVar

import threadpoolctl

Part = TypeVar("Part")
Result = TypeVar("Result")

# Each part takes a few times its inputs.
THREADS = min(os.cpu_count() or 1, 8)


def mapped(function: Callable[[Part], Result], parts: Sequence[Part]) -> list[Result]:
    """`function` of each part, in their order; one after another where one is all.

    Args:
        function: of one part; NumPy's work for the most of its time.
        parts: independent of each other.
    """
    if len(parts) < 2 or THREADS < 2:
        return [function(part) for part in parts]
    with _BLAS.in_one_thread(), futures.ThreadPoolExecutor(THREADS) as threads:
        return list(threads.map(function, parts))


class _Blas:
    """The BLAS libraries of this process, and how many hold them to one thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._holders = 0
        self._limit: Any = None

    @functools.cached_property
    def _libraries(self) -> Any:
        # Looks through the loaded libraries, milliseconds; NumPy's is there by now.
        return threadpoolctl.ThreadpoolController().select(user_api="blas")

    @contextlib.contextmanager
    def in_one_thread(self) -> Iterator[None]:
        """Each call of BLAS uses one thread meanwhile, whoever makes it."""
        with self._lock:
            self._holders += 1
            if self._holders == 1:
                self._limit = self._libraries.limit(limits=1)
        try:
            yield
        finally:
            with self._lock:
                self._holders -= 1
                if not self._holders:
                    self._limit.restore_original_limits()


_BLAS = _Blas()
