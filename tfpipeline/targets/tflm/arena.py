"""The smallest tensor arena that a network runs in, found without risking the parent.

An arena that is too small can end Python by SIGSEGV, so every size is tried in a child.
Sizes are this machine's (64-bit): the interpreter's own structures hold pointers, so a
32-bit microcontroller needs less.
"""

import dataclasses
import re
import time

from tfpipeline import errors
from tfpipeline.targets.tflm import flatbuffer, interpreter, pool, ports

# TFLite Micro aligns the arena and its parts to 16 bytes (MicroArenaBufferAlignment,
# tensorflow/lite/micro/memory_helpers.h).
ALIGNMENT = 16

# First step above the recorded total, doubled until a size runs. The total leaves out
# temporary memory of the planning: 0 to 48 bytes for the networks of the tests, about
# 1 KiB for MLPerf Tiny's anomaly detection (recorded 3,984, fails in 4,480, runs in
# 5,120).
FIRST_STEP_BYTES = 64

DEFAULT_TIMEOUT_SECONDS = 120.0

_RECORDED = re.compile(r"Arena allocation (total|head|tail) (\d+) bytes")


@dataclasses.dataclass(frozen=True)
class ArenaReport:
    """The smallest arena: `arena_bytes` runs with the right result.

    `is_smallest` says that `arena_bytes - 16` was tried and does not; it is false only
    when the time limit ended the search. `recorded_*` is what the interpreter recorded
    in a generous arena: the head holds activations, the tail persistent structures.
    """

    arena_bytes: int
    is_smallest: bool
    recorded_total_bytes: int
    recorded_head_bytes: int
    recorded_tail_bytes: int
    sizes_tried: tuple[int, ...]
    failure_below: str


def find_arena(
    model: bytes, *, timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS
) -> ArenaReport:
    """Finds the smallest arena, a multiple of 16 bytes, that the network runs in.

    Starts at the total that the interpreter records in a generous arena, which is the
    answer for most networks; steps up where it does not run, and down where the next
    smaller size runs as well. A size counts as running when the output of a random
    image equals that of the generous arena.

    Raises:
        ExportError: the network does not run in TFLite Micro at all.
        VerificationError: no size was found within `timeout_seconds`.
    """
    deadline = time.monotonic() + timeout_seconds
    search = _Search(model, deadline)
    recorded = search.record()
    total = _align(recorded["total"])
    runs, fails = search.bracket(total)
    while runs - fails > ALIGNMENT and time.monotonic() < deadline:
        middle = _align((runs + fails) // 2 - ALIGNMENT // 2)
        if search.runs_in(middle):
            runs = middle
        else:
            fails = middle
    return ArenaReport(
        arena_bytes=runs,
        is_smallest=runs - fails == ALIGNMENT,
        recorded_total_bytes=recorded["total"],
        recorded_head_bytes=recorded["head"],
        recorded_tail_bytes=recorded["tail"],
        sizes_tried=tuple(search.tried),
        failure_below=search.tried.get(fails) or "not tried",
    )


class _Search:
    """The sizes tried so far, each with why it failed, or None where it ran."""

    def __init__(self, model: bytes, deadline: float):
        self.tried: dict[int, str | None] = {}
        self._model = model
        self._deadline = deadline
        self._program = flatbuffer.require_integer(model)
        self._inputs = interpreter.random_inputs(self._program, 1)
        self._expected: ports.Arrays = ()

    def record(self) -> dict[str, int]:
        """Runs in a generous arena and returns the recorded total, head and tail."""
        size = interpreter.generous_arena_bytes(self._program)
        [reply] = self._run([size], report=True)
        if reply.failure is not None:
            self._check_time()  # a run that was cut short says nothing of the network
            raise errors.ExportError(f"TFLite Micro {reply.failure}")
        self._expected = ports.listed(ports.OUTPUT, reply.arrays)
        recorded = {name: int(n) for name, n in _RECORDED.findall(reply.stderr)}
        if recorded.keys() != {"total", "head", "tail"}:
            raise errors.VerificationError(
                "TFLite Micro printed no 'Arena allocation total, head, tail': is the "
                "pinned tflite-micro installed?"
            )
        return recorded

    def bracket(self, start: int) -> tuple[int, int]:
        """Returns a size that runs and a smaller one that does not."""
        step = ALIGNMENT
        starts_well, _ = self.try_sizes(start, start - step)
        if starts_well:
            size = start
            while size > step and self.runs_in(size - step):
                size -= step
                step *= 2
                self._check_time()
            return size, max(size - step, 0)
        size, step = start, FIRST_STEP_BYTES
        while not self.runs_in(size + step):
            size += step
            step *= 2
            self._check_time()
        return size + step, size

    def runs_in(self, size: int) -> bool:
        """Whether the network runs in `size` bytes with the expected output."""
        return self.try_sizes(size)[0]

    def try_sizes(self, *sizes: int) -> list[bool]:
        """Whether the network runs in each of `sizes`, tried at the same time."""
        new = [size for size in sizes if size not in self.tried]
        for size, reply in zip(new, self._run(new), strict=True):
            failure = reply.failure
            if failure is None and not ports.are_equal(
                ports.listed(ports.OUTPUT, reply.arrays), self._expected
            ):
                failure = "ran with a wrong result"
            self.tried[size] = failure
        return [self.tried[size] is None for size in sizes]

    def _run(self, sizes: list[int], *, report: bool = False) -> list[pool.Reply]:
        jobs = [
            pool.Job(
                "tflm_predict",
                self._model,
                ports.named(ports.INPUT, self._inputs),
                {
                    "arena_bytes": size,
                    "report": report,
                    "outputs": len(self._program.outputs),
                },
            )
            for size in sizes
        ]
        remaining = max(self._deadline - time.monotonic(), 1.0)
        return pool.run(jobs, processes=2, timeout_seconds=remaining)

    def _check_time(self) -> None:
        if time.monotonic() > self._deadline:
            raise errors.VerificationError(
                f"no arena was found in time; tried {sorted(self.tried)} bytes"
            )


def _align(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT
