"""Jobs that run in child processes, because the interpreters are C++ and may crash.

An arena that is too small, or a damaged file, can end a process by a signal. Each job
therefore runs in a child of its own (`worker.py`), which never imports TensorFlow; a
crash becomes a value here. Children are forks of one process that has imported what
they need (`job_server.py`); it is started by the first job and lives as long as we do.
"""

import atexit
import collections
import contextlib
import dataclasses
import json
import os
import pathlib
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

import tfpipeline
from tfpipeline import errors, leftovers
from tfpipeline.targets.tflm import ports

Arrays = Mapping[str, npt.NDArray[Any]]

# How much of a failed child's stderr is quoted.
MAX_MESSAGE_CHARACTERS = 400

DEFAULT_TIMEOUT_SECONDS = 3600.0

WORKER = "tfpipeline.targets.tflm.worker"

_SERVER = "tfpipeline.targets.tflm.job_server"
_READ_BYTES = 1 << 16


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
    waiting = collections.deque(range(len(jobs)))
    late = Reply(failure=f"was not done after {timeout_seconds:g} s", timed_out=True)
    replies = [late] * len(jobs)
    with _temporary_folder() as root, _server() as server:
        folders = [root / str(number) for number in range(len(jobs))]
        running: dict[int, int] = {}  # the server's number -> ours
        while waiting or running:
            while waiting and len(running) < processes:
                number = waiting.popleft()
                _write(jobs[number], folders[number])
                running[server.start(folders[number])] = number
            for started, code in server.ended(deadline - time.monotonic()):
                number = running.pop(started)
                replies[number] = _reply(folders[number], code)
                if done is not None:
                    done(number)
            if time.monotonic() > deadline:
                server.kill(running)
                break
    return replies


def map_images(
    job: Job,
    inputs: Sequence[npt.NDArray[Any]],
    *,
    who: str,
    processes: int,
    timeout_seconds: float,
    part_size: int | None = None,
    done: Callable[[int], None] | None = None,
) -> list[Arrays]:
    """Runs `job` on consecutive parts of `inputs`, one part a process.

    `inputs` are arrays of as many images each, one for each input of the network.

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
    images = len(inputs[0])
    count = min(processes, images)
    if part_size is not None:
        count = max(count, -(-images // part_size))
    parts = list(zip(*(np.array_split(each, count) for each in inputs), strict=True))
    jobs = [
        dataclasses.replace(job, arrays={**job.arrays, **ports.named("input", part)})
        for part in parts
    ]
    replies = run(
        jobs,
        processes=processes,
        timeout_seconds=timeout_seconds,
        done=done and (lambda number: done(len(parts[number][0]))),
    )
    for reply in replies:
        if reply.failure is not None:
            raise errors.VerificationError(f"{who} {reply.failure}")
    return [reply.arrays for reply in replies]


@contextlib.contextmanager
def _temporary_folder() -> Iterator[pathlib.Path]:
    try:
        with leftovers.scratch_folder() as root:
            yield root
    except OSError as error:
        # None where no folder at all takes files, which the error then says.
        place = f" {tempfile.tempdir}" if tempfile.tempdir else ""
        raise errors.StorageError(
            f"cannot write to the temporary folder{place}: "
            f"{error.strerror or error}. Free space or set TMPDIR."
        ) from error


def _write(job: Job, folder: pathlib.Path) -> None:
    folder.mkdir()
    (folder / "model.tflite").write_bytes(job.model)
    arrays: dict[str, Any] = dict(job.arrays)
    np.savez(folder / "arrays.npz", **arrays)
    request = {"task": job.task, "options": dict(job.options)}
    (folder / "request.json").write_text(json.dumps(request), encoding="utf-8")


class _Server:
    """A running `job_server.py`, which forks the children."""

    def __init__(self, worker: str):
        self.worker = worker
        self.owner = os.getpid()
        self._last = 0
        self._answers = b""
        environment = dict(os.environ)
        # A process a core is the caller's choice; more threads in each would only
        # wait, and a process of one thread is one that can be forked.
        environment["OPENBLAS_NUM_THREADS"] = "1"
        # The child must find this very package whatever our sys.path came from.
        package_root = str(pathlib.Path(tfpipeline.__file__).resolve().parent.parent)
        environment["PYTHONPATH"] = os.pathsep.join(
            filter(None, [package_root, environment.get("PYTHONPATH")])
        )
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115, closed by `close`
        self._process = subprocess.Popen(
            # -P: the working folder is no place to import from.
            [sys.executable, "-P", "-m", _SERVER, worker],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            env=environment,
            bufsize=0,
        )

    @property
    def process_id(self) -> int:
        """Of the server."""
        return self._process.pid

    def start(self, folder: pathlib.Path) -> int:
        """Starts the job in `folder`; returns the number by which it is known."""
        self._last += 1
        self._ask("run", self._last, str(folder))
        return self._last

    def ended(self, seconds: float | None) -> list[tuple[int, int]]:
        """Waits for the next jobs that end, at most `seconds`: numbers, exit codes."""
        stream = self._process.stdout
        assert stream is not None
        if seconds is not None:
            ready, _, _ = select.select([stream], [], [], max(seconds, 0.0))
            if not ready:
                return []
        data = os.read(stream.fileno(), _READ_BYTES)
        if not data:
            raise self._lost()
        *lines, self._answers = (self._answers + data).split(b"\n")
        return [tuple(json.loads(line)) for line in lines]

    def kill(self, numbers: Collection[int]) -> None:
        """Ends the jobs of `numbers` and waits until they are gone."""
        for number in numbers:
            self._ask("kill", number)
        left = set(numbers)
        while left:
            left -= {number for number, _ in self.ended(None)}

    def close(self) -> None:
        """Ends all jobs and the process itself."""
        if self.owner == os.getpid():
            # On a closed stdin it kills its jobs and goes.
            self._process.communicate()
            self._stderr.close()

    def _ask(self, *request: Any) -> None:
        stream = self._process.stdin
        assert stream is not None
        try:
            stream.write(json.dumps(request).encode() + b"\n")
        except BrokenPipeError:
            raise self._lost() from None

    def _lost(self) -> errors.VerificationError:
        code = self._process.wait()
        self._stderr.seek(0)
        stderr = self._stderr.read().decode("utf-8", "replace")
        return errors.VerificationError(
            f"the process that starts the interpreters {_failure(code, stderr)}"
        )


_idle: list[_Server] = []


@contextlib.contextmanager
def _server() -> Iterator[_Server]:
    """A server that nobody else uses; kept for the next call unless this one fails."""
    server = None
    while server is None and _idle:
        server = _idle.pop()
        if server.worker != WORKER or server.owner != os.getpid():
            server.close()
            server = None
    server = server or _Server(WORKER)
    try:
        yield server
    except BaseException:
        server.close()
        raise
    _idle.append(server)


@atexit.register
def close_idle() -> None:
    """Ends the processes that wait for jobs."""
    while _idle:
        _idle.pop().close()


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
