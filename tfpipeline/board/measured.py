"""What answers of a board are worth: equal bits, cycles, and how far a model is off."""

import dataclasses
import statistics
from collections.abc import Sequence
from typing import Any

from tfpipeline.board import answers, messages, session
from tfpipeline.cost import estimate

# How names of boards begin whose counters say nothing of a chip, and what they count.
_NO_CHIPS = {
    "QEMU": "of the emulator's clock: instructions under -icount, and no cycles",
    "PC": "nanoseconds of this machine, with whatever else it does",
}


@dataclasses.dataclass(frozen=True)
class Cycles:
    """Of all answers, on the board's own counter.

    Attributes:
        least, median, most: of one inference.
        clock_hz: rate of the counter.
        counted: what the counter counts; empty for cycles of a chip.
    """

    least: int
    median: float
    most: int
    clock_hz: int
    counted: str

    @property
    def spread(self) -> float:
        """From the least to the most, as a share of the median."""
        return (self.most - self.least) / self.median if self.median else 0.0

    @property
    def seconds(self) -> float:
        """The median."""
        return self.median / self.clock_hz if self.clock_hz else 0.0


@dataclasses.dataclass(frozen=True)
class Compared:
    """A model of latency beside the board.

    Attributes:
        target: whose model.
        model: its name.
        cycles: that it says.
        band: its stated error, a share; None where nobody stated one.
        error: what it says beyond the board's median, as a share of that.
    """

    target: str
    model: str
    cycles: float
    band: float | None
    error: float


def cycles_of(found: Sequence[answers.Answer], greeting: messages.Greeting) -> Cycles:
    """The cycles of at least one answer."""
    counts = [each.cycles for each in found]
    return Cycles(
        min(counts),
        statistics.median(counts),
        max(counts),
        greeting.clock_hz,
        next(
            (x for name, x in _NO_CHIPS.items() if greeting.board.startswith(name)), ""
        ),
    )


def compared(measured: Cycles, found: estimate.Estimate) -> list[Compared]:
    """Each model of a target beside the board; none beside what is no chip."""
    if measured.counted or not measured.median:
        return []
    return [
        Compared(
            found.target,
            name,
            latency.cycles,
            latency.relative_error,
            latency.cycles / measured.median - 1,
        )
        for name, latency in found.latency.items()
    ]


def cycle_lines(measured: Cycles) -> list[str]:
    """As text."""
    unit = "ticks" if measured.counted else "cycles"
    lines = [
        f"{unit:<11}median {measured.median:,.0f}, from {measured.least:,} to "
        f"{measured.most:,} (spread {measured.spread:.2%}); "
        f"{1e3 * measured.seconds:,.3f} ms at {measured.clock_hz / 1e6:g} MHz"
    ]
    if measured.counted:
        lines.append(f"           {measured.counted}")
    return lines


def compared_lines(found: Sequence[Compared]) -> list[str]:
    """As text, a line a model."""
    return [
        f"estimate   {each.target}, {each.model}: {each.cycles:,.0f} cycles, "
        f"{each.error:+.1%} of the board's"
        + ("" if each.band is None else f" (stated: +-{each.band:.0%})")
        for each in found
    ]


def to_dict(measured: Cycles, found: Sequence[Compared]) -> dict[str, Any]:
    """As JSON."""
    return {
        "cycles": {**dataclasses.asdict(measured), "seconds": measured.seconds},
        "estimates": [dataclasses.asdict(each) for each in found],
    }


def line_text(traffic: session.Traffic, answered: int, seconds: float) -> str:
    """What went over the line."""
    rate = answered / seconds if seconds else 0.0
    return (
        f"line       {traffic.requests:,} requests, {traffic.repeated:,} repeated, "
        f"{traffic.damaged:,} replies damaged; {answered} answers in {seconds:.1f} s, "
        f"{rate:.1f} a second"
    )
