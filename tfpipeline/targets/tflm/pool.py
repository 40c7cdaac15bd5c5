"""Jobs that run in child processes, because the interpreters are C++ and may crash.

An arena that is too small, or a damaged file, can end a process by a signal. Each job
therefore runs in a child of its own (`worker.py`), which never imports TensorFlow and
starts in about 0.3 s; a crash becomes a value here.
"""

import collections
import contextlib
import dataclasses
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

import tfpipeline
from tfpipeline import errors, leftovers

Arrays = Mapping[str, npt.NDArray[Any]]

# How often running children are looked at. A child takes 0.3 s at least.
POLL_SECONDS = 0.01

# How much of a failed child's stderr is quoted.
MAX_MESSAGE_CHARACTERS = 400

DEFAULT_TIMEOUT_SECONDS = 3600.0

WORKER = "tfpipeline.targets.tflm.worker"


@dataclasses.dataclass(frozen=True)
class Job:
    """One call of a task of `worker.TASKS` with a network, arrays and plain options."""

    task: str
    model: bytes
    arrays: Arrays = dataclasses.field(default_factory=dict)
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Reply:
    """What a job left: `arrays` and `values`, or `failure`, a phrase that says why."""

    arrays: Arrays = dataclasses.field(default_factory=dict)
    values: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    stderr: str = ""
    failure: str | None = None
    timed_out: bool = False


def run(
    jobs: Sequence[Job],
    *,
    processes: int = 2,
    timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
    done: Callable[[int], None] | None = None,
) -> list[Reply]:
    """Runs `jobs`, at most `processes` at a time, and returns replies in their order.

    A job that fails, crashes or is not done `timeout_seconds` after the start of `run`
    has its `failure` set; nothing is raised for it. `done` is called with the position
    of each job that ended by itself.

    Raises:
        StorageError: the temporary folder cannot be written.
    """
    deadline = time.monotonic() + timeout_seconds
    waiting = collections.deque(enumerate(jobs))
    replies: list[Reply] = [Reply()] * len(jobs)
    with _temporary_folder() as root, contextlib.ExitStack() as stack:
        running: dict[int, _Child] = {}
        while waiting or running:
            while waiting and len(running) < processes:
                number, job = waiting.popleft()
                running[number] = stack.enter_context(_start(job, root / str(number)))
            for number, child in list(running.items()):
                code = child.process.poll()
                late = time.monotonic() > deadline
                if code is not None:
                    replies[number] = _reply(child.folder, code)
                    del running[number]
                    if done is not None:
                        done(number)
                elif late:
                    child.process.kill()
                    child.process.wait()
                    replies[number] = Reply(
                        failure=f"was not done after {timeout_seconds:g} s",
                        timed_out=True,
                    )
                    del running[number]
            time.sleep(POLL_SECONDS)
    return replies


def map_images(
    job: Job,
    images: npt.NDArray[Any],
    *,
    who: str,
    processes: int,
    timeout_seconds: float,
    part_size: int | None = None,
    done: Callable[[int], None] | None = None,
) -> list[Arrays]:
    """Runs `job` on consecutive parts of `images`, one part a process.

    With `part_size` parts have at most as many images, and `done` is called with the
    number of images of every part that is done.

    Returns:
        The arrays of the parts, in their order.

    Raises:
        VerificationError: "`who` ..." with the failure, such as the exit signal.
        UsageError: `processes` is not positive.
        StorageError: the temporary folder cannot be written.
    """
    if processes < 1:
        raise errors.UsageError(f"processes must be at least 1; found {processes}")
    count = min(processes, len(images))
    if part_size is not None:
        count = max(count, -(-len(images) // part_size))
    parts = np.array_split(images, count)
    jobs = [
        dataclasses.replace(job, arrays={**job.arrays, "images": part})
        for part in parts
    ]
    replies = run(
        jobs,
        processes=processes,
        timeout_seconds=timeout_seconds,
        done=done and (lambda number: done(len(parts[number]))),
    )
    for reply in replies:
        if reply.failure is not None:
            raise errors.VerificationError(f"{who} {reply.failure}")
    return [reply.arrays for reply in replies]


@dataclasses.dataclass(frozen=True)
class _Child:
    process: subprocess.Popen[bytes]
    folder: pathlib.Path


@contextlib.contextmanager
def _temporary_folder() -> Iterator[pathlib.Path]:
    try:
        with leftovers.scratch_folder() as root:
            yield root
    except OSError as error:
        raise errors.StorageError(
            f"cannot write to the temporary folder {tempfile.gettempdir()}: "
            f"{error.strerror or error}. Free space or set TMPDIR."
        ) from error


@contextlib.contextmanager
def _start(job: Job, folder: pathlib.Path) -> Iterator[_Child]:
    folder.mkdir()
    (folder / "model.tflite").write_bytes(job.model)
    arrays: dict[str, Any] = dict(job.arrays)
    np.savez(folder / "arrays.npz", **arrays)
    request = {"task": job.task, "options": dict(job.options)}
    (folder / "request.json").write_text(json.dumps(request), encoding="utf-8")
    environment = dict(os.environ)
    # A process a core is the caller's choice; more threads in each would only wait.
    environment["OPENBLAS_NUM_THREADS"] = "1"
    # The child must find this very package whatever the parent's sys.path came from.
    package_root = str(pathlib.Path(tfpipeline.__file__).resolve().parent.parent)
    environment["PYTHONPATH"] = os.pathsep.join(
        filter(None, [package_root, environment.get("PYTHONPATH")])
    )
    with (folder / "stderr.txt").open("wb") as stderr:
        process = subprocess.Popen(
            # -P: the working folder is no place to import from.
            [sys.executable, "-P", "-m", WORKER, str(folder)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            env=environment,
        )
    try:
        yield _Child(process, folder)
    finally:
        # Reached early only when the parent is interrupted.
        if process.poll() is None:
            process.kill()
            process.wait()


def _reply(folder: pathlib.Path, code: int) -> Reply:
    stderr = (folder / "stderr.txt").read_text(encoding="utf-8", errors="replace")
    if code != 0:
        return Reply(stderr=stderr, failure=_failure(code, stderr))
    values = json.loads((folder / "values.json").read_text(encoding="utf-8"))
    with np.load(folder / "results.npz", allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in stored.files}
    return Reply(arrays=arrays, values=values, stderr=stderr)


def _failure(code: int, stderr: str) -> str:
    if code < 0:
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = f"signal {-code}"
        return f"crashed with {name}"
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    message = " | ".join(lines)[-MAX_MESSAGE_CHARACTERS:]
    return f"failed with exit code {code}: {message or 'no message'}"
