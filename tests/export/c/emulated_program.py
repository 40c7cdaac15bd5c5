"""Many networks in one program for an emulated core, with answers from outside."""

import re
import subprocess

import pytest

from export.c import cortex_m, emulation, files, network
from tests.export.c import compiler
from tfpipeline.simulate import execution

needs_emulator = pytest.mark.skipif(
    bool(emulation.missing_tools()), reason="; ".join(emulation.missing_tools())
)

# The networks' test programs become functions; each prints its number and exit code.
_MAIN = """\
#include <stdint.h>
{declarations}
void report(void);
void print(const char *text);
void print_number(uint32_t value);
int main(void);

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
    for number, (g, inputs, answers) in enumerate(cases.values()):
        name = f"net{number}"
        found = network.prepare(g, name)
        (folder / name / cortex_m.FOLDER).mkdir(parents=True)
        for file, text in files.texts(found, inputs, answers).items():
            if file == f"{name}_test.c":
                text = text.replace("int main(void)", f"int {name}_test(void)")
                text = f"int {name}_test(void);\n{text}"
            (folder / name / file).write_text(text, encoding="utf-8")
        sources += [folder / name / f"{name}.c", folder / name / f"{name}_test.c"]
        names.append(f"{name}_test")
    declarations = "\n".join(f"int {name}(void);" for name in names)
    main = folder / "main.c"
    main.write_text(_MAIN.format(declarations=declarations, names=", ".join(names)))
    board = folder / "net0" / cortex_m.FOLDER
    program = compiler.compile_program(
        [*sources, board / "startup.c", main],
        folder / f"{core}.elf",
        *(flags, "-mthumb", f"-mcpu={core}", "-nostartfiles"),
        *("-T", str(board / "linker.ld")),
        *(f"-DNET{number}_GUARDS" for number in range(len(names))),
        compiler="arm-none-eabi-gcc",
    )
    command = (
        *("qemu-system-arm", "-M", cortex_m.MACHINES[core], "-nographic"),
        *("-monitor", "none", "-serial", "none", "-kernel", str(program)),
        *("-semihosting-config", "enable=on,target=native"),
    )
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert "exit code: 0" in done.stderr, done.stderr[-400:]
    found = re.findall(r"^network \d+: (\d+)$", done.stderr, re.MULTILINE)
    return dict(zip(cases, map(int, found), strict=True))


def simulated(g, inputs):
    """A case whose answers are those of `simulate`."""
    return g, inputs, execution.run(g, inputs)
