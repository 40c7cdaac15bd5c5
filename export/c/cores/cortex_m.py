"""Cortex-M on QEMU's boards: 4 MB for code and constants, 4 MB of RAM.

SysTick counts at 25 MHz on the mps2 boards, so at 1 ns an instruction a tick is 40
instructions and its 24 bits are 671 million; at 32 MHz on the mps3-an547, whose tick is
31.25 instructions.
"""

from export.c import literals
from export.c.cores.family import Core, Family

_PROCESSOR = """\
/* A Cortex-M: its vectors, semihosting and SysTick. */
#include "board.h"

#define SYST_CSR (*(volatile uint32_t *)0xE000E010)
#define SYST_RVR (*(volatile uint32_t *)0xE000E014)
#define SYST_CVR (*(volatile uint32_t *)0xE000E018)

extern uint32_t stack_end[];

${declared}static const struct {
    uint32_t *stack;
    void (*handlers[15])(void);
} vectors __attribute__((section(".vectors"), used)) = {
    stack_end,
    {$reset, fault, fault, fault, fault, fault, fault, fault, fault, fault, fault,
     fault, fault, fault, fault},
};

${begin}uint32_t semihosting(uint32_t operation, uintptr_t argument)
{
    register uint32_t r0 __asm__("r0") = operation;
    register uintptr_t r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xAB" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

void start_clock(void)
{
    SYST_RVR = 0xFFFFFF;
    SYST_CVR = 0;
    SYST_CSR = 5; /* on, by the processor's clock */
}

uint32_t read_clock(void)
{
    return SYST_CVR;
}

uint32_t instructions(uint32_t from, uint32_t to)
{
    /* It counts down, $megahertz ticks a microsecond. */
    return ((from - to) & 0xFFFFFF) * $numerator$denominator;
}
"""

# Coprocessors 10 and 11 are those of vectors: Armv8-M Architecture Reference Manual
# (DDI 0553), CPACR. Nothing before may have been compiled to use them.
_RESET = """\
void reset(void)
{
    *(volatile uint32_t *)0xE000ED88 |= 0xFu << 20; /* CPACR: coprocessors 10 and 11 */
    __asm__ volatile("dsb\\n\\tisb" ::: "memory");
    start();
}

"""

_LINKER = """\
/* Memory of QEMU's $machines. */
MEMORY
{
$memory}

ENTRY(start)

SECTIONS
{
$before\
    .text : {
$vectors        *(.text* .rodata*)
    } > FLASH
    .ARM.exidx : { *(.ARM.exidx*) } > FLASH
    .data : ALIGN(4) {
        data_start = .;
        *(.data*)
        . = ALIGN(4);
        data_end = .;
    } > RAM AT > FLASH
    data_load = LOADADDR(.data);
    .bss (NOLOAD) : ALIGN(4) {
        bss_start = .;
        *(.bss* COMMON)
        . = ALIGN(4);
        bss_end = .;
    } > RAM
    .stack (NOLOAD) : ALIGN(8) {
        stack_start = .;
        . += 64K;
        stack_end = .;
    } > RAM
}
"""


_MPS2_MEMORY = """\
    FLASH (rx) : ORIGIN = 0x00000000, LENGTH = 4M
    RAM (rwx) : ORIGIN = 0x20000000, LENGTH = 4M
"""

# AN547, "Arm Corstone SSE-300 with Cortex-M55", 3.4 memory map: the vectors in ITCM,
# the code in the DDR memory, data in the SRAM of the FPGA.
_MPS3_MEMORY = """\
    VECTORS (rx) : ORIGIN = 0x00000000, LENGTH = 512K
    FLASH (rx) : ORIGIN = 0x60000000, LENGTH = 4M
    RAM (rwx) : ORIGIN = 0x21000000, LENGTH = 4M
"""

_PACKAGES = ("gcc-arm-none-eabi libnewlib-arm-none-eabi", "qemu-system-arm")


def _core(name: str, machine: str, options: str = "") -> Core:
    return Core(f"cortex-{name}", machine, f"-mcpu=cortex-{name}{options}")


FAMILY = Family(
    folder="cortex_m",
    title="Cortex-M",
    cores=(
        _core("m3", "mps2-an385"),
        _core("m4", "mps2-an386"),
        _core("m7", "mps2-an500"),
    ),
    compiler="arm-none-eabi-gcc",
    emulator="qemu-system-arm",
    packages=_PACKAGES,
    options="-mthumb",
    emulator_options="",
    processor=literals.filled(
        _PROCESSOR,
        **{"reset": "start", "declared": "", "begin": ""},
        **{"megahertz": "25", "numerator": "40", "denominator": ""},
    ),
    linker=literals.filled(
        _LINKER,
        machines="mps2-an385, mps2-an386 and mps2-an500",
        memory=_MPS2_MEMORY,
        vectors="        KEEP(*(.vectors))\n",
        before="",
    ),
    memory="4 MB of code and 4 MB of data",
    instructions_per_tick=40,
)

HELIUM = Family(
    folder="cortex_m55",
    title="Cortex-M55",
    # Vectors are integers' and floats': the compiler has them with registers for both.
    cores=(_core("m55", "mps3-an547", " -mfloat-abi=hard"),),
    compiler="arm-none-eabi-gcc",
    emulator="qemu-system-arm",
    packages=_PACKAGES,
    options="-mthumb",
    emulator_options="",
    processor=literals.filled(
        _PROCESSOR,
        **{"reset": "reset", "declared": "void reset(void);\n\n", "begin": _RESET},
        **{"megahertz": "32", "numerator": "125", "denominator": " / 4"},
    ),
    linker=literals.filled(
        _LINKER,
        machines="mps3-an547",
        memory=_MPS3_MEMORY,
        vectors="",
        before="    .vectors : { KEEP(*(.vectors)) } > VECTORS\n",
    ),
    memory="4 MB of code and 4 MB of data",
    instructions_per_tick=32,
)
