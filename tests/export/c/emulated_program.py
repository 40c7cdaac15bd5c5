"""Many networks in one program for an emulated core, with answers from outside."""

import re
import subprocess

import pytest

from export.c import emulation, files, network
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
    sources, names = [], []
    family = catalog.family(core)
    for number, (g, inputs, answers) in enumerate(cases.values()):
        name = f"net{number}"
        found = network.prepare(g, name)
        for file, text in files.texts(found, inputs, answers).items():
            if file == f"{name}_test.c":
                text = text.replace("int main(void)", f"int {name}_test(void)")
                text = f"int {name}_test(void);\n{text}"
            path = folder / name / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        sources += [folder / name / f"{name}.c", folder / name / f"{name}_test.c"]
        names.append(f"{name}_test")
    declarations = "\n".join(f"int {name}(void);" for name in names)
    board = folder / "net0" / family.folder
    main = board / "main.c"
    main.write_text(_MAIN.format(declarations=declarations, names=", ".join(names)))
    sources += [board / file for file in (*cores.SOURCES, main.name)]
    guards = [f"-D{name.upper()}_GUARDS" for name in names]
    program = built(folder / f"{core}.elf", sources, core, flags, *guards)
    printed = run(program, core)
    assert "exit code: 0" in printed, printed[-400:]
    found = re.findall(r"^network \d+: (\d+)$", printed, re.MULTILINE)
    return dict(zip(cases, map(int, found), strict=True))


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


def run(program, core):
    """What a program prints on a core whose clock counts instructions."""
    family = catalog.family(core)
    command = (
        *(family.emulator, "-M", catalog.CORES[core].machine),
        *(*family.emulator_options.split(), "-nographic", "-monitor", "none"),
        *("-serial", "none", "-semihosting-config", "enable=on,target=native"),
        *("-icount", "shift=0", "-kernel", str(program)),
    )
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    return done.stdout + done.stderr


def simulated(g, inputs):
    """A case whose answers are those of `simulate`."""
    return g, inputs, execution.run(g, inputs)
