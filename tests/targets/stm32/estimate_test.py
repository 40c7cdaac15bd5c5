"""Whole graphs on a board: the paper's figures, memory, what does not fit."""

import dataclasses
import pathlib

import pytest

from export.tflite import offline_plan
from tests import graph_builder
from tfpipeline import errors
from tfpipeline.cost import estimate
from tfpipeline.ir import from_tflite
from tfpipeline.targets.stm32 import board_files, cost, spec
from tfpipeline.targets.stm32 import estimate as stm32

OPTIONS = estimate.Options()
F746 = board_files.load("stm32f746")
ROOT = pathlib.Path(__file__).parents[3]
SAVES = ROOT / "tests/golden/offline_plan/saves_memory.tflite"
L4R5 = board_files.load("stm32l4r5")


def _with_ram(board, *sizes):
    regions = [spec.Region(name=f"r{n}", num_bytes=n) for n in sizes]
    return dataclasses.replace(board, ram=tuple(regions))


def _paper():
    """The CIFAR-10 network of the CMSIS-NN paper."""
    builder = graph_builder.Builder((32, 32, 3), "paper")
    for channels in (32, 32, 64):
        builder.conv(channels, 5)
        builder.pool(3, stride=2, padding="same")
    builder.flatten()
    builder.dense(10)
    builder.softmax()
    return builder.build()


def test_the_paper_from_its_graph():
    found = stm32.estimate_graph(_paper(), OPTIONS, F746)
    latency = found.latency[cost.Q7_2018]
    assert round(1e3 * latency.seconds, 1) == 99.1
    assert found.totals.macs == 12_298_240
    assert found.memory["weight_bytes"] == 89_440
    assert found.memory["q7_2018_total_bytes"] // 1024 == 133
    assert found.violations == ()
    for name, each in found.latency.items():
        cycles = sum(layer.latency_cycles[name] for layer in found.layers)
        assert cycles == pytest.approx(each.cycles)
        assert each.seconds == pytest.approx(each.cycles / 216e6)
        assert 0 < each.relative_error < 1


def test_memory_of_the_arena():
    memory = stm32.estimate_graph(_paper(), OPTIONS, L4R5).memory
    # The first convolution: its input, output and two columns of 5x5x3 as int16.
    assert memory["ram_bytes"] == memory["ram_bound_bytes"] == 40_960
    assert memory["flash_bytes"] == 89_440 + 4 * 138
    wide = dataclasses.replace(OPTIONS, activation_bits=16)
    found = stm32.estimate_graph(_paper(), wide, L4R5)
    assert found.memory["ram_bytes"] == 81_920
    assert found.memory["bias_bytes"] == 8 * 138
    assert any("1.43 times" in note for note in found.notes)


def test_only_the_board_of_the_paper_has_its_profile():
    assert list(stm32.estimate_graph(_paper(), OPTIONS, L4R5).latency) == [cost.S8]
    assert set(stm32.estimate_graph(_paper(), OPTIONS, F746).latency) == {
        cost.S8,
        cost.Q7_2018,
    }


def test_energy_of_a_measured_board_at_its_clock():
    found = stm32.estimate_graph(_paper(), OPTIONS, L4R5).latency[cost.S8]
    assert found.joules == pytest.approx(L4R5.power_watts * found.seconds)
    other = dataclasses.replace(OPTIONS, clock_hz=60e6)
    slower = stm32.estimate_graph(_paper(), other, L4R5).latency[cost.S8]
    assert slower.joules is None
    assert slower.seconds == pytest.approx(2 * found.seconds)
    assert stm32.estimate_graph(_paper(), OPTIONS, F746).latency[cost.S8].joules is None


def test_a_layer_that_the_paper_has_not_leaves_its_profile_out():
    builder = graph_builder.Builder((8, 8, 4))
    builder.depthwise()
    found = stm32.estimate_graph(builder.build(), OPTIONS, F746)
    assert list(found.latency) == [cost.S8]
    assert "q7_2018_total_bytes" not in found.memory
    assert any("no constant for layer 'layer0'" in note for note in found.notes)


