"""The files that run a network on an emulated Cortex-M: the folder `cortex_m`.

QEMU's mps2 boards have 4 MB of memory from 0, for code and constants, and 4 MB from
0x20000000. With `-icount shift=0` an executed instruction takes 1 ns; SysTick counts at
25 MHz, so a tick is 40 instructions and its 24 bits are 671 million. There is no model
of caches, pipelines or wait states: instructions are counted, not cycles.
"""

from export.c import literals, network

FOLDER = "cortex_m"

# Core -> the machine of QEMU.
MACHINES = {
    "cortex-m3": "mps2-an385",
    "cortex-m4": "mps2-an386",
    "cortex-m7": "mps2-an500",
}

_STARTUP = """\
/* Starts main on a Cortex-M of QEMU's mps2 boards, and ends with its exit code.
   Reports by semihosting. */
#include <stdint.h>

/* Of linker.ld. */
extern const uint32_t data_load[];
extern uint32_t data_start[], data_end[], bss_start[], bss_end[];
extern uint32_t stack_start[], stack_end[];

void reset(void);
void fault(void);
int main(void);
void report(void);
void print(const char *text);
void print_number(uint32_t value);

static const struct {
    uint32_t *stack;
    void (*handlers[15])(void);
} vectors __attribute__((section(".vectors"), used)) = {
    stack_end,
    {reset, fault, fault, fault, fault, fault, fault, fault, fault, fault, fault, fault,
     fault, fault, fault},
};

static void semihosting(uint32_t operation, uintptr_t argument)
{
    register uint32_t r0 __asm__("r0") = operation;
    register uintptr_t r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xAB" : "+r"(r0) : "r"(r1) : "memory");
}

void print(const char *text)
{
    semihosting(0x04, (uintptr_t)text); /* SYS_WRITE0 */
}

void print_number(uint32_t value)
{
    char digits[11];
    char *first = digits + 10;
    *first = 0;
    do {
        *--first = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    print(first);
}

static void leave(int code)
{
    /* SYS_EXIT: ADP_Stopped_ApplicationExit, or ADP_Stopped_RunTimeErrorUnknown. */
    semihosting(0x18, code ? 0x20023 : 0x20026);
    for (;;) {
    }
}

void fault(void)
{
    print("fault\\n");
    leave(1);
}

void reset(void)
{
    const volatile uint32_t unused = 0xA5A5A5A5;
    const uint32_t *from = data_load;
    const uint32_t *lowest = stack_start;
    int code;
    for (uint32_t *to = data_start; to < data_end; ++to) {
        *to = *from++;
    }
    for (uint32_t *to = bss_start; to < bss_end; ++to) {
        *to = 0;
    }
    /* All of the stack but what this function has, to see how much main takes. */
    for (volatile uint32_t *to = stack_start; to < &unused; ++to) {
        *to = unused;
    }
    code = main();
    while (lowest < stack_end && *lowest == unused) {
        ++lowest;
    }
    report();
    print("stack: ");
    print_number((uint32_t)((uintptr_t)stack_end - (uintptr_t)lowest));
    print(" bytes\\nexit code: ");
    print_number((uint32_t)code);
    print("\\n");
    leave(code);
}
"""

_LINKER = """\
/* Memory of QEMU's mps2-an385, mps2-an386 and mps2-an500. */
MEMORY
{
    FLASH (rx) : ORIGIN = 0x00000000, LENGTH = 4M
    RAM (rwx) : ORIGIN = 0x20000000, LENGTH = 4M
}

ENTRY(reset)

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

_PROFILE = """\
/* Counts the instructions of each layer of $name, in steps of 40: a tick of SysTick. */
#include "../$name.h"

#define SYST_CSR (*(volatile uint32_t *)0xE000E010)
#define SYST_RVR (*(volatile uint32_t *)0xE000E014)
#define SYST_CVR (*(volatile uint32_t *)0xE000E018)

void report(void);
void print(const char *text);
void print_number(uint32_t value);

static const char *const layers[${upper}_LAYERS] = {
$layers};

static uint32_t marks[${upper}_LAYERS + 1];

void ${name}_mark(int32_t layer)
{
    if (layer == 0) {
        SYST_RVR = 0xFFFFFF;
        SYST_CVR = 0;
        SYST_CSR = 5; /* on, by the processor's clock */
    }
    marks[layer] = SYST_CVR;
}

void report(void)
{
    uint32_t sum = 0;
    for (int32_t i = 0; i < ${upper}_LAYERS; ++i) {
        const uint32_t count = ((marks[i] - marks[i + 1]) & 0xFFFFFF) * 40;
        sum += count;
        print("layer ");
        print_number((uint32_t)i);
        print(": ");
        print_number(count);
        print(" instructions, ");
        print(layers[i]);
        print("\\n");
    }
    print("all layers: ");
    print_number(sum);
    print(" instructions\\n");
}
"""

_MAKEFILE = """\
# Runs the known answers of $name in QEMU and counts instructions a layer.
# make run CORE=cortex-m7 CFLAGS=-Os
CORE ?= cortex-m4
CFLAGS ?= -O2
BUILD ?= build
CC := arm-none-eabi-gcc
QEMU := qemu-system-arm

$machines
MACHINE := $$(MACHINE_$$(CORE))
WARNINGS := -Wall -Wextra -Wconversion -std=c99 -pedantic
SOURCES := startup.c profile.c ../$name.c ../${name}_test.c
PROGRAM := $$(BUILD)/$name-$$(CORE).elf

.PHONY: program run clean

program:
\t$$(if $$(MACHINE),,$$(error no emulated board has the core $$(CORE)))
\t@mkdir -p $$(BUILD)
\t@$$(CC) $$(WARNINGS) $$(CFLAGS) -mthumb -mcpu=$$(CORE) -D${upper}_MARKS \\
\t    -D${upper}_GUARDS -nostartfiles -T linker.ld $$(SOURCES) -o $$(PROGRAM)

run: program
\t@$$(QEMU) -M $$(MACHINE) -nographic -monitor none -serial none \\
\t    -semihosting-config enable=on,target=native -icount shift=0 \\
\t    -kernel $$(PROGRAM)

clean:
\trm -rf $$(BUILD)
"""


def texts(found: network.Network) -> dict[str, str]:
    """The files of the folder by name."""
    layers = "".join(
        f"    {literals.string(f'{layer.kind} {layer.name}')},\n"
        for layer in found.g.layers
    )
    machines = "\n".join(f"MACHINE_{c} := {m}" for c, m in MACHINES.items())
    names = {"name": found.name, "upper": found.name.upper()}
    return {
        "startup.c": _STARTUP,
        "linker.ld": _LINKER,
        "profile.c": literals.filled(_PROFILE, **names, layers=layers),
        "Makefile": literals.filled(_MAKEFILE, **names, machines=machines),
    }
