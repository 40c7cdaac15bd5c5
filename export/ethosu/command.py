"""`python -m export --targets=ethosu`: a network as Arm's Vela compiles it."""

import collections
import dataclasses
import pathlib
from typing import Annotated

from export import given as givens
from export.ethosu import files, network
from export.target import Prepared, Target
from export.tflite import command as tflite
from tfpipeline import errors
from tfpipeline.configs import fields
from tfpipeline.configs.fields import Flag
from tfpipeline.targets.ethosu import estimate, placement, spec, vela

_DEFAULT = "ethos-u55-128"


@dataclasses.dataclass(frozen=True)
class Flags(fields.Config):
    """What the command line says of this target."""

    accelerator: Annotated[
        str, Flag("The NPU to compile for.", choices=tuple(spec.CONFIGS))
    ] = _DEFAULT
    system_config: Annotated[
        str | None,
        Flag(
            "Clock and memories around it, of Vela's Arm/vela.ini; if not given what "
            "Vela takes.",
            choices=spec.SYSTEM_CONFIGS,
        ),
    ] = None
    memory_mode: Annotated[
        str | None,
        Flag("What these are used for, likewise.", choices=spec.MEMORY_MODES),
    ] = None

    def check(self) -> None:
        """A system is one of the accelerator's family."""
        known = spec.CONFIGS[self.accelerator].system_configs
        if self.system_config is not None and self.system_config not in known:
            raise errors.UsageError(
                f"--system_config of {self.accelerator} must be one of "
                f"{', '.join(known)}; found '{self.system_config}'"
            )

    def config(self) -> spec.Config:
        """What to compile for."""
        known = spec.CONFIGS[self.accelerator]
        return dataclasses.replace(
            known,
            system_config=self.system_config or known.system_config,
            memory_mode=self.memory_mode or known.memory_mode,
        )


def prepare(given: givens.Given, flags: Flags) -> Prepared:
    """The compiled file of a network, and what is known of it.

    Args:
        given: a file, a graph or the folder of a run, of integers; with calibration
            data a float network, which is quantized to int8 here.
        flags: of the target.

    Raises:
        UsageError: Vela is not installed.
        PipelineError: as `network.prepare`; the network cannot be read.
    """
    vela.require_installed()
    if given.calibration is not None:
        model, cost = given.int8.data, given.int8.cost
    else:
        model, cost = tflite.read(given, "int8"), None
    found = network.prepare(model, given.name, flags.config())

    def report(output: pathlib.Path | None) -> list[str]:
        return [*_lines(found), f"written    {output}; README.md says how to run it"]

    return Prepared(files.contents(found), report, cost)


def _lines(found: network.Network) -> list[str]:
    compiled, config = found.compiled, found.config
    went = collections.Counter(each.where for each in found.placed.operators)
    sizes = estimate.memory(compiled)
    dram = f", {sizes['dram_bytes']:,} DRAM" if "dram_bytes" in sizes else ""
    return [
        f"compiled   {len(compiled.model):,} bytes for {config.name}, "
        f"{config.system_config} with {config.memory_mode}, by Vela "
        f"{vela.installed_version()}",
        f"operators  {went[placement.NPU]} on the NPU, {went[placement.CPU]} on the "
        f"CPU, {went[placement.MERGED]} merged into others",
        f"time       {1e3 * compiled.cycles / compiled.clock_hz:,.3f} ms on the NPU "
        f"({compiled.cycles:,} cycles at {compiled.clock_hz / 1e6:g} MHz), by Vela's "
        "model",
        f"memory     {sizes['ram_bytes']:,} bytes SRAM, {sizes['flash_bytes']:,} flash"
        + dram,
        *(f"note       {line}" for line in estimate.told(found.placed, found.g)),
    ]


TARGET = Target(
    name="ethosu",
    title="a .tflite compiled by Arm's Vela for an Ethos-U",
    takes="a .tflite file or a graph.json, of integers, or a float network with "
    "--calibration",
    flags=Flags(),
    prepare=prepare,
)
