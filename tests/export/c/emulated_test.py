"""The generated C on emulated cores against TFLite Micro's interpreter, bit for bit.

Every program is compiled with guards: a byte that is written outside of the arena, or
an arena that is larger than promised, is an exit code of 2.
"""

import itertools
import re

import numpy as np
import pytest

from export.c import emulation, files, network
from export.c.cores import catalog as cores
from export.c.cores import family
from export.tflite import from_graph
from tests import registered_networks
from tests.export.c import (
    compiler,
    emulated_program,
    network_test,
    random_graphs,
    vector_graphs,
)
from tests.simulate import activations_test, micro, networks_test, recurrent_test
from tests.simulate import operator_cases as cases
from tests.simulate.operators_test import CASES
from tfpipeline.cost import macs
from tfpipeline.ir import from_tflite
from tfpipeline.networks import catalog
from tfpipeline.simulate import activation_functions

pytestmark = pytest.mark.emulated

on, CORES = emulated_program.on, emulated_program.CORES
# Instructions a MAC on the network of CMSIS-NN's paper, whose own int8 kernels 99f736a
# take 2.99 on a Cortex-M3, 0.30 on a Cortex-M55 and 2.07 on the others (gcc 12.2 with
# -Ofast, in the same emulator: qemu_cortexm.json of the reference data); a RISC-V
# without extensions multiplies, adds and loads each operand of two by an instruction.
ALLOWED = {
    **{"cortex-m3": 2.7, "cortex-m4": 1.2, "cortex-m7": 1.2, "cortex-m55": 0.18},
    "rv32imac": 4.0,
}
OPERATORS = [
    *((core, "-O2") for core in cores.CORES),
    *(("cortex-m4", "-Os"), ("cortex-m55", "-Os"), ("rv32imac", "-Os")),
]


def from_interpreter(model, inputs):
    """A case whose answers are TFLite Micro's, an array for each output."""
    g = from_tflite.read(model)
    return g, inputs, micro.run(model, inputs, len(g.outputs), 2**24)


def golden_networks():
    for path in sorted({*network_test.NETWORKS, *network_test.TRAINED}):
        model = path.read_bytes()
        inputs = micro.random_inputs(from_tflite.read(model), 2, seed=3)
        yield network_test.network_id(path), from_interpreter(model, inputs)
        if path.parent.name == "mlperf_int8":
            narrow, count = networks_test.with_int4_kernels(model)
            if count:
                name = f"int4: {network_test.network_id(path)}"
                yield name, from_interpreter(narrow, inputs)


def registered_network(name, dtype):
    """Random weights on a registered network."""
    random = np.random.default_rng(0)
    g = random_graphs.quantized(catalog.load(name), random, dtype)
    return from_interpreter(from_graph.to_bytes(g), micro.random_inputs(g, 1))


def operators():
    for name, case in CASES.items():
        model = cases.models.one_operator(*case)
        inputs = micro.random_inputs(from_tflite.read(model), 3, seed=2)
        yield name, from_interpreter(model, inputs)
    for name, dtype in activation_functions.BUILDERS:
        model = next(iter(activations_test.networks(name, dtype)))
        every = activations_test.every(dtype)[np.newaxis]
        yield f"{dtype}: every {name}", from_interpreter(model, [every])
    for name, model in recurrent_test.CASES.items():
        inputs = micro.random_inputs(from_tflite.read(model), 3)
        yield f"recurrent: {name}", from_interpreter(model, inputs)
    for seed in range(200, 230):
        g = network_test.random_graph(seed)
        yield f"random {seed}", emulated_program.simulated(g, micro.random_inputs(g, 2))
    for name, g in network_test.EXTREMES.items():
        images = network_test.extreme_images(g)
        yield name, emulated_program.simulated(g, [images])
    for name, g in (network_test.LAYOUTS | network_test.PLANES).items():
        yield name, emulated_program.simulated(g, micro.random_inputs(g, 2))


@pytest.mark.parametrize(
    ("core", "flags"),
    [on(core, "-O2") for core in cores.CORES] + [on("cortex-m55", "-O0")],
)
def test_tails_of_vectors_are_bit_exact(tmp_path, core, flags):
    found = {
        name: emulated_program.simulated(g, micro.random_inputs(g, 2))
        for name, g in vector_graphs.graphs()
    }
    codes = emulated_program.exit_codes(tmp_path, found, core, flags)
    assert codes == dict.fromkeys(found, 0)


@pytest.fixture(scope="module")
def all_operators():
    return dict(operators())


@pytest.mark.parametrize(
    ("core", "flags"),
    [on(core, flags) for core, flags in OPERATORS],
)
def test_operators_are_bit_exact(tmp_path, all_operators, core, flags):
    found = emulated_program.exit_codes(tmp_path, all_operators, core, flags)
    assert found == dict.fromkeys(all_operators, 0)


@pytest.mark.parametrize("core", CORES)
def test_networks_are_bit_exact(tmp_path, core):
    networks = dict(golden_networks())
    found = emulated_program.exit_codes(tmp_path, networks, core)
    assert found == dict.fromkeys(networks, 0)


# The mps2 boards have 4 MB for code and 4 MB for data; one graph has the transposed
# convolutions of the MAX78000, whose padding TensorFlow Lite has not.
_TOO_MUCH = {*registered_networks.HEAVY, "unet_mcu_folded"}


