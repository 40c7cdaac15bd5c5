"""How the firmware is built for each board: the Makefile, and what README.md says."""

from export.c import literals

# Make's target -> flags of the compiler for the core, the emulator's for the board, the
# definitions of boards/mps2.c.
MPS = {
    "mps2-an385": ("-mcpu=cortex-m3", "", '-DHARNESS_CORE=\'"Cortex-M3"\''),
    "mps2-an386": ("-mcpu=cortex-m4", "", '-DHARNESS_CORE=\'"Cortex-M4"\''),
    "mps2-an500": ("-mcpu=cortex-m7", "", '-DHARNESS_CORE=\'"Cortex-M7"\''),
    "mps3-an547": (
        "-mcpu=cortex-m55 -mfloat-abi=hard",
        "-cpu cortex-m55",
        "-DHARNESS_MPS3",
    ),
}

_MAKEFILE = """\
# The firmware of $name for boards that need no project of a vendor:
#   make pc             a PC: standard input and output
#   make mps2-an386     QEMU's board with a Cortex-M4; there are also
#                       mps2-an385 (M3), mps2-an500 (M7) and mps3-an547 (M55)
#   make nucleo CUBE=F  NUCLEO-64 with an STM32F4; F is ST's STM32CubeF4
# What is made stands in BUILD.
CFLAGS ?= -O2
BUILD ?= build
HOST_CC ?= cc
CROSS ?= arm-none-eabi-
FLAGS := -std=c99 -Wall -Wextra -Wconversion $$(CFLAGS)
SOURCES := main.c frame.c tensors.c clock.c text.c harness.c ../$name.c

MPS := $boards
$flags

# CHIP, its memory, and where its sources are: in STM32CubeF4.
CHIP ?= STM32F411xE
FLASH ?= 512K
RAM ?= 128K
BOARD ?= NUCLEO-F411RE, 16 MHz
HAL ?= $$(CUBE)/Drivers/STM32F4xx_HAL_Driver
DEVICE ?= $$(CUBE)/Drivers/CMSIS/Device/ST/STM32F4xx
CMSIS ?= $$(CUBE)/Drivers/CMSIS/Include
LOWER := $$(shell echo $$(CHIP) | tr A-Z a-z)
NUCLEO := -mthumb -mcpu=cortex-m4 -D$$(CHIP) -DUSE_HAL_DRIVER -isystem $$(BUILD)/hal \\
    -isystem $$(HAL)/Inc -isystem $$(DEVICE)/Include -isystem $$(CMSIS)
ST := $$(addprefix $$(HAL)/Src/stm32f4xx_hal,.c _cortex.c _gpio.c _rcc.c _uart.c _dma.c) \\
    $$(DEVICE)/Source/Templates/system_stm32f4xx.c \\
    $$(DEVICE)/Source/Templates/gcc/startup_$$(LOWER).s

.PHONY: help pc $$(MPS) nucleo clean

help:
\t@sed -n 's/^# \\{0,1\\}//p' Makefile | head -n 6

pc: | $$(BUILD)
\t$$(HOST_CC) $$(FLAGS) $$(SOURCES) boards/pc.c -o $$(BUILD)/pc

$$(MPS): | $$(BUILD)
\t$$(CROSS)gcc -E -P -x c $$(DEFINED_$$@) boards/mps.ld -o $$(BUILD)/$$@.ld
\t$$(CROSS)gcc $$(FLAGS) -mthumb $$(CORE_$$@) $$(DEFINED_$$@) -nostartfiles \\
\t    -T $$(BUILD)/$$@.ld $$(SOURCES) boards/mps2.c -o $$(BUILD)/$$@.elf

# ST's sources are compiled without our warnings. The linker leaves out what is not used.
nucleo: | $$(BUILD)
\t@test -d "$$(HAL)/Inc" || { echo "there is no $$(HAL): make nucleo CUBE=FOLDER"; exit 1; }
\tmkdir -p $$(BUILD)/hal
\tcp $$(HAL)/Inc/stm32f4xx_hal_conf_template.h $$(BUILD)/hal/stm32f4xx_hal_conf.h
\t$$(CROSS)gcc -E -P -x c -DHARNESS_FLASH=$$(FLASH) -DHARNESS_RAM=$$(RAM) \\
\t    boards/stm32f4.ld -o $$(BUILD)/nucleo.ld
\tfor file in $$(ST); do $$(CROSS)gcc $$(NUCLEO) -O2 -w -ffunction-sections -c $$$$file \\
\t    -o $$(BUILD)/hal/$$$$(basename $$$$file).o || exit 1; done
\t$$(CROSS)gcc $$(FLAGS) $$(NUCLEO) -DHARNESS_BOARD='"$$(BOARD)"' -nostartfiles \\
\t    --specs=nosys.specs -Wl,--gc-sections -Wl,--defsym=_init=0 -T $$(BUILD)/nucleo.ld \\
\t    $$(SOURCES) boards/stm32_hal.c $$(BUILD)/hal/*.o -o $$(BUILD)/nucleo.elf
\t$$(CROSS)objcopy -O binary $$(BUILD)/nucleo.elf $$(BUILD)/nucleo.bin

$$(BUILD):
\tmkdir -p $$@

clean:
\trm -rf $$(BUILD)
"""

