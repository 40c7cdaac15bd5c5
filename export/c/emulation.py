"""Runs what was written on an emulated core, and counts instructions.

QEMU executes the very instructions that a chip would, and has no model of its pipeline,
caches and flash: counts are exact to a tick of the core's clock, and say nothing about
cycles. Beside them stands what the cost model of `targets/stm32` predicts for CMSIS-NN.
"""

import dataclasses
import os
import pathlib
import re
import shutil
import subprocess
from collections.abc import Iterable, Sequence

from export.c import network
from export.c.cores import catalog
from tfpipeline import errors, leftovers
from tfpipeline.cost import macs
from tfpipeline.targets.stm32 import cost, lowering, spec

# Half a minute of emulated work at the 0.5 to 1 giga-instructions a second of QEMU.
_TIMEOUT_SECONDS = 600


@dataclasses.dataclass(frozen=True)
class Run:
    """What an emulated core did with the known answers.

    Attributes:
        core: such as "cortex-m4".
        flags: of the compiler.
        exit_code: 0 if all answers are met, 1 if not, 2 if memory outside the arena was
            written.
        instructions: of each of the network's steps, for the last input.
        stack_bytes: the most that was used.
    """

    core: str
    flags: str
    exit_code: int
    instructions: tuple[int, ...]
    stack_bytes: int


def missing_tools(cores: Iterable[str]) -> list[str]:
    """One line for each tool that `cores` need and that is not installed."""
    tools: dict[str, str] = {}
    for family in catalog.families(cores):
        tools |= family.tools
    return [
        f"{tool} is not installed (Debian: apt install {package})"
        for tool, package in tools.items()
        if shutil.which(tool) is None
    ]


def require(cores: Sequence[str]) -> None:
    """Checks that all `cores` can be emulated here.

    Raises:
        UsageError: a core without a board, or a tool that is not installed.
    """
    reasons = [
        f"no emulated board has the core '{core}': choose of {', '.join(catalog.CORES)}"
        for core in cores
        if core not in catalog.CORES
    ]
    reasons += missing_tools(core for core in cores if core in catalog.CORES)
    if reasons:
        raise errors.UsageError("; ".join(reasons))


def run(
    folder: str | os.PathLike[str],
    found: network.Network,
    core: str,
    *,
    flags: str = "-O2",
) -> Run:
    """Compiles what `files.write` wrote for `core`, and runs its known answers.

    Raises:
        TargetError: it does not compile, does not fit the board's memory, faults, or
            does not end.
    """
    board = catalog.family(core).folder
    with leftovers.scratch_folder() as build:
        command = (
            *("make", "-s", "-C", str(pathlib.Path(folder, board)), "run"),
            *(f"CORE={core}", f"CFLAGS={flags}", f"BUILD={build}"),
        )
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=_TIMEOUT_SECONDS
            )
        except subprocess.TimeoutExpired as error:
            raise errors.TargetError(
                f"{found.name} on an emulated {core} did not end within "
                f"{_TIMEOUT_SECONDS} s"
            ) from error
    printed = done.stdout + done.stderr
    exit_code = re.search(r"^exit code: (\d+)", printed, re.MULTILINE)
    stack = re.search(r"^stack: (\d+) bytes", printed, re.MULTILINE)
    counts = re.findall(r"^layer \d+: (\d+) instructions", printed, re.MULTILINE)
    if exit_code is None or stack is None:
        raise errors.TargetError(
            f"{found.name} on an emulated {core} {_failure(printed)}"
        )
    return Run(
        core=core,
        flags=flags,
        exit_code=int(exit_code.group(1)),
        instructions=tuple(map(int, counts)),
        stack_bytes=int(stack.group(1)),
    )


def _failure(printed: str) -> str:
    """What went wrong, from the first line that says so."""
    if "fault" in printed.splitlines():
        return "faulted"
    found = re.search(r"^.*(?:error|overflowed|not found|cannot).*$", printed, re.M)
    return f"was not built: {found.group(0) if found else printed.strip()[-200:]}"


def predicted(found: network.Network, core: str) -> list[float] | None:
    """Instructions of CMSIS-NN's int8 kernels by the cost model; None for its cores."""
    if core not in spec.CORES:
        return None
    layers = lowering.lower(found.g)
    return [cost.count_instructions(layer, spec.CORES[core]) for layer in layers]


def by_layer(found: network.Network, ran: Run) -> list[int]:
    """Instructions of each layer of the graph, all its patches together."""
    numbers = dict.fromkeys((layer.name for layer in found.g.layers), 0)
    for step, number in zip(found.steps, ran.instructions, strict=True):
        numbers[found.origin(step)] += number
    return list(numbers.values())


def to_text(found: network.Network, ran: Run) -> list[str]:
    """A line with the result and a table of all layers."""
    results = {0: "all known answers met", 1: "A KNOWN ANSWER IS NOT MET"}
    result = results.get(ran.exit_code, "MEMORY OUTSIDE OF THE ARENA WAS WRITTEN")
    model = predicted(found, ran.core)
    numbers = by_layer(found, ran)
    counts = [macs.layer_count(found.g, layer).macs for layer in found.g.layers]
    head = f"           {'':40}{'instructions':>14}{'a MAC':>8}"
    lines = [
        f"emulated   {ran.core}, gcc {ran.flags}: {result}; "
        f"stack {ran.stack_bytes} bytes",
        head if model is None else f"{head}{'CMSIS-NN':>14}",
    ]
    rows = [
        (f"{layer.name} ({layer.kind})", number, count)
        for layer, number, count in zip(found.g.layers, numbers, counts, strict=True)
    ]
    rows.append(("all", sum(ran.instructions), sum(counts)))
    models = [] if model is None else [*model, sum(model)]
    for i, (name, number, count) in enumerate(rows):
        line = f"           {name:40}{number:>14,}"
        line += f"{number / count:>8.2f}" if count else f"{'':8}"
        lines.append(f"{line}{models[i]:>14,.0f}" if models else line)
    return [line.rstrip() for line in lines] + _model_note(ran.core, models)


def _model_note(core: str, models: Sequence[float]) -> list[str]:
    if not models:
        return []
    known = spec.CORES[core]
    return [
        "           CMSIS-NN: int8 kernels by the STM32 cost model, "
        f"{models[-1] * known.cycles_per_instruction:,.0f} cycles "
        f"at {known.cycles_per_instruction} an instruction, "
        f"+-{known.relative_error:.0%}"
    ]
