"""What a rule of a well-formed graph is, and what breaking it looks like."""

import dataclasses
from collections.abc import Callable, Iterator

from tfpipeline.ir import graph

# What a check yields for each breach: the subject, and what was found.
Breach = tuple[str, str]


@dataclasses.dataclass(frozen=True)
class Rule:
    """A sentence that holds in every well-formed graph.

    Attributes:
        id: stable name, for tests and messages.
        rule: the sentence.
        check: yields every breach.
    """

    id: str
    rule: str
    check: Callable[[graph.Graph], Iterator[Breach]]


@dataclasses.dataclass(frozen=True)
class Violation:
    """One breach of one rule."""

    rule: Rule
    subject: str
    found: str

    def __str__(self) -> str:
        """`Dense 'fc': the kernel must ...; found ... [IR-DENSE]`."""
        return f"{self.subject}: {self.rule.rule}; found {self.found} [{self.rule.id}]"


def subject(layer: graph.Layer) -> str:
    """How messages name a layer."""
    return f"{layer.kind} '{layer.name}'"
