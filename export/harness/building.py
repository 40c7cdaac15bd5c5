"""How the firmware is built for boards: the Makefile, and what README.md says of it."""

import pathlib

from export.c import literals
from tfpipeline.untrusted import content

_MAKEFILE = pathlib.Path(__file__).parent / "of_c" / "Makefile"
# Boards of QEMU that boards/mps2.c is for, and what the emulator is told of the core.
MPS = {
    "mps2-an385": (),
    "mps2-an386": (),
    "mps2-an500": (),
    "mps3-an547": ("-cpu", "cortex-m55"),
}

# Of the README of every export; what comes first is each one's own.
_BOARDS = """\
| file | what |
| --- | --- |
| `board.h` | the five functions that a board gives |
| `boards/` | boards: `pc.c`, `mps2.c` (QEMU), `stm32_hal.c`, `max78000.c`, `zephyr.c` |
| `main.c`, `frame.c` | the protocol of `tfpipeline run` |
| `text.c` | the text commands of MLPerf Tiny's runner |
| `harness_data.h`, `$harness` | the network, for `main.c` |
| `tensors.c`, `clock.c` | its integers as bytes and reals; time |

In a project of your own add `main.c`, `frame.c`, `tensors.c`, `clock.c`, `text.c`,
`$harness`, the network itself ($sources) and one file of `boards/`; where the project
has a `main`, define `HARNESS_MAIN=harness_main` and call `harness_main()` at its end.

* **STM32**: `boards/stm32_hal.c`; with a UART that STM32CubeMX set up
  `HARNESS_UART=huart2`, and for other families `HARNESS_HAL='"stm32l4xx_hal.h"'`.
* **MAX78000FTHR**: `boards/max78000.c` in a project of the MSDK; 115,200 baud on
  the USB cable.
* **Zephyr**: `boards/zephyr.c` in `src`, with `CONFIG_SERIAL=y`,
  `CONFIG_UART_CONSOLE=n` and `CONFIG_BOOT_BANNER=n` in `prj.conf`.

MLPerf Tiny's runner chooses its test by the network's name: define
`HARNESS_MODEL_VERSION='"ic01"'`; for `ad01` also `HARNESS_RECONSTRUCTION=1`.
"""


def of_c(name: str) -> dict[str, str]:
    """The Makefile of a network in C, and what it includes, by their names.

    Args:
        name: of the network's files.
    """
    return {
        "Makefile": content.read_text(_MAKEFILE),
        "network.mk": f"NETWORK := {name}\n",
    }


def about_boards(harness: str, sources: str) -> str:
    """What README.md says of files and boards.

    Args:
        harness: the file that calls the network.
        sources: the files of the network, as text.
    """
    return literals.filled(_BOARDS, harness=harness, sources=sources)


def qemu(board: str, program: str, serial: str) -> list[str]:
    """The emulator's command for a program of `boards/mps2.c`.

    Args:
        board: of `MPS`.
        program: the `.elf`.
        serial: as QEMU's `-serial`: "pty", "stdio", or "tcp:127.0.0.1:PORT,server=on".
    """
    return [
        *("qemu-system-arm", "-M", board, *MPS[board], "-nographic"),
        *("-monitor", "none", "-serial", serial, "-icount", "shift=0"),
        *("-kernel", program),
    ]
