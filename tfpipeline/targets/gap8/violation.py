"""What a rule of GAP8 is, how much it weighs, and what breaking it looks like."""

import dataclasses
from collections.abc import Callable, Iterator

from tfpipeline.ir import graph
from tfpipeline.targets.gap8 import l2_plan, steps

# An error keeps the network from running; a warning says what it costs or needs.
ERROR = "error"
WARNING = "warning"
LEVELS = (ERROR, WARNING)

# What a check yields for each breach: the subject, and what was found.
Breach = tuple[str, str]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Case:
    """What is judged: a graph, its steps, and their plan of L2.

    Attributes:
        graph: that the steps are of; `None` for those of a program, which can break
            no rule about a graph's layers.
        plan: of the steps.
    """

    graph: graph.Graph | None
    plan: l2_plan.Plan

    @property
    def net(self) -> steps.Network:
        """The fused graph."""
        return self.plan.net

    @property
    def bits(self) -> int:
        """Of activations and weights."""
        return self.plan.bits


Check = Callable[[Case], Iterator[Breach]]
Judge = Callable[[steps.Step, int], str | None]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Constraint:
    """A sentence that holds in every network that the chip runs (well).

    Attributes:
        id: stable name, such as `CONV-01`.
        applies_to: what it speaks of, as a reader would call it.
        rule: the sentence.
        fix: what to do about a breach.
        source: where the rule is from, as `spec` explains sources.
        check: yields every breach.
        level: of `LEVELS`.
    """

    id: str
    applies_to: str
    rule: str
    fix: str
    source: str
    check: Check
    level: str = ERROR


@dataclasses.dataclass(frozen=True)
class Violation:
    """One breach of one constraint; `id` names the chip as well."""

    id: str
    level: str
    subject: str
    rule: str
    found: str
    fix: str

    def __str__(self) -> str:
        """`Conv2D 'a': groups must be one or ...; found 2 [GAP8-CONV-03]; use ...`."""
        return (
            f"{self.subject}: {self.rule}; found {self.found} [{self.id}]; {self.fix}"
        )


def each_step(judge: Judge, *operations: str) -> Check:
    """A check of single steps; `judge` says what is wrong with one.

    Args:
        judge: takes a step and the bits; what was found where it breaks the rule.
        operations: those of the steps to judge; none for all.
    """

    def check(case: Case) -> Iterator[Breach]:
        for step in case.net.steps:
            if not operations or step.operation in operations:
                found = judge(step, case.bits)
                if found is not None:
                    yield step.subject, found

    return check


def size(pair: steps.Pair) -> str:
    """Rows and columns as messages write them."""
    return f"{pair[0]}x{pair[1]}"
