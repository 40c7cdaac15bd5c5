"""The process that `pool.py` starts jobs in: it has imported what they need, and forks.

`python -m tfpipeline.targets.tflm.job_server WORKER` imports the module WORKER once;
each job is then a fork of this process, which costs milliseconds where a new Python
with the interpreters' modules costs 0.3 s. One thread, so that forking is sound.

Lines of JSON on stdin ask: `["run", number, folder]` calls `WORKER.main(folder)` in a
fork whose stderr is `folder/stderr.txt`, `["kill", number]` ends it. Lines on stdout
answer: `[number, code]` when a job ended, negative for a signal as of `subprocess`.
When stdin closes, all running jobs are ended and the process goes.
"""

import importlib
import json
import os
import pathlib
import select
import signal
import sys
from collections.abc import Callable
from typing import Any, NoReturn

_STDIN, _STDOUT, _STDERR = 0, 1, 2
_READ_BYTES = 1 << 16


class _Server:
    """The jobs that run, and the ends of the pipes."""

    def __init__(self, work: Callable[[pathlib.Path], None], answers: int):
        self._work = work
        self._answers = answers
        self._numbers: dict[int, int] = {}  # process id -> number of its job
        self._asked = b""
        self._ended, wake = os.pipe()
        for end in (self._ended, wake):
            os.set_blocking(end, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        # Ctrl-C reaches the whole group; what follows from it is the parent's to say.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, lambda *_: sys.exit())

    def serve(self) -> None:
        """Starts and ends jobs until stdin is closed."""
        try:
            while True:
                ready, _, _ = select.select([_STDIN, self._ended], [], [])
                if self._ended in ready:
                    os.read(self._ended, _READ_BYTES)
                    self._answer()
                if _STDIN in ready:
                    data = os.read(_STDIN, _READ_BYTES)
                    if not data:
                        return
                    self._ask(data)
        finally:
            for process in self._numbers:
                os.kill(process, signal.SIGKILL)

    def _ask(self, data: bytes) -> None:
        *lines, self._asked = (self._asked + data).split(b"\n")
        for line in lines:
            what, number, *rest = json.loads(line)
            if what == "run":
                self._start(number, pathlib.Path(*rest))
            else:
                for process, running in self._numbers.items():
                    if running == number:
                        os.kill(process, signal.SIGKILL)

    def _start(self, number: int, folder: pathlib.Path) -> None:
        process = os.fork()
        if process == 0:
            self._run(folder)
        self._numbers[process] = number

    def _run(self, folder: pathlib.Path) -> NoReturn:
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGCHLD, signal.SIGTERM):
                signal.signal(number, signal.SIG_DFL)
            os.close(self._answers)
            stderr = os.open(folder / "stderr.txt", os.O_WRONLY | os.O_CREAT, 0o600)
            os.dup2(stderr, _STDERR)
            nothing = os.open(os.devnull, os.O_RDWR)
            os.dup2(nothing, _STDIN)
            os.dup2(nothing, _STDOUT)
            self._work(folder)
            code = 0
        except BaseException as error:
            # One line after what C++ wrote to stderr; the parent quotes its end.
            print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
        finally:
            # Not `sys.exit`: what the server set up to happen at exit is not the job's.
            os._exit(code)

    def _answer(self) -> None:
        while self._numbers:
            process, status = os.waitpid(-1, os.WNOHANG)
            if process == 0:
                return
            answer = [
                self._numbers.pop(process),
                os.waitstatus_to_exitcode(status),
            ]
            os.write(self._answers, json.dumps(answer).encode() + b"\n")


def main(worker: str) -> None:
    """Serves jobs of the module `worker`, which has `main(folder)`."""
    # Whoever prints by mistake must not print among the answers.
    answers = os.dup(_STDOUT)
    os.dup2(_STDERR, _STDOUT)
    module: Any = importlib.import_module(worker)
    _Server(module.main, answers).serve()


if __name__ == "__main__":
    main(sys.argv[1])
