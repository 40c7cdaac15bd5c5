"""A front end on emulated cores: its known answers, and instructions a row."""

import re

import pytest

from export.audio import writer
from export.c.cores import catalog
from export.c.cores import family as cores
from tests.export.c import emulated_program
from tfpipeline.audio import front_end
from tfpipeline.ir import graph

pytestmark = pytest.mark.emulated

# Instructions a row, 173,640 and X by gcc 12.2; compilers differ.
ALLOWED = {"cortex-m4": 220_000, "rv32imac": 300_000}

# Counts what one row takes, behind the test.
_REPORT = """\
#include "board.h"
#include "sound.h"

static sound_state state;
static int16_t samples[SOUND_WINDOW_SAMPLES];

void report(void)
{
    int8_t row[SOUND_FEATURES];
    uint32_t begin;
    for (int32_t i = 0; i < SOUND_WINDOW_SAMPLES; ++i) {
        samples[i] = (int16_t)(i * i * 37);
    }
    start_clock();
    begin = read_clock();
    sound_frame(&state, samples, row);
    begin = instructions(begin, read_clock());
    print("row: ");
    print_number(begin);
    print("\\nstate: ");
    print_number(sizeof state);
    print("\\n");
}
"""


@pytest.mark.parametrize("core", list(map(emulated_program.on, ALLOWED)))
@pytest.mark.parametrize("kind", front_end.KINDS)
def test_known_answers_are_met_on_a_core(kind, core, tmp_path):
    given = front_end.FrontEnd(kind)
    quant = graph.QuantParams((0.4,), (20,), 8)
    tensor = graph.Tensor("input", (1, *given.output_shape), "int8", quant)
    program = writer.prepare(given, "sound", tensor)
    board = cores.board_texts(catalog.family(core))
    texts = {**writer.contents(program), "report.c": _REPORT, **board}
    for name, text in texts.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    names = (*cores.SOURCES, "report.c", "sound.c", "sound_test.c")
    sources = [tmp_path / name for name in names]
    built = emulated_program.built(tmp_path / "sound.elf", sources, core, "-O2")
    printed = emulated_program.run(built, core)
    assert "exit code: 0" in printed, printed
    assert int(re.search(r"row: (\d+)", printed)[1]) < ALLOWED[core], printed
    # 257 bins, 40 logarithms, 640 samples and a counter.
    assert "state: 3500\n" in printed
