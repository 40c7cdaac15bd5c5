"""RISC-V of 32 bits on QEMU's virt machine: RAM from 0x80000000, half of it for code.

The counter `instret` of the processor is exact: one an instruction.
"""

from export.c.cores.family import Core, Family

_PROCESSOR = """\
/* A RISC-V of 32 bits in machine mode: its first instructions, semihosting, instret. */
#include "board.h"

/* The first instruction of the program: QEMU jumps to the start of the memory. */
__asm__(".section .entry, \\"ax\\"\\n"
        ".option push\\n"
        ".option arch, +zicsr\\n"
        ".option norelax\\n"
        ".globl entry\\n"
        "entry:\\n"
        "    la gp, __global_pointer$\\n"
        "    la sp, stack_end\\n"
        "    la t0, trap\\n"
        "    csrw mtvec, t0\\n"
        "    j start\\n"
        "    .balign 4\\n"
        "trap:\\n"
        "    la sp, stack_end\\n"
        "    j fault\\n"
        ".option pop\\n"
        ".previous\\n");

uint32_t semihosting(uint32_t operation, uintptr_t argument)
{
    register uint32_t a0 __asm__("a0") = operation;
    register uintptr_t a1 __asm__("a1") = argument;
    /* These three instructions, of 4 bytes each and in one page, are the call. */
    __asm__ volatile(".balign 16\\n"
                     ".option push\\n"
                     ".option norvc\\n"
                     "slli x0, x0, 0x1f\\n"
                     "ebreak\\n"
                     "srai x0, x0, 7\\n"
                     ".option pop\\n"
                     : "+r"(a0)
                     : "r"(a1)
                     : "memory");
    return a0;
}

void start_clock(void)
{
    /* It always runs. */
}

uint32_t read_clock(void)
{
    uint32_t count;
    __asm__ volatile(".option push\\n"
                     ".option arch, +zicsr\\n"
                     "csrr %0, minstret\\n"
                     ".option pop\\n"
                     : "=r"(count));
    return count;
}

uint32_t instructions(uint32_t from, uint32_t to)
{
    return to - from;
}
"""

_LINKER = """\
/* Memory of QEMU's virt machine: 64 MB, of which half are taken as flash. */
MEMORY
{
    FLASH (rx) : ORIGIN = 0x80000000, LENGTH = 32M
    RAM (rwx) : ORIGIN = 0x82000000, LENGTH = 32M
}

ENTRY(entry)

SECTIONS
{
    .text : {
        KEEP(*(.entry))
        *(.text* .rodata* .srodata*)
    } > FLASH
    .data : ALIGN(8) {
        data_start = .;
        __global_pointer$ = . + 0x800;
        *(.data* .sdata*)
        . = ALIGN(4);
        data_end = .;
    } > RAM AT > FLASH
    data_load = LOADADDR(.data);
    .bss (NOLOAD) : ALIGN(8) {
        bss_start = .;
        *(.sbss* .bss* COMMON)
        . = ALIGN(4);
        bss_end = .;
    } > RAM
    .stack (NOLOAD) : ALIGN(16) {
        stack_start = .;
        . += 64K;
        stack_end = .;
    } > RAM
}
"""

FAMILY = Family(
    folder="riscv",
    title="RISC-V",
    cores=(Core("rv32imac", "virt", "-march=rv32imac -mabi=ilp32"),),
    compiler="riscv64-unknown-elf-gcc",
    emulator="qemu-system-riscv32",
    packages=(
        "gcc-riscv64-unknown-elf picolibc-riscv64-unknown-elf",
        "qemu-system-misc",
    ),
    options="--specs=picolibc.specs",
    emulator_options="-bios none -m 64M",
    processor=_PROCESSOR,
    linker=_LINKER,
    memory="32 MB of code and 32 MB of data",
    instructions_per_tick=1,
)