def test_what_does_not_fit_is_said_in_bytes():
    builder = graph_builder.Builder((256, 256, 3))
    builder.conv(16)
    builder.dense(2)
    found = stm32.estimate_graph(builder.build(), OPTIONS, F746)
    flash, ram = found.violations
    needed = found.memory["flash_bytes"]
    assert needed > 2 * 2**20
    assert flash.startswith(
        f"flash: weights and biases need {needed:,} bytes; stm32f746 has 1,048,576, "
        f"{needed - 2**20:,} too few"
    )
    assert ram.startswith("RAM: activations need 1,2")


def test_our_plan_is_advised_where_it_fits():
    g = from_tflite.read_file(SAVES)
    needed = stm32.estimate_graph(g, OPTIONS, F746).memory["ram_bytes"]
    board = _with_ram(F746, needed - 1)
    [ram] = stm32.estimate_graph(g, OPTIONS, board).violations
    plan = offline_plan.make(SAVES.read_bytes())
    assert f"{plan.head_bytes:,} bytes: export with --offline_plan" in ram
    small = _with_ram(F746, plan.head_bytes - 1)
    [ram] = stm32.estimate_graph(g, OPTIONS, small).violations
    assert "--offline_plan" not in ram


def test_a_network_without_computation_is_refused():
    builder = graph_builder.Builder((8, 8, 4))
    builder.flatten()
    with pytest.raises(errors.UsageError, match="needs a layer that computes"):
        stm32.estimate_graph(builder.build(), OPTIONS, F746)


def test_weights_of_other_widths_are_noted():
    options = dataclasses.replace(OPTIONS, weight_bits=4)
    found = stm32.estimate_graph(_paper(), options, L4R5)
    assert found.memory["weight_bytes"] == 89_440
    assert any("counted in 8 bits" in note for note in found.notes)


def test_names_and_kinds_are_the_graph_s():
    found = stm32.estimate_graph(_paper(), OPTIONS, L4R5)
    assert [layer.kind for layer in found.layers] == [
        *("Conv2D", "MaxPool") * 3,
        *("Reshape", "Dense", "Softmax"),
    ]
    assert found.layers[0].comp == 32 * 32 * 32


def test_an_arena_lies_in_one_region():
    needed = stm32.estimate_graph(_paper(), OPTIONS, L4R5).memory["ram_bytes"]
    board = _with_ram(L4R5, needed - 1, 64)
    found = stm32.estimate_graph(_paper(), OPTIONS, board)
    assert found.memory["ram_available_bytes"] == needed + 63
    [ram] = found.violations
    assert ram.startswith(
        f"RAM: activations need {needed:,} bytes in one piece; the largest region of "
        f"stm32l4r5, 'r{needed - 1}', has {needed - 1:,}, 1 too few"
    )
    assert not stm32.estimate_graph(
        _paper(), OPTIONS, _with_ram(L4R5, needed)
    ).violations


def test_what_is_known_of_a_board_is_told():
    def told(name):
        board = board_files.load(name)
        found = stm32.estimate_graph(_paper(), OPTIONS, board)
        [note] = [note for note in found.notes if note.startswith(f"{name} is ")]
        return found.latency[board.kernels].evidence, note

    assert told("stm32l4r5") == (
        "measured",
        "stm32l4r5 is measured: the model is off by -13 to +8 % on the published "
        "figures of microTVM with CMSIS-NN",
    )
    evidence, note = told("xg24")
    assert evidence == "unmeasured"
    assert "with the kernels that the model is of; it is off by +76 to +317 %" in note
    assert told("rp2350") == (
        "unmeasured",
        "rp2350 is unmeasured: no published figures are known",
    )
    q7 = stm32.estimate_graph(_paper(), OPTIONS, F746).latency
    assert {name: each.evidence for name, each in q7.items()} == {
        cost.S8: "unmeasured",
        cost.Q7_2018: "measured",
    }
