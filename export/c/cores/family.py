"""What a family of emulated cores is, and the folder that runs a network on them.

With QEMU's `-icount shift=0` an executed instruction takes 1 ns. There is no model of
caches, pipelines or wait states: instructions are counted, not cycles.
"""

import dataclasses

from export.c import literals, network


@dataclasses.dataclass(frozen=True)
class Core:
    """A core that QEMU emulates.

    Attributes:
        name: of --emulate.
        machine: of QEMU, that has the core.
        options: of the compiler, that choose the core.
    """

    name: str
    machine: str
    options: str


@dataclasses.dataclass(frozen=True)
class Family:
    """Cores with one compiler, one emulator and one map of the memory.

    Attributes:
        folder: of an export, with what runs the network on these cores.
        title: what they are, in a sentence.
        cores: the first is the Makefile's own choice.
        compiler: the program, a gcc.
        emulator: the program of QEMU.
        packages: what Debian calls the compiler's packages, and the emulator's.
        options: of the compiler for every core, beside -nostartfiles.
        emulator_options: beside the machine, semihosting and the program.
        processor: C that starts `start`, and defines what `_BOARD` declares.
        linker: the linker script; it defines data_load, data_start, data_end,
            bss_start, bss_end, stack_start and stack_end.
        memory: what the script's machine has, in a sentence.
        instructions_per_tick: of the clock: the step in which layers are counted.
    """

    folder: str
    title: str
    cores: tuple[Core, ...]
    compiler: str
    emulator: str
    packages: tuple[str, str]
    options: str
    emulator_options: str
    processor: str
    linker: str
    memory: str
    instructions_per_tick: int

    @property
    def tools(self) -> dict[str, str]:
        """What the folder's Makefile calls, and Debian's packages with it."""
        compiler, emulator = self.packages
        return {"make": "make", self.compiler: compiler, self.emulator: emulator}


# C sources of the folder, but for profile.c, of which a program may have its own.
SOURCES = ("startup.c", "processor.c")


def board_texts(family: Family) -> dict[str, str]:
    """What any program needs of a family's board, by name of the file."""
    return {
        "board.h": _BOARD,
        "startup.c": literals.filled(_STARTUP, title=family.title),
        "processor.c": family.processor,
        "linker.ld": family.linker,
    }


def texts(family: Family, found: network.Network) -> dict[str, str]:
    """The files of the family's folder by name."""
    layers = "".join(
        f"    {literals.string(f'{layer.kind} {layer.name}')},\n"
        for layer in found.steps
    )
    cores = "\n".join(
        f"MACHINE_{core.name} := {core.machine}\nOPTIONS_{core.name} := {core.options}"
        for core in family.cores
    )
    names = {"name": found.name, "upper": found.name.upper()}
    step = family.instructions_per_tick
    return {
        **board_texts(family),
        "profile.c": literals.filled(
            _PROFILE,
            **names,
            layers=layers,
            step="" if step == 1 else f", in steps of {step}: a tick of the clock",
        ),
        "Makefile": literals.filled(
            _MAKEFILE,
            **names,
            cores=cores,
            core=family.cores[0].name,
            other=family.cores[-1].name,
            compiler=family.compiler,
            emulator=family.emulator,
            options=family.options,
            emulator_options=family.emulator_options,
        ),
    }


_BOARD = """\
/* What a program has of the emulated board. */
#ifndef BOARD_H
#define BOARD_H

#include <stdint.h>

int main(void);
/* Yours: prints what was found, after main. */
void report(void);

void print(const char *text);
void print_number(uint32_t value);

void start_clock(void);
uint32_t read_clock(void);
/* Executed from one reading of the clock to another. */
uint32_t instructions(uint32_t from, uint32_t to);

/* Of the processor: what the vendor-neutral part is built on. */
uint32_t semihosting(uint32_t operation, uintptr_t argument);
void start(void);
void fault(void);

#endif
"""

_STARTUP = """\
/* Runs main on a $title of QEMU, and ends with its exit code. Reports by
   semihosting. */
#include "board.h"

/* Of linker.ld. */
extern const uint32_t data_load[];
extern uint32_t data_start[], data_end[], bss_start[], bss_end[];
extern uint32_t stack_start[], stack_end[];

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

void start(void)
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

_PROFILE = """\
/* Counts the instructions of each layer of $name$step. */
#include "../$name.h"

#include "board.h"

static const char *const layers[${upper}_LAYERS] = {
$layers};

static uint32_t marks[${upper}_LAYERS + 1];

void ${name}_mark(int32_t layer)
{
    if (layer == 0) {
        start_clock();
    }
    marks[layer] = read_clock();
}

void report(void)
{
    uint32_t sum = 0;
    for (int32_t i = 0; i < ${upper}_LAYERS; ++i) {
        const uint32_t count = instructions(marks[i], marks[i + 1]);
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
# make run CORE=$other CFLAGS=-Os
CORE ?= $core
CFLAGS ?= -O2
BUILD ?= build
CC := $compiler
QEMU := $emulator

$cores
MACHINE := $$(MACHINE_$$(CORE))
OPTIONS := $$(OPTIONS_$$(CORE)) $options
WARNINGS := -Wall -Wextra -Wconversion -std=c99 -pedantic
SOURCES := startup.c processor.c profile.c ../$name.c ../${name}_test.c
PROGRAM := $$(BUILD)/$name-$$(CORE).elf

.PHONY: program run clean

program:
\t$$(if $$(MACHINE),,$$(error no emulated board has the core $$(CORE)))
\t@mkdir -p $$(BUILD)
\t@$$(CC) $$(WARNINGS) $$(CFLAGS) $$(OPTIONS) -D${upper}_MARKS -D${upper}_GUARDS \\
\t    -nostartfiles -T linker.ld $$(SOURCES) -o $$(PROGRAM)

run: program
\t@$$(QEMU) -M $$(MACHINE) $emulator_options -nographic -monitor none \\
\t    -serial none -semihosting-config enable=on,target=native \\
\t    -icount shift=0 -kernel $$(PROGRAM)

clean:
\trm -rf $$(BUILD)
"""
