"""Cortex-M cores as constants with their sources, and what a board is.

The boards themselves are data: `boards/*.yaml` beside this file.

Sources, named in the comments:
  emulated  instructions of CMSIS-NN 99f736a (s8) counted in QEMU 7.2 with -icount,
            gcc 12.2 -Ofast, over the layers of MLPerf Tiny's five networks and of the
            CMSIS-NN paper's two; least squares. `-Os` costs 43 % more.
  results   runner logs of the public mlcommons/tiny_results repositories, v0.5 to v1.3
  paper     Lai, Suda, Chandra, CMSIS-NN, arXiv 1801.06601
  example   header of the CIFAR-10 example that ships with CMSIS: 223 ms at 100 MHz on
            an STM32F411, against 14.19 M emulated instructions
  datasheet of the device
"""

import dataclasses

# The kernels that the cores' fits are of, and the name of their latency model.
CMSIS_NN_S8 = "cmsis-nn-s8"
MEASURED = "measured"
UNMEASURED = "unmeasured"


@dataclasses.dataclass(frozen=True, kw_only=True)
class InstructionFit:
    """Instructions of the int8 (s8) kernels.

    A convolution copies every window before it multiplies: `*_window` counts kernel
    height x width x input channels an output pixel, `*_output` an output value.
    """

    conv_mac: float
    conv_window: float
    conv_output: float
    pointwise_mac: float
    pointwise_output: float
    depthwise_mac: float
    depthwise_output: float
    dense_mac: float
    dense_output: float
    dense_call: float
    pool_compare: float
    pool_output: float
    add_output: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Core:
    """Instructions and the cycles an instruction takes.

    `cycles_per_instruction` is measured on silicon, with its range over networks.
    `relative_error` is the band that is printed with a latency: a share of it.
    """

    name: str
    fit: InstructionFit
    cycles_per_instruction: float
    cycles_per_instruction_range: tuple[float, float]
    relative_error: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Region:
    """Memory of consecutive addresses, in bytes."""

    name: str
    num_bytes: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Measurement:
    """How far the model is from published figures of a board.

    Attributes:
        software: that ran there.
        kernels: of that software; the board's own where the model is of them.
        error_percent: the model's, of the lowest and the highest network, rounded.
        source: where the figures stand.
    """

    software: str
    kernels: str
    error_percent: tuple[int, int]
    source: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Board:
    """One target.

    Attributes:
        name: of --target.
        title: in words.
        core: what it computes with, its cycles an instruction being this board's.
        kernels: whose instructions the core's fit counts; name of the latency model.
        clock_hz: of that core.
        flash_bytes: for code and weights.
        ram: where an arena may lie, in one of them.
        power_watts: under inference, only where it was measured; the board's.
        supply_volts: at which that was.
        measured: the model's errors; empty where nothing is published.
        sources: of all figures, a line each.
    """

    name: str
    title: str
    core: Core
    kernels: str = CMSIS_NN_S8
    clock_hz: int
    flash_bytes: int
    ram: tuple[Region, ...]
    power_watts: float | None = None
    supply_volts: float | None = None
    measured: tuple[Measurement, ...] = ()
    sources: tuple[str, ...] = ()

    @property
    def ram_bytes(self) -> int:
        """Of all regions."""
        return sum(region.num_bytes for region in self.ram)

    @property
    def is_measured(self) -> bool:
        """Whether figures with the kernels that the model is of are published."""
        return any(each.kernels == self.kernels for each in self.measured)

    @property
    def compared(self) -> tuple[Measurement, ...]:
        """Errors with the model's own kernels; where there are none, with others."""
        own = tuple(each for each in self.measured if each.kernels == self.kernels)
        return own or self.measured

    @property
    def evidence(self) -> str:
        """Whether the model was compared with this board: a word for tables."""
        return MEASURED if self.is_measured else UNMEASURED

    @property
    def error_text(self) -> str:
        """The lowest and the highest error of `compared`; empty without any."""
        if not self.compared:
            return ""
        low = min(each.error_percent[0] for each in self.compared)
        high = max(each.error_percent[1] for each in self.compared)
        return f"{low:+d} %" if low == high else f"{low:+d} to {high:+d} %"


CORES = {
    core.name: core
    for core in (
        Core(
            name="cortex-m4",
            fit=InstructionFit(
                conv_mac=1.4503,
                conv_window=10.6218,
                conv_output=55.1692,
                pointwise_mac=1.7073,
                pointwise_output=35.4306,
                depthwise_mac=2.9555,
                depthwise_output=54.6746,
                dense_mac=1.8668,
                dense_output=48.3846,
                dense_call=112.4468,
                pool_compare=7.8769,
                pool_output=0.8752,
                add_output=80.8822,
            ),
            # Example; range: results, STM32L4R5 with microTVM and CMSIS-NN.
            cycles_per_instruction=1.57,
            cycles_per_instruction_range=(1.46, 1.78),
            relative_error=0.25,
        ),
        Core(
            name="cortex-m7",
            fit=InstructionFit(
                conv_mac=1.4467,
                conv_window=10.9276,
                conv_output=54.5833,
                pointwise_mac=1.6704,
                pointwise_output=35.6418,
                depthwise_mac=2.9916,
                depthwise_output=53.3089,
                dense_mac=1.8708,
                dense_output=48.834,
                dense_call=111.8409,
                pool_compare=7.8396,
                pool_output=0.8711,
                add_output=80.3833,
            ),
            # Paper (q7 kernels; range over its layers of 1 ms and more). No public
            # measurement of the s8 kernels on an M7 exists: a prediction.
            cycles_per_instruction=0.91,
            cycles_per_instruction_range=(0.83, 1.01),
            relative_error=0.25,
        ),
        Core(
            name="cortex-m33",
            fit=InstructionFit(
                conv_mac=1.4526,
                conv_window=10.6792,
                conv_output=54.4311,
                pointwise_mac=1.7049,
                pointwise_output=35.077,
                depthwise_mac=2.8617,
                depthwise_output=54.5671,
                dense_mac=1.8609,
                dense_output=47.6547,
                dense_call=121.6856,
                pool_compare=7.844,
                pool_output=0.8716,
                add_output=82.6284,
            ),
            # Results: nRF5340 with microTVM and CMSIS-NN; the middle of the range.
            cycles_per_instruction=1.30,
            cycles_per_instruction_range=(1.21, 1.39),
            relative_error=0.25,
        ),
        Core(
            name="cortex-m55",
            fit=InstructionFit(
                conv_mac=0.1381,
                conv_window=1.8479,
                conv_output=19.2208,
                pointwise_mac=0.1951,
                pointwise_output=14.1199,
                depthwise_mac=1.7275,
                depthwise_output=8.2953,
                dense_mac=0.4723,
                dense_output=13.6289,
                dense_call=216.3672,
                pool_compare=1.5014,
                pool_output=0.1668,
                add_output=13.7571,
            ),
            # Results: Renesas RA8D1, a Cortex-M85, over M55 instructions, without
            # anomaly detection, which waits for its weights (1.74).
            cycles_per_instruction=0.93,
            cycles_per_instruction_range=(0.85, 1.00),
            relative_error=0.50,
        ),
    )
}
