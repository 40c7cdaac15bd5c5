"""Cortex-M cores and boards, as constants with their sources.

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
class Board:
    """One target; `power_watts` only where a board was measured under inference."""

    name: str
    core: str
    clock_hz: int
    flash_bytes: int
    ram_bytes: int
    power_watts: float | None


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

BOARDS = {
    board.name: board
    for board in (
        # The board and the clock of the paper. Sizes: datasheet of STM32F746ZG, RAM
        # without the instruction memory. No public energy.
        Board(
            name="stm32f746",
            core="cortex-m7",
            clock_hz=216_000_000,
            flash_bytes=1024 * 1024,
            ram_bytes=320 * 1024,
            power_watts=None,
        ),
        # Clocks: results. Sizes: datasheets. Power: energy over latency of results, the
        # same within 2 % for the four networks on L4R5 (OctoML v1.0, CMSIS-NN), and
        # with ST's own software (v1.2, image classification) on H7A3 and U575.
        Board(
            name="stm32l4r5",
            core="cortex-m4",
            clock_hz=120_000_000,
            flash_bytes=2048 * 1024,
            ram_bytes=640 * 1024,
            power_watts=20_236e-6 / 389.6e-3,
        ),
        Board(
            name="stm32h7a3",
            core="cortex-m7",
            clock_hz=280_000_000,
            flash_bytes=2048 * 1024,
            ram_bytes=1184 * 1024,
            power_watts=5_090e-6 / 40.8e-3,
        ),
        Board(
            name="stm32u575",
            core="cortex-m33",
            clock_hz=160_000_000,
            flash_bytes=2048 * 1024,
            ram_bytes=768 * 1024,
            power_watts=2_579e-6 / 111.1e-3,
        ),
    )
}
