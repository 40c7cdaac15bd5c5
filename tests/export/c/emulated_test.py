"""The generated C on emulated Cortex-M against TFLite Micro's interpreter, bit for bit.

Every program is compiled with guards: a byte that is written outside of the arena, or
an arena that is larger than promised, is an exit code of 2.
"""

import re

import numpy as np
import pytest

from export.c import cortex_m, emulation, files, network
from export.tflite import from_graph
from tests import registered_networks
from tests.export.c import compiler, emulated_program, network_test, random_graphs
from tests.simulate import activations_test, micro, recurrent_test
from tests.simulate import operator_cases as cases
from tests.simulate.operators_test import CASES
from tfpipeline.cost import macs
from tfpipeline.ir import from_tflite
from tfpipeline.networks import catalog
from tfpipeline.simulate import activation_functions

pytestmark = [pytest.mark.emulated, emulated_program.needs_emulator]

CORES = tuple(cortex_m.MACHINES)
# Instructions a MAC of CMSIS-NN's int8 kernels 99f736a on the network of its paper,
# gcc 12.2 with -Ofast, in the same emulator: qemu_cortexm.json of the reference data.
CMSIS_NN = {"cortex-m3": 2.99, "cortex-m4": 2.07, "cortex-m7": 2.07}
# Asked for on plain C.
ALLOWED_RATIO = 1.5


def from_interpreter(model, inputs):
    """A case whose answers are TFLite Micro's, an array for each output."""
    g = from_tflite.read(model)
    return g, inputs, micro.run(model, inputs, len(g.outputs), 2**24)


def golden_networks():
    for path in sorted({*network_test.NETWORKS, *network_test.TRAINED}):
        model = path.read_bytes()
        inputs = micro.random_inputs(from_tflite.read(model), 2, seed=3)
        yield network_test.network_id(path), from_interpreter(model, inputs)


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


@pytest.fixture(scope="module")
def all_operators():
    return dict(operators())


@pytest.mark.parametrize(
    ("core", "flags"), [*((core, "-O2") for core in CORES), ("cortex-m4", "-Os")]
)
def test_operators_are_bit_exact(tmp_path, all_operators, core, flags):
    found = emulated_program.exit_codes(tmp_path, all_operators, core, flags)
    assert found == dict.fromkeys(all_operators, 0)


@pytest.mark.parametrize("core", CORES)
def test_networks_are_bit_exact(tmp_path, core):
    networks = dict(golden_networks())
    found = emulated_program.exit_codes(tmp_path, networks, core)
    assert found == dict.fromkeys(networks, 0)


# The machines have 4 MB for code and 4 MB for data; one graph has the transposed
# convolutions of the MAX78000, whose padding TensorFlow Lite has not.
_TOO_MUCH = {*registered_networks.HEAVY, "unet_mcu_folded"}


@pytest.mark.parametrize("name", sorted({*catalog.names()} - _TOO_MUCH))
@pytest.mark.parametrize("dtype", ["int8", "int16"])
def test_registered_networks_are_bit_exact(tmp_path, name, dtype):
    case = {name: registered_network(name, dtype)}
    for core in ("cortex-m3", "cortex-m7"):
        found = emulated_program.exit_codes(tmp_path / core, case, core)
        assert found == {name: 0}


def test_a_wrong_answer_and_a_byte_outside_the_arena_are_found(tmp_path):
    g, inputs, answers = next(iter(dict(golden_networks()).values()))
    found = files.write(tmp_path / "net", g, "net", inputs)
    source = tmp_path / "net" / "net.c"
    text = source.read_text()
    outside = "((int8_t *)&arena)[NET_ARENA_BYTES] = 0;\n    MARK(1);"
    source.write_text(text.replace("MARK(1);", outside))
    assert emulation.run(tmp_path / "net", found, "cortex-m3").exit_code == 2
    source.write_text(text)
    assert emulation.run(tmp_path / "net", found, "cortex-m3").exit_code == 0
    answers[0][-1, -1] ^= 1
    (tmp_path / "net" / "net_test.c").write_text(network.test(found, inputs, answers))
    assert emulation.run(tmp_path / "net", found, "cortex-m3").exit_code == 1


@pytest.mark.parametrize("core", CORES)
def test_instructions_on_the_network_of_the_paper(tmp_path, core, capsys):
    random = np.random.default_rng(0)
    g = random_graphs.quantized(catalog.load("cmsis_cifar10"), random, "int8")
    found = files.write(tmp_path / "net", g, "net")
    ran = emulation.run(tmp_path / "net", found, core)
    assert ran.exit_code == 0
    ratio = sum(ran.instructions) / macs.graph_count(g).macs
    with capsys.disabled():
        print(f"\n{core}: {ratio:.2f} instructions a MAC, CMSIS-NN {CMSIS_NN[core]}")
        print("\n".join(emulation.to_text(found, ran)))
    assert ratio <= ALLOWED_RATIO * CMSIS_NN[core]


def test_counts_depend_on_nothing_but_the_network(tmp_path):
    g = network_test.random_graph(1)
    found = files.write(tmp_path / "net", g, "net")
    runs = [emulation.run(tmp_path / "net", found, "cortex-m4") for _ in range(2)]
    for first, second in zip(*(run.instructions for run in runs), strict=True):
        # A tick of the timer.
        assert abs(first - second) <= 40
    assert len(runs[0].instructions) == len(g.layers)
    text = emulation.to_text(found, runs[0])
    assert re.match(r"emulated   cortex-m4, gcc -O2: all known answers met", text[0])


@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize("level", ["-O0", "-O2", "-O3"])
def test_nothing_is_warned_about(tmp_path, core, level):
    for path in network_test.NETWORKS[:4]:
        g = from_tflite.read(path.read_bytes())
        files.write(tmp_path / "net", g, "net")
        for source in (
            "net.c",
            "net_test.c",
            "cortex_m/startup.c",
            "cortex_m/profile.c",
        ):
            compiler.compile_program(
                [tmp_path / "net" / source],
                tmp_path / "net.o",
                *("-c", level, "-mthumb", f"-mcpu={core}", "-DNET_MARKS"),
                compiler="arm-none-eabi-gcc",
            )
