"""Cortex-M on QEMU's mps2 boards: 4 MB from 0 for code and constants, 4 MB of RAM.

SysTick counts at 25 MHz, so at 1 ns an instruction a tick is 40 instructions and its
24 bits are 671 million.
"""

from export.c.cores.family import Core, Family

_PROCESSOR = """\
/* A Cortex-M: its vectors, semihosting and SysTick. */
#include "board.h"

#define SYST_CSR (*(volatile uint32_t *)0xE000E010)
#define SYST_RVR (*(volatile uint32_t *)0xE000E014)
#define SYST_CVR (*(volatile uint32_t *)0xE000E018)

extern uint32_t stack_end[];

static const struct {
    uint32_t *stack;
    void (*handlers[15])(void);
} vectors __attribute__((section(".vectors"), used)) = {
    stack_end,
    {start, fault, fault, fault, fault, fault, fault, fault, fault, fault, fault, fault,
     fault, fault, fault},
};

uint32_t semihosting(uint32_t operation, uintptr_t argument)
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
    /* It counts down, 25 ticks a microsecond. */
    return ((from - to) & 0xFFFFFF) * 40;
}
"""

_LINKER = """\
/* Memory of QEMU's mps2-an385, mps2-an386 and mps2-an500. */
MEMORY
{
    FLASH (rx) : ORIGIN = 0x00000000, LENGTH = 4M
    RAM (rwx) : ORIGIN = 0x20000000, LENGTH = 4M
}

ENTRY(start)

SECTIONS
{
    .text : {
        KEEP(*(.vectors))
        *(.text* .rodata*)
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


def _core(name: str, machine: str) -> Core:
    return Core(f"cortex-{name}", machine, f"-mcpu=cortex-{name}")


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
    packages=("gcc-arm-none-eabi libnewlib-arm-none-eabi", "qemu-system-arm"),
    options="-mthumb",
    emulator_options="",
    processor=_PROCESSOR,
    linker=_LINKER,
    memory="4 MB of code and 4 MB of data",
    instructions_per_tick=40,
)
