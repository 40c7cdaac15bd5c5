"""What a rule of the device is, and what breaking it looks like."""

import dataclasses
from collections.abc import Callable, Iterator

from tfpipeline.targets.max78000 import draft
from tfpipeline.targets.max78000 import spec as specs

# Sources, as `spec` explains them.
TOOL = "tool"
MANUAL = "manual"
# The MAX78000's by the tool, the MAX78002's from the manual.
BOTH = "tool; MAX78002: manual"
DESCRIPTION = "tool: its network descriptions have no other"

# What a check yields for each breach: the subject, and what was found.
Breach = tuple[str, str]
Check = Callable[[draft.Network, specs.Spec], Iterator[Breach]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Constraint:
    """A sentence that holds in every network that the device runs.

    Attributes:
        id: stable name within a device, such as `CONV-01`.
        applies_to: what it speaks of, as a reader would call it.
        rule: the sentence; `{spec.max_layers}` and the like stand for the device's own.
        fix: what to do about a breach.
        source: where the rule is from.
        devices: names of the devices that it holds for.
        check: yields every breach.
    """

    id: str
    applies_to: str
    rule: str
    fix: str
    source: str
    check: Check
    devices: tuple[str, ...] = tuple(specs.SPECS)

    def sentence(self, spec: specs.Spec) -> str:
        """The rule with the figures of a device."""
        return self.rule.format(spec=spec)


@dataclasses.dataclass(frozen=True)
class Violation:
    """One breach of one constraint; `id` names the device as well."""

    id: str
    subject: str
    rule: str
    found: str
    fix: str

    def __str__(self) -> str:
        """`Conv2D 'a': the kernel must be 1x1 or 3x3; found 5x5 [...]; use ...`."""
        return (
            f"{self.subject}: {self.rule}; found {self.found} [{self.id}]; {self.fix}"
        )


Judge = Callable[[draft.Layer, specs.Spec], str | None]


def each_layer(judge: Judge, *operators: str) -> Check:
    """A check of single layers; `judge` says what is wrong with one.

    Args:
        judge: what was found where the layer breaks the rule, else `None`.
        operators: those of the layers to judge; none for all.
    """

    def check(network: draft.Network, spec: specs.Spec) -> Iterator[Breach]:
        for layer in network.layers:
            if operators and layer.operator not in operators:
                continue
            found = judge(layer, spec)
            if found is not None:
                yield layer.subject, found

    return check


def each_pool(judge: Judge) -> Check:
    """A check of the pooling in each layer that pools."""

    def check(network: draft.Network, spec: specs.Spec) -> Iterator[Breach]:
        for layer in network.layers:
            found = judge(layer, spec) if layer.pools else None
            if found is not None:
                yield layer.pool_layer or layer.subject, found

    return check


def size(pair: draft.Pair) -> str:
    """Rows and columns as messages write them."""
    return f"{pair[0]}x{pair[1]}"
