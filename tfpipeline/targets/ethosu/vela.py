"""Arm's compiler for Ethos-U, run in a process of its own on a file that we wrote.

Vela reads the file in C++: what crashes there ends in one line here. It runs in a
temporary folder, which goes with the run, and its console is read, not shown.
"""

import dataclasses
import importlib.metadata
import importlib.util
import pathlib
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence

from tfpipeline import errors, leftovers
from tfpipeline.ir import tflite_file
from tfpipeline.targets.ethosu import spec
from tfpipeline.untrusted import content

_MODULE = "ethosu"
_STEM = "network"
# A network that a microcontroller holds compiles in seconds.
_TIMEOUT_SECONDS = 600
_MAX_TABLE_BYTES = 1 << 26

# What Vela says of an operator that it leaves to the CPU, and why in the lines below.
_REFUSED = re.compile(
    r"^Warning \(supported operators\) operator: (?P<kind>\S+), ofm: '(?P<name>.*)'$"
)
_REASON = "Reason: "


@dataclasses.dataclass(frozen=True)
class Row:
    """What Vela made of a part of an operator.

    Attributes:
        original: the operator of the file, in Vela's words.
        made: what stands for it on the NPU.
        is_on_npu: False where the CPU runs it.
        cycles: of the NPU.
        name: of what it writes.
    """

    original: str
    made: str
    is_on_npu: bool
    cycles: int
    name: str


@dataclasses.dataclass(frozen=True)
class Compiled:
    """What Vela wrote.

    Attributes:
        model: the `.tflite` with the custom operators `ethos-u`.
        summary: its table of one line, by column.
        steps: its table of steps, which holds names of the network.
        printed: what it said, likewise.
    """

    model: bytes
    summary: Mapping[str, str]
    steps: str
    printed: str

    def number(self, column: str) -> float:
        """A figure of the summary.

        Raises:
            ExportError: there is none of that name.
        """
        try:
            return float(self.summary[column])
        except (KeyError, ValueError) as error:
            raise errors.ExportError(
                f"Vela's summary has no number '{column}': {spec.PACKAGE} "
                f"{spec.VERSION} is the one that was tested"
            ) from error

    def num_bytes(self, column: str) -> int:
        """A size of the summary, which has KiB."""
        return round(1024 * self.number(column))

    def area(self, column: str) -> str:
        """The memory that the summary says something lies in, within a sentence."""
        name = self.summary.get(column, "a memory that Vela does not tell")
        return name if name.isupper() else name.lower()

    @property
    def cycles(self) -> int:
        """Of an inference on the NPU."""
        return round(self.number("cycles_total"))

    @property
    def clock_hz(self) -> float:
        """Of the NPU."""
        return self.number("core_clock")


def require_installed() -> None:
    """Raises a UsageError that says what to install, where Vela is not."""
    if importlib.util.find_spec(_MODULE) is None:
        raise errors.UsageError(
            f"Ethos-U needs Arm's compiler Vela, which is not installed: {spec.INSTALL}"
        )


def compile_file(model: bytes, config: spec.Config) -> Compiled:
    """Compiles a `.tflite` for an accelerator.

    Raises:
        UsageError: Vela is not installed.
        GraphError: the file is none, or damaged.
        ExportError: Vela cannot compile it; with its own words.
    """
    require_installed()
    tflite_file.parse(model)
    with leftovers.scratch_folder() as folder:
        path = folder / f"{_STEM}.tflite"
        path.write_bytes(model)
        printed = _run(path, config)
        summary = folder / f"{_STEM}_summary_{config.system_config}.csv"
        try:
            return Compiled(
                content.read(folder / f"{_STEM}_vela.tflite"),
                _table(_text(summary))[0],
                _text(folder / f"{_STEM}_per-layer.csv"),
                printed,
            )
        except (errors.StorageError, IndexError) as error:
            raise errors.ExportError(
                f"Vela ended without the files of {spec.PACKAGE} {spec.VERSION}, the "
                f"one that was tested: {errors.brief(error)}"
            ) from error


def installed_version() -> str:
    """Of Vela, which is installed."""
    return importlib.metadata.version(spec.PACKAGE)


def rows(compiled: Compiled) -> list[Row]:
    """The steps of a network whose names have no comma, in the order of execution.

    Raises:
        ExportError: the table is another than that of the version that was tested.
    """
    try:
        return [
            Row(
                original=line["Original Operator"],
                made=line["NNG Operator"],
                is_on_npu=line["Target"] == "NPU",
                cycles=round(float(line["Op Cycles"])),
                name=line["Name"],
            )
            for line in _table(compiled.steps)
        ]
    except (KeyError, ValueError) as error:
        raise errors.ExportError(
            f"Vela's table of steps is not that of {spec.PACKAGE} {spec.VERSION}, the "
            f"one that was tested: {errors.brief(error)}"
        ) from error


def refusals(compiled: Compiled) -> dict[str, str]:
    """Name of what an operator writes -> the rule that keeps it off the NPU."""
    return dict(_refusals(compiled.printed.splitlines()))


def _run(path: pathlib.Path, config: spec.Config) -> str:
    """What Vela prints about a file beside which it writes."""
    command = [
        *(sys.executable, "-P", "-W", "ignore", "-m", "ethosu.vela", path.name),
        *("--accelerator-config", config.name, "--output-dir", "."),
        *("--config", spec.CONFIG_FILE, "--system-config", config.system_config),
        *("--memory-mode", config.memory_mode, "--verbose-performance"),
    ]
    try:
        done = subprocess.run(
            command,
            cwd=path.parent,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TIMEOUT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise errors.ExportError(
            f"Vela has not compiled the network in {_TIMEOUT_SECONDS} seconds"
        ) from error
    printed = done.stdout.decode("utf-8", "replace")
    if done.returncode:
        said = f"{printed}\n{done.stderr.decode('utf-8', 'replace')}"
        lines = [line.strip() for line in said.splitlines() if line.strip()]
        reason = errors.one_line(lines[-1], 200) if lines else "it says nothing"
        raise errors.ExportError(
            f"Vela cannot compile the network for {config.name} with "
            f"{config.system_config} and {config.memory_mode} (exit "
            f"{done.returncode}): {reason}"
        )
    return printed


def _text(path: pathlib.Path) -> str:
    return content.read(path, _MAX_TABLE_BYTES).decode("utf-8", "replace")


def _table(text: str) -> list[dict[str, str]]:
    """The lines of a table, of which no cell holds a comma."""
    head, *lines = text.splitlines() or [""]
    return [dict(zip(head.split(","), line.split(","), strict=False)) for line in lines]


def _refusals(lines: Sequence[str]) -> Iterator[tuple[str, str]]:
    for position, line in enumerate(lines):
        found = _REFUSED.match(line.strip())
        if found is None:
            continue
        told = []
        for each in lines[position + 1 :]:
            if not each.strip() or _REFUSED.match(each.strip()):
                break
            told.append(each.strip().removeprefix(_REASON))
        yield found["name"], errors.one_line("; ".join(told), 200)
