"""Boards of vendors, compiled against their own headers and sources.

`TFPIPELINE_BOARD_SOURCES` names a folder of checkouts, each under its own name; the
commits are those that it was done with. Nothing of them is in this project.
"""

import os
import pathlib
import shutil
import subprocess
import sys

import pytest

from export.harness import firmware_files
from tests.board import firmware
from tests.simulate import micro
from tfpipeline.board import networks, ports, session
from tfpipeline.simulate import execution

pytestmark = pytest.mark.vendor

# Checkout -> commit.
COMMITS = {
    "stm32f4xx_hal_driver": "d232197f12c592d87944f0f462b2d5297750f762",
    "cmsis_device_f4": "cdbad761857acedcdd07ece7939b4cb209ed826a",
    "CMSIS_5": "51f8f89612c8330c0116479cfe3a2cb04c390e2b",
    # Analog Devices' own drivers of the MSDK, as Zephyr carries them.
    "hal_adi": "16829b77264678f31a2d077a870af7bdca2d39bd",
    # Of github.com/The-Nova-Project/zephyr, whose tree is Zephyr 3.2.0-rc1.
    "zephyr": "9c455bdcb206fbd78f0260949d61074e755c8625",
}
# What a build of Zephyr makes of Kconfig and device tree: no more than its headers ask
# for here, of a Cortex-M4 with one UART.
_ZEPHYR = {
    "autoconf.h": """
#define CONFIG_ARM 1
#define CONFIG_CPU_CORTEX_M 1
#define CONFIG_CPU_CORTEX_M4 1
#define CONFIG_ARMV7_M_ARMV8_M_MAINLINE 1
#define CONFIG_NUM_IRQS 96
#define CONFIG_BOARD "nucleo_f411re"
#define CONFIG_HAS_DTS 1
#define CONFIG_SERIAL 1
#define CONFIG_SYS_CLOCK_EXISTS 1
#define CONFIG_SYS_CLOCK_TICKS_PER_SEC 10000
#define CONFIG_SYS_CLOCK_MAX_TIMEOUT_DAYS 365
#define CONFIG_SYS_CLOCK_HW_CYCLES_PER_SEC 96000000
#define CONFIG_MULTITHREADING 1
#define CONFIG_NUM_COOP_PRIORITIES 16
#define CONFIG_NUM_PREEMPT_PRIORITIES 15
#define CONFIG_MP_NUM_CPUS 1
""",
    "devicetree_generated.h": """
#define DT_CHOSEN_zephyr_console DT_N_S_serial
#define DT_CHOSEN_zephyr_console_EXISTS 1
#define DT_N_S_serial_EXISTS 1
#define DT_N_S_serial_ORD 7
#define DT_N_S_serial_STATUS_okay 1
#define DT_N_S_serial_FULL_NAME "serial"
#define DT_N_INST_0_arm_v7m_nvic_P_arm_num_irq_priority_bits 4
#define DT_FOREACH_OKAY_HELPER(fn) fn(DT_N_S_serial)
""",
    "version.h": "#define KERNEL_VERSION_NUMBER 0x30200\n",
    "kobj-types-enum.h": "",
}
_CORE = ("-mthumb", "-mcpu=cortex-m4")
_COMPILER = "arm-none-eabi-gcc"
_WARNINGS = ("-Wall", "-Wextra", "-Wconversion", "-Werror")


def sources(*names):
    """The folder of checkouts, if these are there and the compiler is."""
    place = os.environ.get("TFPIPELINE_BOARD_SOURCES")
    if place is None:
        pytest.skip("TFPIPELINE_BOARD_SOURCES names no folder of vendors' sources")
    missing = [name for name in names if not pathlib.Path(place, name).is_dir()]
    if missing:
        pytest.skip(f"{place} lacks {', '.join(missing)}")
    if shutil.which(_COMPILER) is None:
        pytest.skip(f"{_COMPILER} is not installed")
    return pathlib.Path(place)


