"""The same work on many parts: in this process, in several, or on a Ray cluster.

What works is made once in each process, by a value that can be sent there, and then
called with part after part. Results come in the order of the parts, and are the same
wherever they were computed.
"""

import collections
import concurrent.futures
import contextlib
import functools
import importlib.util
import itertools
import multiprocessing
import os
import pickle
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import process
from typing import Annotated, Any, TypeVar

from tfpipeline import errors
from tfpipeline.configs import fields

Item = TypeVar("Item")
Result = TypeVar("Result")
# Makes what is called with parts, lists of items.
Make = Callable[[], Callable[[Sequence[Item]], Sequence[Result]]]

AUTO, HERE, PROCESSES, RAY = "auto", "here", "processes", "ray"
# Work that is worth the start of processes, which import TensorFlow and prepare the
# network each: some ten seconds.
_WORTH_SECONDS = 60
_PART = 64
# Inputs that a new process begins with.
_FIRST = 2
# Parts that wait for each process, so that none is idle and memory holds.
_AHEAD = 3
# The most starts of a part whose node, or process, is lost.
_RETRIES = 5
# A process a core: threads of each would only wait for each other.
_ONE_THREAD = {
    name: "1"
    for name in (
        "OPENBLAS_NUM_THREADS",
        "OMP_NUM_THREADS",
        "TF_NUM_INTRAOP_THREADS",
        "TF_NUM_INTEROP_THREADS",
    )
}


def _known(text: str) -> None:
    name, _, rest = text.partition(":")
    if name == PROCESSES and rest:
        if rest.isdecimal() and 0 < int(rest) < 1000:
            return
    elif text in (AUTO, HERE, PROCESSES, RAY) or text.startswith(f"{RAY}://"):
        return
    raise errors.UsageError(
        f"must be {AUTO}, {HERE}, {PROCESSES}, {PROCESSES}:N, {RAY} or "
        f"{RAY}://HOST:PORT; found {errors.brief(text)}"
    )


Runner = Annotated[
    str,
    fields.Flag(
        "Where networks run: here; processes, one a core of this machine, or "
        "processes:N; ray, the cluster of RAY_ADDRESS, or ray://HOST:PORT (extra "
        "`ray`). auto: processes for what would take longer than a minute here.",
        check=_known,
    ),
]


def mapped(
    where: str,
    make: Make[Item, Result],
    items: Iterable[Item],
    count: int,
    here: Callable[[Sequence[Item]], Sequence[Result]] | None = None,
) -> Iterator[Result]:
    """What the work gives for each item, in order.

    Args:
        where: as `Runner`.
        make: can be pickled, unless all is done here.
        items: sent in parts.
        count: of the items.
        here: what `make` gives, where this process has it already.

    Raises:
        UsageError: there is no such cluster, or no Ray.
        VerificationError: a process was killed, or nodes were lost again and again.
        PipelineError: as the work itself.
    """
    parts = in_parts(items, _PART)
    first = next(parts, None)
    if first is None:
        return
    # Whoever chooses between ways by the first inputs chooses the same everywhere.
    sent = make, first[:_FIRST]
    if where in (AUTO, HERE):
        work = here or make()
        start = time.perf_counter()
        yield from work(first)
        seconds = (time.perf_counter() - start) / len(first) * (count - len(first))
        if where == HERE or seconds < _WORTH_SECONDS or (os.cpu_count() or 1) < 2:
            for part in parts:
                yield from work(part)
            return
        over, every = _over_processes, parts
    else:
        over = _over_ray if where.partition(":")[0] == RAY else _over_processes
        every = itertools.chain([first], parts)
    for results in over(where, pickle.dumps(sent), every):
        yield from results


def in_parts(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """So many items at a time, in the end what is left."""
    rest = iter(items)
    while part := list(itertools.islice(rest, size)):
        yield part


@functools.lru_cache(maxsize=1)
def _made(sent: bytes) -> Callable[[Sequence[Any]], Sequence[Any]]:
    make, first = pickle.loads(sent)
    work: Callable[[Sequence[Any]], Sequence[Any]] = make()
    work(first)
    return work


def _done(sent: bytes, part: Sequence[Any]) -> Sequence[Any]:
    """What a process does with a part; the work is made with the first one."""
    return _made(sent)(part)


def _over_processes(
    where: str, sent: bytes, parts: Iterator[list[Any]]
) -> Iterator[Sequence[Any]]:
    _, _, said = where.partition(":")
    number = int(said) if said else os.cpu_count() or 1
    with (
        _environment(_ONE_THREAD),
        concurrent.futures.ProcessPoolExecutor(
            number, multiprocessing.get_context("spawn")
        ) as pool,
    ):
        waiting: collections.deque[concurrent.futures.Future[Sequence[Any]]]
        waiting = collections.deque()
        try:
            for part in parts:
                waiting.append(pool.submit(_done, sent, part))
                if len(waiting) >= number * _AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except process.BrokenProcessPool as error:
            raise errors.VerificationError(
                f"one of {number} processes was killed, by the system where memory "
                f"was short: start again with --runner={PROCESSES}:{max(1, number - 1)}"
            ) from error
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


@contextlib.contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """Variables that processes begin with, of what is not set."""
    added = {k: v for k, v in values.items() if k not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)


def _over_ray(
    where: str, sent: bytes, parts: Iterator[list[Any]]
) -> Iterator[Sequence[Any]]:
    ray = _ray(where)
    remote = ray.remote(num_cpus=1, max_retries=_RETRIES)(_done)
    # Once, to each node that needs it; it outlives all nodes but this one.
    shared = ray.put(sent)
    ahead = _AHEAD * max(1, int(ray.cluster_resources().get("CPU", 1)))
    waiting: collections.deque[Any] = collections.deque()
    try:
        for part in parts:
            waiting.append(remote.remote(shared, part))
            if len(waiting) >= ahead:
                yield ray.get(waiting.popleft())
        while waiting:
            yield ray.get(waiting.popleft())
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, errors.PipelineError):
            raise error.cause from error
        raise
    except ray.exceptions.RayError as error:
        raise errors.VerificationError(
            f"--runner={where}: nodes of the cluster were lost again and again: "
            f"{errors.one_line(str(error), 150)}"
        ) from error
    finally:
        for each in waiting:
            ray.cancel(each, force=True)
        ray.shutdown()


def _ray(where: str) -> Any:
    if importlib.util.find_spec("ray") is None:
        raise errors.UsageError(
            f"--runner={where} needs Ray, which is not installed: "
            "pip install 'tfpipeline[ray]'"
        )
    import ray

    address = where if where.startswith(f"{RAY}://") else "auto"
    try:
        with warnings.catch_warnings():
            # What it warns of, it raises as well.
            warnings.simplefilter("ignore")
            ray.init(address=address, log_to_driver=False, logging_level="error")
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise errors.UsageError(
            f"--runner={where} finds no cluster: {errors.one_line(str(error), 150)}"
        ) from error
    return ray
