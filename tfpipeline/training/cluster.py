"""TF_CONFIG, which says to a process what workers there are and which one it is.

TensorFlow reads it as well, and says of a wrong one little, or waits for workers that
cannot come.
"""

import dataclasses
import json
import os
from collections.abc import Mapping
from typing import Any

from tfpipeline import errors

VARIABLE = "TF_CONFIG"
# Tasks that take part in synchronous training (MultiWorkerMirroredStrategy).
_JOBS = ("chief", "worker")
_SHAPE = (
    '{"cluster": {"worker": ["HOST:PORT", ...]}, '
    + '"task": {"type": "worker", "index": 0}}'
)


@dataclasses.dataclass(frozen=True)
class Cluster:
    """What TF_CONFIG says.

    Attributes:
        addresses: HOST:PORT of the workers of each job, in their order.
        job: of this process.
        index: of this process in its job.
    """

    addresses: Mapping[str, tuple[str, ...]]
    job: str
    index: int

    @property
    def own(self) -> str:
        """Where this process listens."""
        return self.addresses[self.job][self.index]

    @property
    def workers(self) -> int:
        """Processes in all."""
        return sum(map(len, self.addresses.values()))


def read(environment: Mapping[str, str] = os.environ) -> Cluster:
    """What TF_CONFIG says of this process.

    Raises:
        UsageError: it is absent, or not what a process of a cluster needs.
    """
    text = environment.get(VARIABLE, "")
    if not text.strip():
        raise _wrong(f"is not set; it must be {_SHAPE}")
    try:
        value = json.loads(text)
    except ValueError as error:
        raise _wrong(f"is no JSON: {error}; it must be {_SHAPE}") from error
    cluster, task = (
        value.get(key) if isinstance(value, dict) else None
        for key in ("cluster", "task")
    )
    if not isinstance(cluster, dict) or not isinstance(task, dict):
        raise _wrong(f"has no 'cluster' and 'task'; it must be {_SHAPE}")
    addresses = {job: _addresses(job, given) for job, given in cluster.items()}
    if len(addresses.get("chief", ())) > 1:
        raise _wrong("names several chiefs; there is one, the others are workers")
    every = [each for some in addresses.values() for each in some]
    twice = next((each for each in every if every.count(each) > 1), None)
    if twice is not None:
        raise _wrong(f"names {errors.brief(twice)} twice; each process has its own")
    job, index = task.get("type"), task.get("index")
    if not isinstance(job, str) or job not in addresses:
        raise _wrong(
            f"says that this process is a {errors.brief(job)}; the cluster has "
            f"{errors.listed(addresses)}"
        )
    count = len(addresses[job])
    if type(index) is not int or not 0 <= index < count:
        raise _wrong(
            f"says that this process is {job} {errors.brief(index)}; the index is a "
            f"number from 0 to {count - 1}"
        )
    return Cluster(addresses, job, index)


def _addresses(job: Any, given: Any) -> tuple[str, ...]:
    if job not in _JOBS:
        raise _wrong(
            f"has the job {errors.brief(job)}; multi_worker trains with "
            f"{' and '.join(_JOBS)} alone"
        )
    if not isinstance(given, list) or not given:
        raise _wrong(f"gives no list of HOST:PORT for the job {job}")
    for each in given:
        host, _, port = each.rpartition(":") if isinstance(each, str) else ("", "", "")
        if not host or not port.isdecimal() or not 0 < int(port) < 2**16:
            raise _wrong(
                f"has {errors.brief(each)} among the {job}s; addresses are HOST:PORT"
            )
    return tuple(given)


def _wrong(text: str) -> errors.UsageError:
    return errors.UsageError(f"--strategy=multi_worker: {VARIABLE} {text}")
