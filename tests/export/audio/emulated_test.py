"""A front end on an emulated Cortex-M4: its known answers, and instructions a row."""

import re
import shutil
import subprocess

import pytest

from export.audio import writer
from export.c import cortex_m, network
from tests.export.c import emulated_program, files_test
from tfpipeline.audio import front_end
from tfpipeline.ir import graph

pytestmark = [pytest.mark.emulated, emulated_program.needs_emulator]

# Counts what one row takes, by the clock of `export.c.cortex_m`, behind the test.
_REPORT = """\
#include "sound.h"

#define SYST_CSR (*(volatile uint32_t *)0xE000E010)
#define SYST_RVR (*(volatile uint32_t *)0xE000E014)
#define SYST_CVR (*(volatile uint32_t *)0xE000E018)

void report(void);
void print(const char *text);
void print_number(uint32_t value);

static sound_state state;
static int16_t samples[SOUND_WINDOW_SAMPLES];

void report(void)
{
    int8_t row[SOUND_FEATURES];
    uint32_t begin;
    for (int32_t i = 0; i < SOUND_WINDOW_SAMPLES; ++i) {
        samples[i] = (int16_t)(i * i * 37);
    }
    SYST_RVR = 0xFFFFFF;
    SYST_CVR = 0;
    SYST_CSR = 5;
    begin = SYST_CVR;
    sound_frame(&state, samples, row);
    begin -= SYST_CVR;
    print("row: ");
    print_number((begin & 0xFFFFFF) * 40);
    print("\\nstate: ");
    print_number(sizeof state);
    print("\\n");
}
"""


@pytest.mark.parametrize("kind", front_end.KINDS)
def test_known_answers_are_met_on_a_cortex_m4(kind, tmp_path):
    given = front_end.FrontEnd(kind)
    quant = graph.QuantParams((0.4,), (20,), 8)
    tensor = graph.Tensor("input", (1, *given.output_shape), "int8", quant)
    program = writer.prepare(given, "sound", tensor)
    board = cortex_m.texts(network.prepare(files_test.small(), "net"))
    texts = {**writer.contents(program), "report.c": _REPORT, **board}
    for name, text in texts.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    sources = ("startup.c", "report.c", "sound.c", "sound_test.c")
    compiled = (
        *("arm-none-eabi-gcc", "-O2", "-mthumb", "-mcpu=cortex-m4", "-Wall", "-Werror"),
        *("-nostartfiles", "-T", "linker.ld", *sources, "-o", "sound.elf"),
    )
    subprocess.run(compiled, cwd=tmp_path, check=True, timeout=120)
    run = (
        *(shutil.which("qemu-system-arm"), "-M", cortex_m.MACHINES["cortex-m4"]),
        *("-nographic", "-monitor", "none", "-serial", "none", "-icount", "shift=0"),
        *("-semihosting-config", "enable=on,target=native", "-kernel", "sound.elf"),
    )
    done = subprocess.run(
        run, cwd=tmp_path, capture_output=True, text=True, timeout=300
    )
    printed = done.stdout + done.stderr
    assert "exit code: 0" in printed, printed
    # 173,640 by gcc 12.2; compilers differ.
    assert int(re.search(r"row: (\d+)", printed)[1]) < 220_000, printed
    # 257 bins, 40 logarithms, 640 samples and a counter.
    assert "state: 3500\n" in printed