def compiled(source, folder, *flags, headers, standard="-std=c99"):
    """Compiles a file of harness/boards without a warning of it."""
    places = [word for header in headers for word in ("-isystem", str(header))]
    command = [
        *(_COMPILER, *_CORE, *_WARNINGS, standard, "-O2", *places, *flags),
        *("-c", str(firmware.SOURCES / "boards" / source), "-o", str(folder / "b.o")),
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0 and not done.stderr, done.stderr
    names = subprocess.run(
        ("arm-none-eabi-nm", "--defined-only", str(folder / "b.o")),
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for name in ("init", "name", "getc", "putc", "cycles"):
        assert f" T board_{name}\n" in names


# A UART of the file's own, and one that STM32CubeMX has set up.
@pytest.mark.parametrize("flags", [(), ("-DHARNESS_UART=huart2",)])
def test_stm32_by_its_hal(tmp_path, flags):
    place = sources("stm32f4xx_hal_driver", "cmsis_device_f4", "CMSIS_5")
    driver = place / "stm32f4xx_hal_driver" / "Inc"
    template = driver / "stm32f4xx_hal_conf_template.h"
    shutil.copy(template, tmp_path / "stm32f4xx_hal_conf.h")
    headers = [tmp_path, driver, place / "cmsis_device_f4" / "Include"]
    headers.append(place / "CMSIS_5" / "CMSIS" / "Core" / "Include")
    compiled("stm32_hal.c", tmp_path, "-DSTM32F411xE", *flags, headers=headers)


def test_max78000_by_its_drivers(tmp_path):
    place = sources("hal_adi", "CMSIS_5")
    libraries = place / "hal_adi" / "MAX" / "Libraries"
    headers = [
        libraries / "CMSIS" / "Device" / "Maxim" / "MAX78000" / "Include",
        libraries / "PeriphDrivers" / "Include" / "MAX78000",
        place / "CMSIS_5" / "CMSIS" / "Core" / "Include",
    ]
    flags = ("-DTARGET=MAX78000", "-DTARGET_REV=0x4131")
    compiled("max78000.c", tmp_path, *flags, headers=headers)


def test_zephyr_by_its_headers(tmp_path):
    place = sources("zephyr") / "zephyr"
    for name, text in _ZEPHYR.items():
        (tmp_path / name).write_text(text)
    scripts = place / "scripts" / "build"
    calls = tmp_path / "calls.json"
    for script, *arguments in (
        ("parse_syscalls.py", "-i", place / "include", "-j", calls, "-t", "tags.json"),
        (
            "gen_syscalls.py",
            "-i",
            calls,
            "-d",
            "d.c",
            "-l",
            "syscall_list.h",
            "-o",
            "syscalls",
        ),
    ):
        command = [sys.executable, scripts / script, *arguments]
        subprocess.run(list(map(str, command)), cwd=tmp_path, check=True)
    flags = ("-imacros", str(tmp_path / "autoconf.h"), "-DKERNEL", "-D__ZEPHYR__=1")
    headers = [place / "include", place / "include" / "zephyr", tmp_path]
    compiled("zephyr.c", tmp_path, *flags, headers=headers, standard="-std=gnu99")


def test_the_firmware_of_a_nucleo_answers_on_an_emulated_stm32(tmp_path):
    place = sources("stm32f4xx_hal_driver", "cmsis_device_f4", "CMSIS_5")
    if shutil.which("qemu-system-arm") is None:
        pytest.skip("qemu-system-arm is not installed")
    g = firmware.network()
    harness = firmware.exported(tmp_path / "net", g)
    command = ["make", "-s", "-C", str(harness), "nucleo", f"VENDOR={place}"]
    subprocess.run([*command, "BUILD=build/f411"], check=True)
    assert (harness / "build" / "f411" / "nucleo.bin").stat().st_size > 1000
    # QEMU 7.2 has an STM32F405, whose second serial line is USART2; no counter of
    # cycles, and no clocks but that it begins with.
    subprocess.run(
        [*command, "BUILD=build/f405", "CHIP=STM32F405xx", "BOARD=F405"], check=True
    )
    program = harness / "build" / "f405" / "nucleo.elf"
    emulator = (
        "exec:qemu-system-arm -M netduinoplus2 -nographic -monitor none -serial null "
        f"-serial stdio -kernel {program}"
    )
    inputs = micro.random_inputs(g, 3)
    expected = networks.to_bytes(execution.run(g, inputs))
    port = ports.opened(emulator)
    try:
        talk = session.Session(port)
        greeting = talk.hello()
        assert (greeting.board, greeting.clock_hz) == ("F405", 16_000_000)
        assert greeting.output_bytes == firmware_files.num_bytes(
            [g.tensors[name] for name in g.outputs]
        )
        for given, right in zip(networks.to_bytes(inputs), expected, strict=True):
            assert talk.run(given, greeting.output_bytes).outputs == right
    finally:
        port.close()
