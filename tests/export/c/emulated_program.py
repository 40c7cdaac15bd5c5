"""Many networks in one program for an emulated core, with answers from outside."""

import re
import subprocess

import pytest

from export.c import emulation, network
from export.c.cores import catalog
from export.c.cores import family as cores
from tests.export.c import compiler
from tfpipeline.simulate import execution


def needs(core):
    """Skips where a core cannot be emulated."""
    missing = emulation.missing_tools([core])
    return pytest.mark.skipif(bool(missing), reason="; ".join(missing))


def on(core, *values):
    """A case of a test on an emulated core."""
    return pytest.param(core, *values, marks=needs(core), id="-".join((core, *values)))


CORES = [on(core) for core in catalog.CORES]

# The networks' test programs become functions; each prints its number and exit code.
_MAIN = """\
#include "board.h"

{declarations}

void report(void)
{{
}}

int main(void)
{{
    static int (*const tests[])(void) = {{{names}}};
    for (uint32_t i = 0; i < sizeof tests / sizeof *tests; ++i) {{
        print("network ");
        print_number(i);
        print(": ");
        print_number((uint32_t)tests[i]());
        print("\\n");
    }}
    return 0;
}}
"""


def exit_codes(folder, cases, core, flags="-O2"):
    """Runs networks and returns the exit code of each one's known answers, by name.

    Args:
        folder: for the files.
        cases: `{name: (graph, inputs, answers)}`, an array for each input and output.
        core: such as "cortex-m3".
        flags: of the compiler.
    """
    texts, guards = {}, []
    for number, (label, (g, inputs, answers)) in enumerate(cases.items()):
        found = network.prepare(g, f"net{number}")
        texts[label] = {
            f"{found.name}.c": network.source(found),
            f"{found.name}.h": network.header(found),
            f"{found.name}_test.c": network.test(found, inputs, answers),
        }
        guards.append(f"-D{found.name.upper()}_GUARDS")
    return exit_codes_of(folder, texts, core, flags, *guards)


def exit_codes_of(folder, programs, core, *options):
    """The same of test programs, whose files are named net0.c, net0_test.c and so on.

    Args:
        folder: for the files.
        programs: `{name: {file: text}}`.
        core: such as "cortex-m3".
        options: of the compiler.
    """
    written = cores.board_texts(catalog.family(core))
    tests = []
    for number, texts in enumerate(programs.values()):
        test = f"net{number}_test"
        given = texts[f"{test}.c"].replace("int main(void)", f"int {test}(void)")
        written |= {**texts, f"{test}.c": f"int {test}(void);\n{given}"}
        tests.append(test)
    declarations = "\n".join(f"int {test}(void);" for test in tests)
    main = _MAIN.format(declarations=declarations, names=", ".join(tests))
    written["main.c"] = main
    for file, text in written.items():
        (folder / file).write_text(text, encoding="utf-8")
    sources = [folder / file for file in written if file.endswith(".c")]
    program = built(folder / f"{core}.elf", sources, core, *options)
    printed = run(program, core, counts=False)
    assert "exit code: 0" in printed, printed[-400:]
    found = re.findall(r"^network \d+: (\d+)$", printed, re.MULTILINE)
    return dict(zip(programs, map(int, found), strict=True))


def built(output, sources, core, *options):
    """A program for a core, of C files in or beside its family's folder."""
    family = catalog.family(core)
    [folder] = {path.parent for path in sources if path.name == cores.SOURCES[0]}
    return compiler.compile_program(
        sources,
        output,
        *(*options, *catalog.CORES[core].options.split(), *family.options.split()),
        *("-nostartfiles", "-T", str(folder / "linker.ld"), f"-I{folder}"),
        compiler=family.compiler,
    )


def run(program, core, *, counts=True):
    """What a program prints on a core.

    With `counts` the clock is that of executed instructions, and all takes longer.
    """
    family = catalog.family(core)
    clock = ("-icount", "shift=0") if counts else ()
    command = (
        *(family.emulator, "-M", catalog.CORES[core].machine),
        *(*family.emulator_options.split(), "-nographic", "-monitor", "none"),
        *("-serial", "none", "-semihosting-config", "enable=on,target=native"),
        *(*clock, "-kernel", str(program)),
    )
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    return done.stdout + done.stderr


def simulated(g, inputs):
    """A case whose answers are those of `simulate`."""
    return g, inputs, execution.run(g, inputs)