@pytest.mark.parametrize(
    "core",
    [
        *(on("cortex-m3"), on("cortex-m7"), on("cortex-m55"), on("rv32imac")),
    ],
)
@pytest.mark.parametrize("name", sorted({*catalog.names()} - _TOO_MUCH))
@pytest.mark.parametrize("dtype", ["int8", "int16"])
def test_registered_networks_are_bit_exact(tmp_path, name, dtype, core):
    case = {name: registered_network(name, dtype)}
    assert emulated_program.exit_codes(tmp_path, case, core) == {name: 0}


@pytest.mark.parametrize("core", [on("cortex-m3"), on("rv32imac")])
def test_a_wrong_answer_and_a_byte_outside_the_arena_are_found(tmp_path, core):
    g, inputs, answers = next(iter(dict(golden_networks()).values()))
    found = files.write(tmp_path / "net", g, "net", inputs)
    source = tmp_path / "net" / "net.c"
    text = source.read_text()
    outside = "((int8_t *)&arena)[NET_ARENA_BYTES] = 0;\n    MARK(1);"
    source.write_text(text.replace("MARK(1);", outside))
    assert emulation.run(tmp_path / "net", found, core).exit_code == 2
    source.write_text(text)
    assert emulation.run(tmp_path / "net", found, core).exit_code == 0
    answers[0][-1, -1] ^= 1
    (tmp_path / "net" / "net_test.c").write_text(network.test(found, inputs, answers))
    assert emulation.run(tmp_path / "net", found, core).exit_code == 1


@pytest.mark.parametrize("core", CORES)
def test_instructions_on_the_network_of_the_paper(tmp_path, core, capsys):
    random = np.random.default_rng(0)
    g = random_graphs.quantized(catalog.load("cmsis_cifar10"), random, "int8")
    found = files.write(tmp_path / "net", g, "net")
    ran = emulation.run(tmp_path / "net", found, core)
    assert ran.exit_code == 0
    ratio = sum(ran.instructions) / macs.graph_count(g).macs
    with capsys.disabled():
        print(f"\n{core}: {ratio:.2f} instructions a MAC, at most {ALLOWED[core]:.2f}")
        print("\n".join(emulation.to_text(found, ran)))
    assert ratio <= ALLOWED[core]


# Two instructions, `turns` times.
_LOOPS = {
    "cortex_m": "1: subs %0, %0, #1\\n bne 1b",
    "cortex_m55": "1: subs %0, %0, #1\\n bne 1b",
    "riscv": "1: addi %0, %0, -1\\n bnez %0, 1b",
}
_LOOP = """\
#include "board.h"

static uint32_t loop(uint32_t turns)
{{
    const uint32_t from = read_clock();
    __asm__ volatile("{body}" : "+r"(turns) : : "cc", "memory");
    return instructions(from, read_clock());
}}

void report(void)
{{
}}

int main(void)
{{
    start_clock();
    for (uint32_t turns = 1000; turns <= 9000; turns += 2000) {{
        print("loop: ");
        print_number(loop(turns));
        print("\\n");
    }}
    return 0;
}}
"""


@pytest.mark.parametrize("core", CORES)
def test_the_clock_counts_every_instruction(tmp_path, core):
    cpu = cores.family(core)
    for name, text in family.board_texts(cpu).items():
        (tmp_path / name).write_text(text)
    (tmp_path / "main.c").write_text(_LOOP.format(body=_LOOPS[cpu.folder]))
    sources = [tmp_path / name for name in (*family.SOURCES, "main.c")]
    program = emulated_program.built(tmp_path / "loop.elf", sources, core, "-O2")
    printed = emulated_program.run(program, core)
    counts = list(map(int, re.findall(r"^loop: (\d+)$", printed, re.MULTILINE)))
    assert len(counts) == 5, printed
    step = cpu.instructions_per_tick
    for one, other in itertools.pairwise(counts):
        # 2,000 turns of two instructions; a tick of the clock at either end.
        assert abs(other - one - 4000) <= (step if step > 1 else 0)
    assert 2000 <= counts[0] <= 2020 + step


@pytest.mark.parametrize("core", [on("cortex-m4"), on("rv32imac")])
def test_counts_depend_on_nothing_but_the_network(tmp_path, core):
    g = network_test.random_graph(1)
    found = files.write(tmp_path / "net", g, "net")
    runs = [emulation.run(tmp_path / "net", found, core) for _ in range(2)]
    step = cores.family(core).instructions_per_tick
    for first, second in zip(*(run.instructions for run in runs), strict=True):
        assert abs(first - second) <= (step if step > 1 else 0)
    assert len(runs[0].instructions) == len(g.layers)
    text = emulation.to_text(found, runs[0])
    assert text[0].startswith(f"emulated   {core}, gcc -O2: all known answers met")


@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize("level", ["-O0", "-O2", "-O3"])
def test_nothing_is_warned_about(tmp_path, core, level):
    cpu = cores.family(core)
    for path in network_test.NETWORKS[:4]:
        g = from_tflite.read(path.read_bytes())
        files.write(tmp_path / "net", g, "net")
        for source in ("net.c", "net_test.c", *family.SOURCES, "profile.c"):
            folder = tmp_path / "net" / ("" if "net" in source else cpu.folder)
            compiler.compile_program(
                [folder / source],
                tmp_path / "net.o",
                *("-c", level, "-DNET_MARKS"),
                *cores.CORES[core].options.split(),
                *cpu.options.split(),
                compiler=cpu.compiler,
            )
