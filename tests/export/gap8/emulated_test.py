"""The portable C of a GAP8 program on emulated cores: its known answers, bit for bit.

It needs nothing of the chip's SDK. GAP8's own cores are RISC-V with instructions of
GreenWaves' beside those of rv32imc, which no emulator of Debian has.
"""

import pytest

from export.gap8 import c_network, precisions
from tests.export.c import emulated_program
from tests.export.gap8 import c_network_test, programs
from tfpipeline.targets.gap8 import simulate

pytestmark = pytest.mark.emulated


def texts(p, name, *, wrong=False):
    """The program's C and its known answers, one of which may be wrong."""
    images = c_network_test.random_images(p)
    answers = {
        precision: simulate.outputs_readable(p, images, precision)[p.outputs[0]].copy()
        for precision in precisions.possible(p)
    }
    if wrong:
        next(iter(answers.values())).flat[-1] ^= 1
    return {
        f"{name}.h": c_network.header(p, name),
        f"{name}.c": c_network.source(p, name),
        f"{name}_test.c": c_network.test(p, name, images, answers),
    }


@pytest.mark.parametrize(
    "core", [emulated_program.on("rv32imac"), emulated_program.on("cortex-m4")]
)
def test_programs_are_bit_exact(tmp_path, core):
    cases = {
        name: texts(p, f"net{number}")
        for number, (name, p) in enumerate(programs.ALL.items())
    }
    cases["wrong"] = texts(programs.ALL["fire16"], f"net{len(cases)}", wrong=True)
    found = emulated_program.exit_codes_of(tmp_path, cases, core, "-O2")
    assert found == {**dict.fromkeys(programs.ALL, 0), "wrong": 1}
