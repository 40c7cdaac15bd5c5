"""How long a part of the campaign may go on, and what it has found."""

import collections
import dataclasses
import importlib
import time
import traceback
from multiprocessing import connection


@dataclasses.dataclass
class Findings:
    """What a part did until its time was over.

    Attributes:
        counts: of what was done and what came of it, by a sentence's name.
        faults: each with what makes it happen again.
        notes: what was left out, and why.
    """

    counts: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    faults: list[dict] = dataclasses.field(default_factory=list)
    notes: list[str] = dataclasses.field(default_factory=list)

    def fault(self, what: str, **how: object) -> None:
        """Adds a fault, with what is needed to see it again."""
        self.faults.append({"what": what, **how})


@dataclasses.dataclass(frozen=True)
class Limits:
    """How long a part may go on.

    Attributes:
        deadline: of `time.monotonic`.
        seed: of all cases; the same seed gives the same cases in the same order.
        most: cases; None for as many as the time allows.
    """

    deadline: float
    seed: int
    most: int | None = None

    def allow(self, done: int) -> bool:
        """Whether another case may begin."""
        return time.monotonic() < self.deadline and done != self.most


def work(pipe: connection.Connection, name: str, seconds: float, seed: int) -> None:
    """Runs a part, a module of this folder, and sends what it has found."""
    worker = importlib.import_module(f"tests.campaign.{name}")
    begin = time.monotonic()
    found = Findings()
    try:
        worker.run(Limits(begin + seconds, seed), found)
    except Exception as error:
        traceback.print_exc()
        found.fault(f"the part broke off: {error}", seed=seed)
    pipe.send(
        {
            "seconds": round(time.monotonic() - begin, 1),
            "counts": dict(sorted(found.counts.items())),
            "notes": found.notes,
            "faults": found.faults,
        }
    )