# Of the README of every export; what comes first is each one's own.
BOARDS = """\
| file | what |
| --- | --- |
| `board.h` | the five functions that a board gives |
| `boards/` | boards: `pc.c`, `mps2.c` (QEMU), `stm32_hal.c`, `max78000.c`, `zephyr.c` |
| `main.c`, `frame.c` | the protocol of `tfpipeline run` |
| `text.c` | the text commands of MLPerf Tiny's runner |
| `harness_data.h`, `$network` | the network, for `main.c` |
| `tensors.c`, `clock.c` | its integers as bytes and reals; time |

In a project of your own add `main.c`, `frame.c`, `tensors.c`, `clock.c`, `text.c`,
`$network`, the network itself (`$sources`) and one file of `boards/`; where the project
has a `main`, define `HARNESS_MAIN=harness_main` and call `harness_main()` at its end.

* **STM32**: `boards/stm32_hal.c`; with a UART that STM32CubeMX set up `HARNESS_UART=huart2`,
  and for other families `HARNESS_HAL='"stm32l4xx_hal.h"'`.
* **MAX78000FTHR**: `boards/max78000.c` in a project of the MSDK; 115200 baud on the USB cable.
* **Zephyr**: `boards/zephyr.c` in `src`, with `CONFIG_SERIAL=y`, `CONFIG_UART_CONSOLE=n` and
  `CONFIG_BOOT_BANNER=n` in `prj.conf`.

MLPerf Tiny's runner chooses its test by the network's name: define
`HARNESS_MODEL_VERSION='"ic01"'`; for `ad01` also `HARNESS_RECONSTRUCTION=1`.
"""


def makefile(name: str) -> str:
    """The Makefile of a network in C.

    Args:
        name: of its files.
    """
    flags = [
        f"CORE_{board} := {core}\nDEFINED_{board} := {defined}"
        for board, (core, _, defined) in MPS.items()
    ]
    return literals.filled(
        _MAKEFILE, name=name, boards=" ".join(MPS), flags="\n".join(flags)
    )


def qemu(board: str, program: str, serial: str) -> list[str]:
    """The emulator's command for a program of `boards/mps2.c`.

    Args:
        board: of `MPS`.
        program: the `.elf`.
        serial: as QEMU's `-serial`: "pty", "stdio", or "tcp:127.0.0.1:PORT,server=on".
    """
    _, core, _ = MPS[board]
    return [
        *("qemu-system-arm", "-M", board, *core.split(), "-nographic"),
        *("-monitor", "none", "-serial", serial, "-icount", "shift=0"),
        *("-kernel", program),
    ]
