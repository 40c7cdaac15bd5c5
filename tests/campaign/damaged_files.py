"""Damaged files through the readers, each with a limit on time and memory.

A child process reads; it ends with a reader that crashes, and another one goes on.
"""

import dataclasses
import multiprocessing
import pathlib
import resource
import signal
import tempfile
import time
import traceback
import warnings
import zlib
from collections.abc import Sequence
from multiprocessing.connection import Connection
from types import FrameType
from typing import NoReturn

import numpy as np

from tests.campaign import part, readers
from tfpipeline import errors

# Of a processor, for files that are read in milliseconds.
CPU_SECONDS = 10
# Beside what the process has: samples are of kilobytes.
MEMORY_BYTES = 1 << 30
# Without a word from the child: code in C does not end with the limit of time.
_SILENT_SECONDS = 120


class _TooLongError(BaseException):
    """Raised by the clock; no reader catches it."""


@dataclasses.dataclass(frozen=True)
class Trial:
    """A reader, right files, and where it finds damaged ones."""

    reader: readers.Reader
    samples: Sequence[bytes]
    path: pathlib.Path


def run(limits: part.Limits, found: part.Findings) -> None:
    """Tries the readers in turn, until the limits forbid another file."""
    with tempfile.TemporaryDirectory(dir=_memory()) as folder:
        trials = prepare(pathlib.Path(folder))
        order = schedule([trial.reader for trial in trials])
        first = 0
        while limits.allow(first):
            first = read_from(first, limits, [trials[place] for place in order], found)
    found.notes.append(
        f"{len(trials)} readers; {CPU_SECONDS} s of a processor and "
        f"{MEMORY_BYTES >> 20} MiB each"
    )


def prepare(folder: pathlib.Path) -> list[Trial]:
    """A folder for each reader, which reads all its right files there.

    Raises:
        PipelineError: it does not.
    """
    trials = []
    for place, reader in enumerate(readers.readers()):
        trial = Trial(reader, reader.samples(), folder / str(place) / reader.file)
        for name, data in reader.beside().items():
            beside = folder / str(place) / name
            beside.parent.mkdir(parents=True, exist_ok=True)
            beside.write_bytes(data)
        trial.path.parent.mkdir(parents=True, exist_ok=True)
        for sample in trial.samples:
            trial.path.write_bytes(sample)
            reader.read(trial.path)
        trials.append(trial)
    return trials


def schedule(tried: Sequence[readers.Reader]) -> list[int]:
    """Places of readers, each as often as its weight, spread evenly."""
    turns = [
        ((turn + 0.5) / reader.weight, place)
        for place, reader in enumerate(tried)
        for turn in range(reader.weight)
    ]
    return [place for _, place in sorted(turns)]


def damaged(trial: Trial, seed: int, case: int) -> bytes:
    """The file of a case: the same for the same seed."""
    name = zlib.crc32(trial.reader.name.encode())
    random = np.random.default_rng([seed, name, case])
    sample = trial.samples[random.integers(len(trial.samples))]
    return trial.reader.damage(sample, random)


def is_refused(reader: readers.Reader, path: pathlib.Path) -> bool:
    """Whether a reader refuses a file, by one line.

    Raises:
        AssertionError: its error is not one line.
    """
    try:
        reader.read(path)
    except errors.PipelineError as error:
        told = str(error)
        assert told.strip(), "the error says nothing"
        assert "\n" not in told, f"the error has lines: {told[:200]!r}"
        return True
    return False


def read_from(
    first: int, limits: part.Limits, trials: Sequence[Trial], found: part.Findings
) -> int:
    """Runs cases from `first` in a child until it ends; returns the next one."""
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    process = context.Process(target=_read, args=(theirs, limits, trials, first))
    process.start()
    theirs.close()
    begun = first
    died = f"hung for {_SILENT_SECONDS} s"
    try:
        while ours.poll(_SILENT_SECONDS):
            begun, counts, faults = ours.recv()
            found.counts.update(counts)
            found.faults += faults
        process.kill()
    except EOFError:
        process.join()
        died = f"ended with {process.exitcode}"
    process.join()
    if process.exitcode == 0:
        return begun
    if begun == first:
        raise RuntimeError(f"the process that reads {died} before it read anything")
    reader = trials[(begun - 1) % len(trials)].reader
    found.fault(f"{reader.name}: the reader {died}", seed=limits.seed, case=begun - 1)
    return begun


def _read(
    pipe: Connection, limits: part.Limits, trials: Sequence[Trial], case: int
) -> None:
    """Sends how many cases have begun, and what came of each."""
    signal.signal(signal.SIGPROF, _too_long)
    warnings.simplefilter("error")
    _limit_memory()
    while limits.allow(case):
        trial = trials[case % len(trials)]
        case += 1
        pipe.send((case, {}, []))
        outcome, faults = one(trial, limits.seed, case - 1)
        counts = {"files": 1, outcome: 1, f"{trial.reader.name}: {outcome}": 1}
        pipe.send((case, counts, faults))


def one(trial: Trial, seed: int, case: int) -> tuple[str, list[dict]]:
    """What came of a case, in a word, and the fault if it is one."""
    trial.path.write_bytes(damaged(trial, seed, case))
    signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS)
    begin = time.process_time()
    try:
        refused = is_refused(trial.reader, trial.path)
        return ("refused" if refused else "read"), []
    except (Exception, _TooLongError) as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        what = (
            f"{trial.reader.name}: {type(error).__name__}: {str(error)[:200]} "
            f"({pathlib.Path(last.filename).name}:{last.lineno}), after "
            f"{time.process_time() - begin:.1f} s"
        )
        return "faults", [{"what": what, "seed": seed, "case": case}]
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def _too_long(number: int, frame: FrameType | None) -> NoReturn:
    raise _TooLongError(f"over {CPU_SECONDS} s of a processor")


def _limit_memory() -> None:
    pages = int(pathlib.Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + MEMORY_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def _memory() -> str | None:
    """A folder that is no disk, where there is one."""
    return "/dev/shm" if pathlib.Path("/dev/shm").is_dir() else None
